//! A world without a plan, in which a test says what happens next.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc, sync::Arc, time::Duration};

use super::{
    config::WorldConfig,
    outcome::Failure,
    run::{Maker, PREFIX, carrier, trouble},
};
use crate::{
    history::{History, HostName, Recorder},
    host::{Host, HostConnector, Process, Program},
    nemesis::{Targets as _, Victims},
    network::{self, Network},
    node::RedisNode,
    plan::{Fault, Hosts, resolve},
    time::TrueTime,
    workload::Activity,
};

/// Redis nodes and one client host, `client-1`, on a simulated network, seen from within the program on that host.
///
/// The program does both: it uses what it tests, through [`Stage::process`]'s runtime and a [`Stage::connector`], and it
/// is the nemesis, with the faults that plans are made of. A fault takes hold as [`Stage::begin`] returns. Clones are
/// the same stage. Nothing is deployed: the nodes are as redis-servers are on their first day.
///
/// ```
/// use std::{sync::Arc, time::Duration};
/// use redlock::{Redlock, Runtime as _};
/// use simulator::{plan::{Fault, Role, Target}, world::{Stage, WorldConfig}};
///
/// let shown = Stage::perform(WorldConfig::default(), 7, Duration::from_secs(60), async |stage| {
///     let redlock = Redlock::builder()
///         .nodes(stage.urls())
///         .runtime(stage.process().runtime().clone())
///         .connector(Arc::new(stage.connector()))
///         .build()
///         .unwrap();
///     redlock.admit_new_cluster().await.unwrap();
///     stage.begin(&Fault::Pause { target: Target::Role(Role::Minority) });
///     redlock.acquire("invoices").await.unwrap().held()
/// });
/// assert_eq!(shown.outcome.unwrap(), 3);
/// ```
#[derive(Clone)]
pub struct Stage {
    victims: Rc<Victims>,
    process: Process,
}

/// What came of a program on a stage.
#[derive(Debug)]
pub struct Performance<T> {
    /// What the program returned, or why it did not.
    pub outcome: Result<T, Failure>,
    /// Everything that happened.
    pub history: History,
}

impl Stage {
    /// Builds the nodes of `config` and runs `program` on a client host, for at most `limit` of true time. Of the
    /// configuration, what concerns the store, the workload and the phases is not used.
    ///
    /// A program whose process a fault kills does not start again: the performance ends at the limit.
    pub fn perform<T: 'static>(
        config: WorldConfig,
        seed: u64,
        limit: Duration,
        program: impl AsyncFnOnce(Self) -> T + 'static,
    ) -> Performance<T> {
        let recorder = Recorder::new();
        let result: Rc<RefCell<Option<T>>> = Rc::default();
        let (mut sim, victims) = set(&config, seed, &recorder, program, &result);
        let outcome = run(&mut sim, &victims, limit, &result);
        let history = recorder.into_history();
        // Every process ends on its own host, where its sockets and timers belong.
        for host in victims.hosts.values() {
            host.halt();
        }
        // A world that broke down cannot do even this.
        let _ = sim.step();
        Performance { outcome, history }
    }

    /// The process that the program runs in: its clocks, timers, tasks and random bytes.
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Connections from the program's host over the simulated network.
    pub fn connector(&self) -> HostConnector {
        HostConnector::new(self.process.host().clone())
    }

    /// The nodes' addresses, as the client's builder takes them.
    pub fn urls(&self) -> Vec<String> {
        let nodes = self.victims.names.nodes.iter();
        nodes
            .map(|name| format!("redis://{name}:{}", crate::node::PORT))
            .collect()
    }

    /// The names of the hosts; there is no store.
    pub fn names(&self) -> &Hosts {
        &self.victims.names
    }

    /// A host, by its name.
    pub fn host(&self, name: &str) -> Option<&Arc<Host>> {
        self.victims.hosts.get(&HostName::from(name))
    }

    /// The redis-server on a node's host.
    pub fn node(&self, name: &str) -> Option<&RedisNode> {
        self.victims.nodes.get(&HostName::from(name))
    }

    /// The network between them.
    pub fn network(&self) -> &Arc<Network> {
        &self.victims.network
    }

    /// True time.
    pub fn now(&self) -> TrueTime {
        network::now()
    }

    /// Begins a fault, as a nemesis does where a plan says so; one that happens at once is over with it. A flapping link is
    /// cut until the end. Roles that depend on who holds a lock are nobody here.
    pub fn begin(&self, fault: &Fault) {
        let fault = resolve(fault, &|role| self.victims.playing(role));
        self.victims.apply(self.now(), &fault, None);
    }

    /// Ends a fault that was begun: a host that crashed starts, links are whole, clocks go on.
    pub fn end(&self, fault: &Fault) {
        let fault = resolve(fault, &|role| self.victims.playing(role));
        self.victims.undo(self.now(), &fault);
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage")
            .field("names", self.names())
            .finish_non_exhaustive()
    }
}

fn set<T: 'static>(
    config: &WorldConfig,
    seed: u64,
    recorder: &Recorder,
    program: impl AsyncFnOnce(Stage) -> T + 'static,
    result: &Rc<RefCell<Option<T>>>,
) -> (turmoil::Sim<'static>, Rc<Victims>) {
    let network = Arc::new(Network::new(
        seed,
        config.latency,
        recorder.clone(),
        config.records_segments,
    ));
    let mut maker = Maker {
        sim: carrier(config, seed),
        config,
        seed,
        network: &network,
        recorder,
    };
    let names = Hosts::numbered(config.nodes, 1);
    let (mut hosts, mut nodes) = (BTreeMap::new(), BTreeMap::new());
    let make = if config.is_guarded() {
        RedisNode::new
    } else {
        RedisNode::unguarded
    };
    for name in &names.nodes {
        let host = maker.host(name);
        let node = make(&host, maker.server(name), PREFIX);
        maker.run(&host, node.program());
        nodes.insert(name.clone(), node);
        hosts.insert(name.clone(), host);
    }
    let client = maker.host(&names.clients[0]);
    hosts.insert(names.clients[0].clone(), client.clone());
    let victims = Rc::new(Victims {
        names,
        hosts,
        nodes,
        network: network.clone(),
        activity: Activity::default(),
    });
    let program = on_stage(program, &victims, result);
    maker.run(&client, program);
    (maker.sim, victims)
}

/// Runs the program once: at the first start of its process.
fn on_stage<T: 'static>(
    program: impl AsyncFnOnce(Stage) -> T + 'static,
    victims: &Rc<Victims>,
    result: &Rc<RefCell<Option<T>>>,
) -> Program {
    let once = RefCell::new(Some(program));
    // The hosts own their programs; a program that owned the hosts would keep both for ever.
    let (victims, result) = (Rc::downgrade(victims), result.clone());
    Rc::new(move |process| {
        let (program, result) = (once.take(), result.clone());
        let stage = victims.upgrade().map(|victims| Stage { victims, process });
        Box::pin(async move {
            if let (Some(program), Some(stage)) = (program, stage) {
                let returned = program(stage).await;
                *result.borrow_mut() = Some(returned);
            }
        })
    })
}

fn run<T>(
    sim: &mut turmoil::Sim<'static>,
    victims: &Victims,
    limit: Duration,
    result: &RefCell<Option<T>>,
) -> Result<T, Failure> {
    loop {
        if let Err(error) = sim.step() {
            return Err(Failure::World(error.to_string()));
        }
        if let Some(failure) = trouble(victims) {
            return Err(failure);
        }
        if let Some(returned) = result.borrow_mut().take() {
            return Ok(returned);
        }
        if sim.elapsed() >= limit {
            let message = format!("the program did not end within {} s", limit.as_secs());
            return Err(Failure::World(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use redlock::Runtime as _;

    use super::*;
    use crate::plan::{Role, Target};

    const LIMIT: Duration = Duration::from_secs(1);

    fn perform<T: 'static>(program: impl AsyncFnOnce(Stage) -> T + 'static) -> Result<T, Failure> {
        Stage::perform(WorldConfig::default(), 7, LIMIT, program).outcome
    }

    #[test]
    fn it_ends_with_its_program_at_the_limit_or_by_a_panic() {
        let ended = perform(async |stage| {
            stage.process().runtime().sleep(LIMIT / 2).await;
            stage.now()
        });
        let half = TrueTime::from(LIMIT / 2);
        assert!(ended.as_ref().is_ok_and(|at| *at >= half), "{ended:?}");
        let endless = perform(async |_| std::future::pending::<()>().await);
        assert!(matches!(endless, Err(Failure::World(_))), "{endless:?}");
        let panicked = perform(async |_| -> () { panic!("on purpose") });
        assert!(
            matches!(&panicked, Err(Failure::Panic { host, message })
                if **host == *"client-1" && message == "on purpose"),
            "{panicked:?}"
        );
    }

    #[test]
    fn a_fault_takes_hold_at_once_and_ends_when_told() {
        let shown = perform(async |stage| {
            let of = |role| Target::Role(role);
            let crash = Fault::Crash {
                target: of(Role::Minority),
                lose_data: true,
            };
            let pause = Fault::Pause {
                target: of(Role::Majority),
            };
            let look = || {
                let hosts = stage
                    .names()
                    .nodes
                    .iter()
                    .filter_map(|name| stage.host(name));
                let seen = hosts.map(|host| match (host.is_up(), host.is_paused()) {
                    (false, _) => 'x',
                    (_, true) => '-',
                    _ => '+',
                });
                seen.collect::<String>()
            };
            stage.begin(&crash);
            stage.begin(&pause);
            let during = look();
            stage.end(&pause);
            stage.end(&crash);
            (during, look())
        });
        let (during, after) = shown.unwrap();
        assert_eq!((during.as_str(), after.as_str()), ("xx---", "+++++"));
    }
}
