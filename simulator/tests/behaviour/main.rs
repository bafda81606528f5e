//! The client's behaviours, on simulated redis-servers behind the simulated network.
//!
//! What they are is in `redlock/behaviour`; here is how simulated nodes are broken: with the faults of plans, from within
//! the program on a [`Stage`].

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{cell::RefCell, collections::BTreeSet, sync::Arc, time::Duration};

use redlock::{Builder, Redlock, Runtime};
use redlock_behaviour::{Cluster, Nodes, Setup};
use simulator::{
    clock::ClockName,
    plan::{Fault, Links, Target},
    redis::{Config, Now, Persistence, Version},
    world::{Performance, Stage, WorldConfig},
};

struct Simulated {
    stage: Stage,
    /// Whose replies are lost.
    lossy: RefCell<BTreeSet<usize>>,
}

impl Simulated {
    fn host(&self, node: usize) -> String {
        self.stage.names().nodes[node].to_string()
    }

    fn target(&self, node: usize) -> Target {
        Target::Host(self.host(node))
    }

    fn to_node(&self, node: usize) -> Links {
        Links {
            from: vec![Target::Host(self.stage.process().host().name().to_string())],
            to: vec![self.target(node)],
            one_way: true,
        }
    }

    fn back(&self, node: usize) -> Links {
        let Links { from, to, one_way } = self.to_node(node);
        Links {
            from: to,
            to: from,
            one_way,
        }
    }

    /// What was not on its disk is lost, if it has one.
    fn crash(&self, node: usize) -> Fault {
        Fault::Crash {
            target: self.target(node),
            lose_data: false,
        }
    }

    /// As its operator would, on its host.
    fn operate(&self, node: usize, command: &str) {
        let name = self.host(node);
        let (host, node) = (self.stage.host(&name), self.stage.node(&name));
        node.unwrap()
            .operate(host.unwrap(), self.stage.now(), command);
    }

    /// What the key of `resource` holds, and how long by the clock of its node.
    fn key(&self, node: usize, resource: &str) -> Option<(String, Option<Duration>)> {
        let name = self.host(node);
        let wall = self.stage.host(&name)?.clocks(|clocks| {
            let wall = clocks.show(ClockName::Wall, self.stage.now());
            u64::try_from(wall.as_micros()).unwrap()
        });
        let now = Now {
            wall_us: wall,
            ..Now::default()
        };
        self.stage.node(&name)?.server(|server| {
            let (value, expires) = server.string(key(resource).as_bytes(), now)?;
            let left = expires.map(|at| u64::try_from(at - now.wall_ms()).unwrap());
            let value = String::from_utf8(value.to_vec()).unwrap();
            Some((value, left.map(Duration::from_millis)))
        })
    }
}

fn key(resource: &str) -> String {
    format!("redlock:lock:{resource}")
}

impl Nodes for Simulated {
    fn count(&self) -> usize {
        self.stage.names().nodes.len()
    }

    fn name(&self, node: usize) -> String {
        self.host(node)
    }

    fn builder(&self) -> Builder {
        Redlock::builder()
            .nodes(self.stage.urls())
            .runtime(self.stage.process().runtime().clone())
            .connector(Arc::new(self.stage.connector()))
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        self.stage.process().runtime().clone()
    }

    fn short_ttl(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn lateness(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn stop(&self, node: usize) {
        let target = self.target(node);
        self.stage.begin(&Fault::Pause { target });
    }

    fn resume(&self, node: usize) {
        let target = self.target(node);
        self.stage.end(&Fault::Pause { target });
    }

    fn kill(&self, node: usize) {
        self.stage.begin(&self.crash(node));
    }

    fn start(&self, node: usize) {
        self.stage.end(&self.crash(node));
    }

    fn flush(&self, node: usize) {
        let target = self.target(node);
        self.stage.begin(&Fault::FlushAll { target });
    }

    fn flush_scripts(&self, node: usize) {
        let target = self.target(node);
        self.stage.begin(&Fault::ScriptFlush { target });
    }

    fn make_read_only(&self, node: usize) {
        let target = self.target(node);
        self.stage.begin(&Fault::ReadOnly { target });
    }

    fn hold_requests(&self, node: usize) {
        let links = self.to_node(node);
        self.stage.begin(&Fault::Hold { links });
    }

    fn lose_replies(&self, node: usize) {
        let links = self.back(node);
        self.stage.begin(&Fault::Cut { links });
        self.lossy.borrow_mut().insert(node);
    }

    fn mend(&self, node: usize) {
        let links = self.to_node(node);
        if self.lossy.borrow_mut().remove(&node) {
            let back = self.back(node);
            self.stage.end(&Fault::Cut { links: back });
            self.stage.begin(&Fault::Reset { links });
        } else {
            self.stage.end(&Fault::Hold { links });
        }
    }

    fn owner_of(&self, node: usize, resource: &str) -> Option<String> {
        self.key(node, resource).map(|(owner, _)| owner)
    }

    fn ttl_of(&self, node: usize, resource: &str) -> Option<Duration> {
        self.key(node, resource)?.1
    }

    fn delete(&self, node: usize, resource: &str) {
        self.operate(node, &format!("DEL {}", key(resource)));
    }

    fn plant_foreign_key(&self, node: usize, resource: &str) {
        self.operate(node, &format!("SET {} theirs", key(resource)));
    }

    fn has_foreign_key(&self, node: usize, resource: &str) -> bool {
        self.owner_of(node, resource).as_deref() == Some("theirs")
    }
}

/// True time, which costs next to nothing.
const LIMIT: Duration = Duration::from_secs(600);

fn perform(
    setup: Setup,
    seed: u64,
    behaviour: impl AsyncFnOnce(&Cluster) + 'static,
) -> Performance<()> {
    let config = WorldConfig {
        nodes: setup.nodes,
        server: Config {
            persistence: match setup.disks {
                true => Persistence::AofAlways,
                false => Persistence::None,
            },
            version: if seed == 1 {
                Version::V6_2
            } else {
                Version::V7_0
            },
            ..Config::default()
        },
        ..WorldConfig::default()
    };
    Stage::perform(config, seed, LIMIT, async move |stage| {
        // Servers listen before anybody is told of them.
        stage
            .process()
            .runtime()
            .sleep(Duration::from_millis(10))
            .await;
        let lossy = RefCell::default();
        behaviour(&Cluster::new(Simulated { stage, lossy })).await;
    })
}

/// Three seeds draw latencies and errors of clocks; the first has servers of the oldest version.
fn run(setup: Setup, behaviour: impl AsyncFnOnce(&Cluster) + Copy + 'static) {
    for seed in 1..=3 {
        if let Err(failure) = perform(setup, seed, behaviour).outcome {
            panic!("seed {seed}: {failure}");
        }
    }
}

macro_rules! tests {
    ($($module:ident::$name:ident: $setup:expr $(, not $kind:ident $why:literal)?;)*) => {
        $(test! { $module $name $setup, $($kind)? })*
    };
}

macro_rules! test {
    ($module:ident $name:ident $setup:expr, simulated) => {};
    ($module:ident $name:ident $setup:expr, $($other:ident)?) => {
        #[test]
        fn $name() {
            run($setup, redlock_behaviour::$module::$name);
        }
    };
}

redlock_behaviour::for_each_behaviour!(tests);

/// A seed and a behaviour are one history, to the byte.
#[test]
fn a_behaviour_can_be_replayed() {
    let history = |seed| {
        let behaviour = redlock_behaviour::lock::contenders_take_turns;
        let performance = perform(Setup::nodes(3), seed, behaviour);
        performance.outcome.unwrap();
        performance.history
    };
    let events = |seed| format!("{:?}", history(seed).events());
    assert_eq!(events(1), events(1));
    assert_ne!(events(1), events(2));
}
