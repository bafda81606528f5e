//! One run of a world.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use futures::future::LocalBoxFuture;
use redlock::Runtime as _;

use super::{
    config::WorldConfig,
    outcome::{Failure, Run, no_success_since_heal},
    replay::Replay,
    standing,
};
use crate::{
    clock::Clocks,
    history::{HostName, Recorder},
    host::{self, Breakdown, Host, Process, Program, panic_message},
    nemesis::{Nemesis, Victims},
    network::Network,
    node::RedisNode,
    plan::Plan,
    random::{Purpose, below, stream},
    redis,
    store::Store,
    time::TrueTime,
    workload::{Activity, Session, work},
};

/// What a client host does with its session: called at every start of its process, once the cluster is in service.
pub type ClientProgram = Rc<dyn Fn(Session) -> LocalBoxFuture<'static, ()>>;

/// A world that has yet to run.
pub struct World {
    config: WorldConfig,
    plan: Plan,
    seed: u64,
    program: ClientProgram,
}

/// What the wall clocks show as a world begins, but for their errors: 2025-01-01.
const EPOCH: Duration = Duration::from_secs(1_735_689_600);
/// What the other clocks show.
const UPTIME: Duration = Duration::from_secs(100_000);
/// What lock keys begin with: the client's default.
pub(super) const PREFIX: &str = "redlock";

impl World {
    /// A world whose clients run the configured workload.
    pub fn new(config: WorldConfig, plan: Plan, seed: u64) -> Self {
        let own = config.clone();
        let program: ClientProgram = Rc::new(move |session| {
            let workload = own.workload_of(session.process().host().name()).clone();
            Box::pin(work(session, workload, seed))
        });
        Self {
            config,
            plan,
            seed,
            program,
        }
    }

    /// Has client hosts run `program` instead.
    #[must_use]
    pub fn with_program(mut self, program: ClientProgram) -> Self {
        self.program = program;
        self
    }

    /// Runs it, to the end or until something goes wrong with a program or with the world itself.
    pub fn run(self) -> Run {
        let recorder = Recorder::new();
        let replay = Replay {
            config: self.config.clone(),
            plan: self.plan.clone(),
            seed: self.seed,
        };
        let mut built = Built::new(self, &recorder);
        let failure = match catch_unwind(AssertUnwindSafe(|| built.run())) {
            Ok(failure) => failure,
            Err(panic) => Some(Failure::World(panic_message(&*panic))),
        };
        let waiting = built.explain();
        let waits = built.victims.activity.is_waiting() || !built.deployment.is_done();
        let history = recorder.into_history();
        built.take_down();
        let stuck = no_success_since_heal(&history).filter(|_| failure.is_none() && waits);
        Run {
            history,
            failure,
            stuck,
            waiting,
            replay,
        }
    }
}

/// A world with everything in it.
struct Built {
    sim: turmoil::Sim<'static>,
    nemesis: Nemesis<Victims>,
    victims: Victims,
    deployment: Deployment,
    heal: TrueTime,
    end: TrueTime,
    /// The end of a run that does not recover.
    latest: TrueTime,
}

impl Built {
    fn new(world: World, recorder: &Recorder) -> Self {
        let World {
            config,
            plan,
            seed,
            program,
        } = world;
        let network = Arc::new(Network::new(
            seed,
            config.latency,
            recorder.clone(),
            config.records_segments,
        ));
        let mut maker = Maker {
            sim: carrier(&config, seed),
            config: &config,
            seed,
            network: &network,
            recorder,
        };
        let names = config.hosts();
        let activity = Activity::default();
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
        let store = maker.host(&names.store);
        maker.run(&store, Store::new(config.fencing).program());
        hosts.insert(names.store.clone(), store);
        let deployment = Deployment::default();
        let client = Client {
            config: Rc::new(config.clone()),
            activity: activity.clone(),
            program,
            deployment: deployment.clone(),
        };
        for name in &names.clients {
            let host = maker.host(name);
            maker.run(&host, client.program());
            hosts.insert(name.clone(), host);
        }
        let sim = maker.sim;
        let victims = Victims {
            names,
            hosts,
            nodes,
            network,
            activity,
        };
        Self {
            sim,
            nemesis: Nemesis::new(plan, config.safety(), victims.clone(), recorder.clone()),
            victims,
            deployment,
            heal: config.safety().into(),
            end: config.length().into(),
            latest: TrueTime::from(config.length()) + Duration::from_millis(config.recovery_ms),
        }
    }

    /// Ends every process on its own host, where its sockets and timers belong.
    fn take_down(mut self) {
        for host in self.victims.hosts.values() {
            host.halt();
        }
        // A world that broke down cannot do even this.
        let _ = self.sim.step();
    }

    fn explain(&self) -> String {
        let now = TrueTime::from(self.sim.elapsed());
        let mut text = self.deployment.explain();
        text += &standing::explain(&self.victims, now);
        text
    }

    /// Whether somebody waits for what nobody has acquired since the world healed, or for the cluster.
    fn is_recovering(&self) -> bool {
        !self.deployment.is_done() || self.victims.activity.waits_in_vain_since(self.heal)
    }

    fn run(&mut self) -> Option<Failure> {
        let mut healed = false;
        loop {
            let now = TrueTime::from(self.sim.elapsed());
            if now >= self.latest || now >= self.end && !self.is_recovering() {
                return None;
            }
            if !healed && now >= self.heal {
                healed = true;
                self.nemesis.heal(now);
            } else {
                self.nemesis.act(now);
            }
            let stepped = self.sim.step();
            if let Some(failure) = trouble(&self.victims) {
                return Some(failure);
            }
            if let Err(error) = stepped {
                return Some(Failure::World(error.to_string()));
            }
        }
    }
}

/// What went wrong on a host, if anything did.
pub(super) fn trouble(victims: &Victims) -> Option<Failure> {
    let mut hosts = victims.hosts.values();
    hosts.find_map(|host| {
        let name = host.name().clone();
        Some(match host.breakdown()? {
            Breakdown::Panic(message) => Failure::Panic {
                host: name,
                message,
            },
            Breakdown::Spinning(at) => Failure::Spinning { host: name, at },
        })
    })
}

/// turmoil, asked for nothing but to carry bytes at its smallest latency.
pub(super) fn carrier(config: &WorldConfig, seed: u64) -> turmoil::Sim<'static> {
    turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + EPOCH)
        .tick_duration(Duration::from_millis(config.tick_ms.max(1)))
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::ZERO)
        .tcp_capacity(1 << 16)
        .simulation_duration(Duration::MAX)
        .build()
}

/// Puts hosts into a world.
pub(super) struct Maker<'a> {
    pub(super) sim: turmoil::Sim<'static>,
    pub(super) config: &'a WorldConfig,
    pub(super) seed: u64,
    pub(super) network: &'a Arc<Network>,
    pub(super) recorder: &'a Recorder,
}

impl Maker<'_> {
    pub(super) fn host(&self, name: &HostName) -> Arc<Host> {
        let (rate, offset_us) = self.config.clock_error(self.seed, name);
        let wall = i64::try_from(EPOCH.as_nanos())
            .unwrap_or(i64::MAX)
            .saturating_add(offset_us * 1_000);
        Host::new(
            name.clone(),
            self.seed,
            Clocks::new(wall, UPTIME, rate),
            self.network,
            self.recorder,
        )
    }

    pub(super) fn server(&self, name: &HostName) -> redis::Config {
        let mut random = stream(self.seed, Purpose::Host, name, u64::MAX, 1);
        redis::Config {
            seed: below(&mut random, u64::MAX),
            replica_of: self.config.master_of(name),
            ..self.config.server.clone()
        }
    }

    pub(super) fn run(&mut self, host: &Arc<Host>, program: Program) {
        let own = host.clone();
        self.sim.host(&**host.name(), move || {
            let kernel = host::run(own.clone(), program.clone());
            async move { Ok(kernel.await?) }
        });
    }
}

/// What client hosts have in common.
#[derive(Clone)]
struct Client {
    config: Rc<WorldConfig>,
    activity: Activity,
    program: ClientProgram,
    deployment: Deployment,
}

impl Client {
    fn program(&self) -> Program {
        let client = self.clone();
        Rc::new(move |process| Box::pin(client.clone().start(process)))
    }

    #[expect(
        clippy::expect_used,
        reason = "a configuration that cannot be used fails its run by a panic"
    )]
    async fn start(self, process: Process) {
        let contender = self
            .config
            .contender(&process)
            .expect("a configuration that works");
        // One client is the operator who puts the cluster into service.
        let is_operator = *process.host().name() == self.operator();
        while !self.deployment.is_done() {
            if is_operator {
                self.deployment.tried(contender.deploy().await);
            }
            process.runtime().sleep(Duration::from_millis(10)).await;
        }
        let name = process.host().name().clone();
        let workload = self.config.workload_of(&name);
        let patience = Duration::from_millis(workload.store_patience_ms);
        (self.program)(Session::new(process, contender, patience, self.activity)).await;
    }

    fn operator(&self) -> HostName {
        let hosts = self.config.hosts();
        hosts.clients.first().cloned().unwrap_or(hosts.store)
    }
}

/// Whether the cluster is in service. Clones share it.
#[derive(Clone, Default)]
struct Deployment {
    done: Rc<Cell<bool>>,
    refused: Rc<RefCell<Option<String>>>,
}

impl Deployment {
    fn is_done(&self) -> bool {
        self.done.get()
    }

    fn tried(&self, tried: Result<(), String>) {
        self.done.set(tried.is_ok());
        *self.refused.borrow_mut() = tried.err();
    }

    fn explain(&self) -> String {
        if self.is_done() {
            return String::new();
        }
        match &*self.refused.borrow() {
            Some(why) => format!("the cluster was not put into service: {why}\n"),
            None => "nobody has put the cluster into service yet\n".to_owned(),
        }
    }
}
