//! redis-server processes, on real time.

use std::{sync::Arc, time::Duration};

use redlock::{Builder, Redlock, Runtime, TokioRuntime};
use redlock_behaviour::{Cluster, Nodes, Setup};
use redlock_testkit::{
    AppendFsync, Cut, Fate, Flow, Message, Proxy, RedisCluster, RedisServer, ServerOptions,
};

struct Redis {
    /// In front of each node, where the behaviour wants to disturb the network.
    proxies: Vec<Proxy>,
    cluster: RedisCluster,
}

impl Redis {
    fn new(setup: Setup) -> Self {
        let mut options = ServerOptions::new();
        if setup.disks {
            options = options.append_only(AppendFsync::Always);
        }
        let cluster = RedisCluster::start(setup.nodes, &options).unwrap();
        let proxied = cluster.iter().filter(|_| setup.troubled_network);
        let proxies = proxied.map(|server| Proxy::to(server).unwrap()).collect();
        Self { proxies, cluster }
    }

    fn server(&self, node: usize) -> &RedisServer {
        &self.cluster[node]
    }

    fn proxy(&self, node: usize) -> &Proxy {
        let proxy = self.proxies.get(node);
        proxy.expect("the behaviour asked for a troubled network")
    }
}

fn key(resource: &str) -> String {
    format!("redlock:lock:{resource}")
}

impl Nodes for Redis {
    fn count(&self) -> usize {
        self.cluster.len()
    }

    fn name(&self, node: usize) -> String {
        let port = self.proxies.get(node).map(Proxy::port);
        let port = port.unwrap_or_else(|| self.server(node).port());
        format!("127.0.0.1:{port}")
    }

    fn builder(&self) -> Builder {
        if self.proxies.is_empty() {
            Redlock::builder().nodes(self.cluster.urls())
        } else {
            Redlock::builder().nodes(self.proxies.iter().map(Proxy::url))
        }
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime::new())
    }

    fn short_ttl(&self) -> Duration {
        Duration::from_millis(1_500)
    }

    fn lateness(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn stop(&self, node: usize) {
        self.server(node).stop();
    }

    fn resume(&self, node: usize) {
        self.server(node).cont();
    }

    fn kill(&self, node: usize) {
        self.server(node).kill();
    }

    fn start(&self, node: usize) {
        self.server(node).restart().unwrap();
    }

    fn flush(&self, node: usize) {
        self.server(node).command(&["FLUSHALL"]);
    }

    fn flush_scripts(&self, node: usize) {
        self.server(node).command(&["SCRIPT", "FLUSH"]);
    }

    fn make_read_only(&self, node: usize) {
        // Of a master that nobody ever reaches.
        self.server(node).command(&["REPLICAOF", "127.0.0.1", "1"]);
    }

    fn hold_requests(&self, node: usize) {
        self.proxy(node).requests(Flow::Hold);
    }

    fn lose_replies(&self, node: usize) {
        self.proxy(node).replies(Flow::Swallow);
    }

    fn mend(&self, node: usize) {
        let proxy = self.proxy(node);
        proxy.pass();
        let swallowed = |message: &Message| message.fate == Fate::Swallowed;
        if proxy.messages().iter().any(swallowed) {
            // No reply gets through behind a lost one.
            proxy.cut(Cut::Reset);
        }
    }

    fn owner_of(&self, node: usize, resource: &str) -> Option<String> {
        let owner = self.server(node).command(&["GET", &key(resource)]);
        redis::from_redis_value(owner).unwrap()
    }

    fn ttl_of(&self, node: usize, resource: &str) -> Option<Duration> {
        let left = self.server(node).command(&["PTTL", &key(resource)]);
        let left: i64 = redis::from_redis_value(left).unwrap();
        u64::try_from(left).ok().map(Duration::from_millis)
    }

    fn delete(&self, node: usize, resource: &str) {
        self.server(node).command(&["DEL", &key(resource)]);
    }

    fn plant_foreign_key(&self, node: usize, resource: &str) {
        self.server(node)
            .command(&["SET", &key(resource), "theirs"]);
    }

    fn has_foreign_key(&self, node: usize, resource: &str) -> bool {
        self.owner_of(node, resource).as_deref() == Some("theirs")
    }
}

fn run(setup: Setup, behaviour: impl AsyncFnOnce(&Cluster)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { behaviour(&Cluster::new(Redis::new(setup))).await });
}

macro_rules! tests {
    ($($module:ident::$name:ident: $setup:expr $(, not $kind:ident $why:literal)?;)*) => {
        $(test! { $module $name $setup, $($kind)? })*
    };
}

macro_rules! test {
    ($module:ident $name:ident $setup:expr, redis) => {};
    ($module:ident $name:ident $setup:expr, $($other:ident)?) => {
        #[test]
        fn $name() {
            run($setup, redlock_behaviour::$module::$name);
        }
    };
}

redlock_behaviour::for_each_behaviour!(tests);
