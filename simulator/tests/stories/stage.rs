//! How a story is staged, and what is asked of it afterwards.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use futures::{FutureExt as _, future::LocalBoxFuture};
use redlock::Runtime as _;
use simulator::{
    TrueTime,
    checkers::{Checker, Evidence, Report, Verdict, check_truth},
    contender::RedlockSettings,
    history::{EventKind, History, NodeChange, StoreAccess},
    network::Latency,
    plan::Plan,
    truth::{Facts, Lease, Truth},
    workload::{RecordedLease, Session},
    world::{ClientProgram, World, WorldConfig},
};

/// What seeds change must not change the end of a story.
pub(crate) const SEEDS: [u64; 3] = [1, 2, 20_260];

/// The TTL of all stories.
pub(crate) const TTL: Duration = Duration::from_secs(10);

/// The resource of all stories.
pub(crate) const RESOURCE: &str = "r1";

/// Five nodes, two clients, a lease of ten seconds, ticks of 5 ms because nothing in a story is decided by less. Clocks are a little wrong, and latencies are those of a data centre but
/// for the tail, which would be a fault that no plan mentions.
pub(crate) fn usual(length_ms: u64) -> WorldConfig {
    WorldConfig {
        clients: 2,
        latency: Latency {
            tail_ppm: 0,
            ..Latency::default()
        },
        redlock: RedlockSettings {
            ttl_ms: 10_000,
            max_ttl_ms: 10_000,
            ..RedlockSettings::default()
        },
        tick_ms: 5,
        safety_ms: length_ms,
        liveness_ms: 1_000,
        ..WorldConfig::default()
    }
}

/// What one client does.
pub(crate) type Part = fn(Actor) -> LocalBoxFuture<'static, ()>;

/// A client in its part: a session, and a watch that shows true time. No program under test has one; a story needs it to say
/// when things happen.
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

    /// Acquires, and waits for a holder as long as it takes.
    pub(crate) async fn acquire(&self) -> RecordedLease {
        let patient = Duration::from_secs(3_600);
        self.0.acquire(RESOURCE, patient).await.unwrap()
    }
}

/// A run that is over.
pub(crate) struct Told {
    pub(crate) history: History,
    pub(crate) facts: Facts,
}

/// Plays a story: `client-1` is `one`, `client-2` is `two`, who acquires once more when all is over and the world healed.
pub(crate) fn play(config: WorldConfig, plan: &str, seed: u64, one: Part, two: Part) -> Told {
    let plan = Plan::parse("story.toml", plan).unwrap_or_else(|error| panic!("{error}"));
    plan.check(&config.hosts()).unwrap();
    let facts = config.facts();
    let over_ms = config.safety_ms + 100;
    let program: ClientProgram = Rc::new(move |session| {
        let actor = Actor(session);
        if actor.0.process().host().name().ends_with("-1") {
            return one(actor);
        }
        async move {
            two(actor.clone()).await;
            actor.at(over_ms).await;
            actor.acquire().await.release().await.unwrap();
        }
        .boxed_local()
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

    /// What all checkers say. These are violated, those are unknown, all others are ok.
    pub(crate) fn verdicts(&self, violated: &[Checker], unknown: &[Checker]) -> Report {
        let report = check_truth(&self.truth());
        let all = |is: fn(&Verdict) -> bool| -> BTreeSet<Checker> {
            let found = report.findings.iter().filter(|found| is(&found.verdict));
            found.map(|finding| finding.checker).collect()
        };
        let violations = all(Verdict::is_violated);
        let unknowns = all(|verdict| matches!(verdict, Verdict::Unknown(_)));
        let expected = |list: &[Checker]| list.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!(violations, expected(violated), "violated in\n{report}");
        assert_eq!(unknowns, expected(unknown), "unknown in\n{report}");
        report
    }

    /// What the store did, in its order: `client-1 read 0`, `client-2 wrote 1`, `client-1 refused`.
    pub(crate) fn store(&self) -> Vec<String> {
        let mut seen = Vec::new();
        for event in self.history.events() {
            let EventKind::Store { operation, access } = &event.kind else {
                continue;
            };
            let who = operation.0.split('/').next().unwrap();
            seen.push(match access {
                StoreAccess::Read { value, .. } => format!("{who} read {value}"),
                StoreAccess::Written { value, .. } => format!("{who} wrote {value}"),
                _ => format!("{who} refused"),
            });
        }
        seen
    }

    /// What became of lock keys and of the vote of one node, and when.
    pub(crate) fn changes_of(&self, node: &str) -> Vec<(TrueTime, &NodeChange)> {
        let events = self.history.events().iter();
        events
            .filter_map(|event| match &event.kind {
                EventKind::Node { change, .. } if *event.host == *node => Some((event.at, change)),
                _ => None,
            })
            .collect()
    }
}

/// The first lease of a client.
pub(crate) fn lease_of<'a, 'h>(truth: &'a Truth<'h>, client: &str) -> &'a Lease<'h> {
    let mut leases = truth.leases.iter();
    leases.find(|lease| **lease.client == *client).unwrap()
}

/// What shows a violation.
pub(crate) fn evidence(report: &Report, checker: Checker) -> &Evidence {
    report.finding(checker).verdict.evidence().unwrap()
}

/// What a checker counted.
pub(crate) fn count(report: &Report, checker: Checker, what: &str) -> u64 {
    report.finding(checker).counts[what]
}
