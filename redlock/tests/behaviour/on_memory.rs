//! In-memory nodes, on tokio's virtual time.

use std::{sync::Arc, time::Duration};

use redlock::{
    Builder, Redlock, Runtime,
    memory::{MemoryCluster, MemoryServer, VirtualRuntime},
};
use redlock_behaviour::{Cluster, Nodes, Setup};

struct Memory {
    cluster: MemoryCluster,
    runtime: Arc<VirtualRuntime>,
    disks: bool,
}

impl Memory {
    fn new(setup: Setup) -> Self {
        Self {
            cluster: MemoryCluster::never_admitted(setup.nodes),
            runtime: Arc::new(VirtualRuntime::new(1)),
            disks: setup.disks,
        }
    }

    fn server(&self, node: usize) -> MemoryServer {
        self.cluster.server(node)
    }
}

fn key(resource: &str) -> Vec<u8> {
    format!("redlock:lock:{resource}").into_bytes()
}

impl Nodes for Memory {
    fn count(&self) -> usize {
        self.cluster.len()
    }

    fn name(&self, node: usize) -> String {
        self.server(node).name().to_owned()
    }

    fn builder(&self) -> Builder {
        Redlock::builder()
            .memory_nodes(&self.cluster)
            .runtime(self.runtime.clone())
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        self.runtime.clone()
    }

    fn short_ttl(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn lateness(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn stop(&self, node: usize) {
        self.server(node).pause();
    }

    fn resume(&self, node: usize) {
        self.server(node).resume();
    }

    fn kill(&self, node: usize) {
        self.server(node).refuse();
    }

    fn start(&self, node: usize) {
        self.server(node).restart(self.disks);
        self.server(node).up();
    }

    fn flush(&self, node: usize) {
        self.server(node).forget_everything();
    }

    fn flush_scripts(&self, _: usize) {
        unreachable!("it executes no scripts");
    }

    fn make_read_only(&self, _: usize) {
        unreachable!("it knows no replication");
    }

    fn hold_requests(&self, node: usize) {
        self.server(node).hold();
    }

    fn lose_replies(&self, node: usize) {
        self.server(node).lose_replies();
    }

    fn mend(&self, node: usize) {
        self.server(node).release_held();
        self.server(node).up();
    }

    fn owner_of(&self, node: usize, resource: &str) -> Option<String> {
        let owner = self.server(node).owner_of(resource.as_bytes());
        owner.map(|owner| owner.as_str().to_owned())
    }

    fn ttl_of(&self, node: usize, resource: &str) -> Option<Duration> {
        self.server(node).ttl_of(resource.as_bytes())
    }

    fn delete(&self, node: usize, resource: &str) {
        self.server(node).delete(resource.as_bytes());
    }

    fn plant_foreign_key(&self, node: usize, resource: &str) {
        self.server(node).plant_foreign_key(&key(resource));
    }

    fn has_foreign_key(&self, node: usize, resource: &str) -> bool {
        let is_lock = self.owner_of(node, resource).is_some();
        self.server(node).keys().contains(&key(resource)) && !is_lock
    }
}

fn run(setup: Setup, behaviour: impl AsyncFnOnce(&Cluster)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async { behaviour(&Cluster::new(Memory::new(setup))).await });
}

macro_rules! tests {
    ($($module:ident::$name:ident: $setup:expr $(, not $kind:ident $why:literal)?;)*) => {
        $(test! { $module $name $setup, $($kind)? })*
    };
}

macro_rules! test {
    ($module:ident $name:ident $setup:expr, memory) => {};
    ($module:ident $name:ident $setup:expr, $($other:ident)?) => {
        #[test]
        fn $name() {
            run($setup, redlock_behaviour::$module::$name);
        }
    };
}

redlock_behaviour::for_each_behaviour!(tests);
