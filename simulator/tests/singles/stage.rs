//! How two clients of such a lock are put on a stage, and what is asked of them afterwards.

use std::{rc::Rc, time::Duration};

use futures::future::LocalBoxFuture;
use redlock::Runtime as _;
use simulator::{
    TrueTime,
    checkers::{Checker, Report, Verdict, check_truth},
    contender::{Refusal, SingleRule, SingleSettings},
    history::{EventKind, History, NodeChange},
    network::Latency,
    plan::Plan,
    truth::{Facts, Truth},
    workload::{RecordedLease, Session},
    world::{ClientProgram, ClockErrors, World, WorldConfig},
};

/// What seeds change must not change the end.
pub(crate) const SEEDS: [u64; 3] = [1, 2, 20_260];

/// The TTL everywhere.
pub(crate) const TTL: Duration = Duration::from_secs(10);

/// Two clients and one Redis, a millisecond apart, with exact clocks.
pub(crate) fn world(rule: SingleRule, length_ms: u64) -> WorldConfig {
    WorldConfig {
        nodes: 1,
        clients: 2,
        latency: Latency::constant(1_000),
        clocks: ClockErrors {
            rate_error_ppm: 0,
            wall_offset_us: 0,
            ..ClockErrors::default()
        },
        single: Some(SingleSettings {
            rule,
            ttl_ms: 10_000,
            ..SingleSettings::default()
        }),
        safety_ms: length_ms,
        liveness_ms: 1_000,
        ..WorldConfig::default()
    }
}

/// What one client does.
pub(crate) type Part = fn(Actor) -> LocalBoxFuture<'static, ()>;

/// A client: its session, and a watch that shows true time.
#[derive(Clone)]
pub(crate) struct Actor(pub(crate) Session);

impl Actor {
    /// Waits until it is that many milliseconds since the world began.
    pub(crate) async fn at(&self, ms: u64) {
        let process = self.0.process();
        loop {
            let left = TrueTime::from_millis(ms).since(process.true_time());
            if left.is_zero() {
                return;
            }
            process.runtime().sleep(left).await;
        }
    }

    /// Whether the process was killed before.
    pub(crate) fn is_reborn(&self) -> bool {
        self.0.process().incarnation() > 0
    }

    /// Tries once.
    pub(crate) async fn try_acquire(&self) -> Result<RecordedLease, Refusal> {
        self.0.acquire("r1", Duration::ZERO).await
    }

    /// Acquires, and waits for a holder as long as it takes.
    pub(crate) async fn acquire(&self) -> RecordedLease {
        let patient = Duration::from_secs(3_600);
        self.0.acquire("r1", patient).await.unwrap()
    }
}

/// A run that is over.
pub(crate) struct Told {
    pub(crate) history: History,
    pub(crate) facts: Facts,
}

/// Plays `one` on `client-1` and `two` on `client-2`, with faults.
pub(crate) fn play(config: WorldConfig, faults: &str, seed: u64, one: Part, two: Part) -> Told {
    let plan = Plan::parse("singles.toml", faults).unwrap_or_else(|error| panic!("{error}"));
    plan.check(&config.hosts()).unwrap();
    let facts = config.facts();
    let program: ClientProgram = Rc::new(move |session| {
        let actor = Actor(session);
        let is_first = actor.0.process().host().name().ends_with("-1");
        if is_first { one(actor) } else { two(actor) }
    });
    let run = World::new(config, plan, seed).with_program(program).run();
    assert_eq!(run.failure, None, "{}", run.waiting);
    Told {
        history: run.history,
        facts,
    }
}

impl Told {
    pub(crate) fn truth(&self) -> Truth<'_> {
        Truth::new(&self.history, &self.facts)
    }

    pub(crate) fn report(&self) -> Report {
        check_truth(&self.truth())
    }

    /// Who acquired, in order, and when, in milliseconds.
    pub(crate) fn leases(&self) -> Vec<(String, u64)> {
        let truth = self.truth();
        let leases = truth.leases.iter();
        leases
            .map(|lease| (lease.client.to_string(), ms(lease.returned.at)))
            .collect()
    }

    /// Who acquired, in order.
    pub(crate) fn holders(&self) -> Vec<String> {
        self.leases()
            .into_iter()
            .map(|(client, _)| client)
            .collect()
    }

    /// What became of keys on a node: when, what and by whom.
    pub(crate) fn changes_of(&self, node: &str) -> Vec<(u64, &NodeChange, Option<&str>)> {
        let events = self.history.events().iter();
        events
            .filter_map(|event| match &event.kind {
                EventKind::Node { change, by }
                    if *event.host == *node && !matches!(change, NodeChange::Votes { .. }) =>
                {
                    Some((ms(event.at), change, by.as_deref()))
                }
                _ => None,
            })
            .collect()
    }
}

/// Whether the windows of two holders overlapped.
pub(crate) fn is_shared(report: &Report) -> bool {
    report
        .finding(Checker::WindowExclusion)
        .verdict
        .is_violated()
}

/// Whether somebody removed or extended a key that was not its own.
pub(crate) fn is_meddled_with(report: &Report) -> bool {
    report
        .finding(Checker::OwnerOnlyRelease)
        .verdict
        .is_violated()
}

/// Whether a checker says that it cannot say.
pub(crate) fn is_unknown(report: &Report, checker: Checker) -> bool {
    matches!(report.finding(checker).verdict, Verdict::Unknown(_))
}

/// True time in whole milliseconds.
pub(crate) fn ms(at: TrueTime) -> u64 {
    at.as_nanos() / 1_000_000
}
