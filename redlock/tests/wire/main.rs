//! Whatever a node answers is a matter of that node: an error in its place of the report, never a panic, never a vote, and
//! never a call that does not end.
//!
//! A real client talks to three nodes over streams in memory, on virtual time. The nodes introduce themselves and then answer
//! calls with any value, any bytes, half a reply, too many replies, replies in another order, late, or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, and its nodes live on tokio"
)]

mod node;
mod resp;

use std::{
    cell::Cell,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::join_all};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use redlock::{
    Answer, Lease, Redlock, Runtime,
    memory::VirtualRuntime,
    protocol::Reading,
    runtime::{BoxFuture, NoRuntime},
};

use node::{Act, Scope, Server, Servers};
use resp::Resp;

const NODES: usize = 3;
const QUORUM: usize = 2;

/// Virtual time that notices panics in tasks: tokio would keep them to itself.
#[derive(Debug)]
struct Watched {
    host: VirtualRuntime,
    panicked: Arc<AtomicBool>,
}

impl Runtime for Watched {
    fn read_clocks(&self) -> Reading {
        self.host.read_clocks()
    }

    fn monotonic(&self) -> Duration {
        self.host.monotonic()
    }

    fn wall_micros(&self) -> u64 {
        self.host.wall_micros()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.host.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        let panicked = Arc::clone(&self.panicked);
        self.host.spawn(Box::pin(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            panicked.fetch_or(ended.is_err(), Ordering::Relaxed);
        }))
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.host.fill_random(bytes);
    }
}

/// What a run came to, to see that it was not vacuous.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    leases: usize,
    failures: usize,
    extensions: usize,
    publications: bool,
    packs: bool,
}

/// One run: some acquisitions, each extended and released.
struct Run {
    servers: Servers,
    client: Redlock,
    panicked: Arc<AtomicBool>,
    /// The votes that the client has counted, per node.
    votes: [usize; NODES],
    seen: Seen,
}

impl Run {
    fn new(scope: Scope, plans: Vec<(i64, Vec<Act>)>) -> Self {
        let servers = plans.into_iter().enumerate();
        let servers = servers.map(|(index, (counter, plan))| {
            Arc::new(Mutex::new(Server::new(index, scope, counter, plan)))
        });
        let servers = Servers(servers.collect());
        let panicked = Arc::<AtomicBool>::default();
        let host = Watched {
            host: VirtualRuntime::new(1),
            panicked: Arc::clone(&panicked),
        };
        let client = Redlock::builder()
            .nodes((0..NODES).map(|index| format!("redis://node-{index}")))
            .runtime(Arc::new(host))
            .connector(Arc::new(servers.clone()))
            .build()
            .unwrap();
        Self {
            servers,
            client,
            panicked,
            votes: [0; NODES],
            seen: Seen::default(),
        }
    }

    /// Each round acquires so many resources at once.
    async fn rounds(mut self, rounds: usize, at_once: usize) -> Seen {
        let resources: Vec<_> = (0..at_once).map(|number| format!("r{number}")).collect();
        for _ in 0..rounds {
            // Whoever is down is tried again meanwhile.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let attempts = resources.iter().map(|name| self.client.try_acquire(name));
            let mut leases = Vec::new();
            for attempt in ends(join_all(attempts)).await {
                match attempt {
                    Ok(Some(lease)) => leases.push(lease),
                    Ok(None) => self.seen.failures += 1,
                    Err(error) => {
                        assert!(!format!("{error} {error:?}").is_empty());
                        self.seen.failures += 1;
                    }
                }
            }
            for lease in &leases {
                self.count_votes(lease);
            }
            for lease in &leases {
                self.holds(lease).await;
            }
            ends(join_all(leases.iter().map(Lease::release))).await;
        }
        ends(self.client.shutdown(Duration::from_millis(500))).await;
        assert!(!self.panicked.load(Ordering::Relaxed), "a task panicked");
        self.seen.packs = self.servers.0[0].lock().unwrap().packs() > 0;
        self.seen
    }

    async fn holds(&mut self, lease: &Lease) {
        self.seen.leases += 1;
        self.seen.publications |= self.confirming() > 0;
        let extended = ends(lease.extend(Duration::from_secs(10))).await;
        if extended.is_ok() {
            let confirming = self.confirming();
            assert!(confirming >= QUORUM, "extended by {confirming} nodes");
            self.seen.extensions += 1;
        }
    }

    /// Every vote behind the lease was sent: a grant, by a node that has not spent it on another lease.
    fn count_votes(&mut self, lease: &Lease) {
        let report = lease.report();
        let mut voters = 0;
        for (node, votes) in self.votes.iter_mut().enumerate() {
            if matches!(report.nodes[node].answer, Some(Answer::Granted { .. })) {
                voters += 1;
                *votes += 1;
                let sent = self.servers.0[node].lock().unwrap().grants();
                assert!(*votes <= sent, "{votes} votes for {sent} grants: {report}");
            }
        }
        assert!(voters >= QUORUM, "{report}");
        assert!(lease.fencing_token().as_u64() > 0);
    }

    fn confirming(&self) -> usize {
        let servers = self.servers.0.iter();
        servers
            .filter(|server| server.lock().unwrap().confirmations() > 0)
            .count()
    }
}

/// Nothing takes longer than the time limits of some calls.
async fn ends<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(1);
    let ended = tokio::time::timeout(limit, future).await;
    ended.expect("every call ends")
}

fn play(scope: Scope, plans: Vec<(i64, Vec<Act>)>) -> Seen {
    play_many(scope, plans, 1)
}

fn play_many(scope: Scope, plans: Vec<(i64, Vec<Act>)>, at_once: usize) -> Seen {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(async { Run::new(scope, plans).rounds(4, at_once).await })
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        40 => Just(Act::Answer),
        4 => resp::near_misses().prop_map(Act::Say),
        3 => resp::near_packs().prop_map(Act::Say),
        3 => resp::values().prop_map(Act::Say),
        2 => resp::garbage().prop_map(Act::Say),
        2 => prop_oneof![resp::near_misses(), resp::values(), resp::garbage()]
            .prop_map(Act::SayMore),
        2 => (0..1_000_usize, any::<bool>()).prop_map(|(part, close)| Act::Cut { part, close }),
        1 => Just(Act::Swap),
        1 => (1_u64..120).prop_map(|delay| Act::Late(Duration::from_millis(delay))),
        1 => Just(Act::Silence),
        1 => Just(Act::Close),
    ]
}

/// A plan for each node, and where its counters stand: seldom at the same number, so that tokens have to be published.
fn plans(longest: usize) -> impl Strategy<Value = Vec<(i64, Vec<Act>)>> {
    let plan = proptest::collection::vec(acts(), 0..longest);
    let counter = prop_oneof![Just(1_000), 1_000_i64..1_010];
    proptest::collection::vec((counter, plan), NODES)
}

/// Runs `cases` plans, or as many as PROPTEST_CASES says, and demands that the runs saw what they should.
fn explore(cases: u32, scope: Scope, longest: usize, at_once: usize) {
    let seen = Cell::new(Seen::default());
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    let mut runner = TestRunner::new(config);
    let result = runner.run(&plans(longest), |plans| {
        let (one, all) = (play_many(scope, plans, at_once), seen.get());
        seen.set(Seen {
            leases: all.leases + one.leases,
            failures: all.failures + one.failures,
            extensions: all.extensions + one.extensions,
            publications: all.publications || one.publications,
            packs: all.packs || one.packs,
        });
        Ok(())
    });
    if let Err(failed) = result {
        panic!("{failed}");
    }
    let seen = seen.get();
    assert!(
        seen.leases > 0 && seen.failures > 0 && seen.extensions > 0 && seen.publications,
        "vacuous: {seen:?}"
    );
    assert!(seen.packs || at_once == 1, "vacuous: {seen:?}");
}

/// The fuzzing hears of panics and of hanging calls only if a proper conversation works.
#[test]
fn nodes_that_answer_properly_grant_every_time() {
    let seen = play(
        Scope::Everything,
        vec![(5, vec![]), (5, vec![]), (7, vec![])],
    );
    let expected = Seen {
        leases: 4,
        failures: 0,
        extensions: 4,
        publications: true,
        packs: false,
    };
    assert_eq!(seen, expected);
    let plans = || vec![(5, vec![]), (5, vec![]), (7, vec![])];
    let seen = play_many(Scope::Everything, plans(), 6);
    assert_eq!((seen.leases, seen.failures, seen.packs), (24, 0, true));
}

#[test]
fn whatever_nodes_answer_to_calls_is_an_error_of_that_node_or_was_really_a_vote() {
    explore(150, Scope::Locks, 16, 1);
}

/// As many calls as share a command: half an array is an answer to none of them.
#[test]
fn whatever_nodes_answer_to_packs_is_an_error_of_that_node_or_was_really_a_vote() {
    explore(150, Scope::Locks, 16, 6);
}

#[test]
fn whatever_nodes_answer_while_connecting_is_an_error_of_that_node() {
    explore(100, Scope::Everything, 24, 1);
}

/// The end of the connection arrives together with the last reply of the handshake, whichever that is.
#[test]
fn a_connection_may_end_with_any_reply_of_the_handshake() {
    for answered in 0..12 {
        let mut plan = vec![Act::Answer; answered];
        plan.push(Act::Cut {
            part: 1_000,
            close: true,
        });
        let seen = play(Scope::Everything, vec![(5, vec![]), (5, vec![]), (5, plan)]);
        assert_eq!(seen.leases, 4, "closed after {answered} replies");
    }
}

/// A grant from one node is no quorum, whatever the two others say: half a grant, more than a grant, a grant of another kind.
#[test]
fn what_is_almost_a_grant_is_no_vote() {
    let words = |rest: Vec<Resp>| Resp::words("granted", rest);
    let almost = [
        Resp::text("granted"),
        Resp::text("granted "),
        Resp::text("granted 0"),
        Resp::text("granted -5"),
        Resp::text("granted +5"),
        Resp::text("granted 05"),
        Resp::text("granted 5 "),
        Resp::text("granted 5.0"),
        Resp::text("granted 9007199254740992"),
        Resp::text("granted 99999999999999999999"),
        Resp::Simple("granted 5".into()),
        Resp::Many(b'*', vec![Resp::text("granted 5")]),
        words(vec![]),
        words(vec![Resp::Int(0)]),
        words(vec![Resp::Int(-1)]),
        words(vec![Resp::Int(i64::MIN)]),
        words(vec![Resp::Int(1 << 53)]),
        words(vec![Resp::text("5")]),
        words(vec![Resp::Line(b',', "5".into())]),
        words(vec![Resp::Line(b'(', "5".into())]),
        words(vec![Resp::Int(5), Resp::Int(5)]),
        words(vec![words(vec![Resp::Int(5)])]),
        Resp::Many(b'*', vec![words(vec![Resp::Int(5)])]),
        Resp::Many(b'~', vec![Resp::text("granted"), Resp::Int(5)]),
        Resp::Many(b'>', vec![Resp::text("granted"), Resp::Int(5)]),
        Resp::Pairs(b'%', vec![(Resp::text("granted"), Resp::Int(5))]),
        Resp::Many(b'*', vec![Resp::Simple("granted".into()), Resp::Int(5)]),
        Resp::words("GRANTED", [Resp::Int(5)]),
        Resp::words("ok", []),
        Resp::words("released", []),
        Resp::words("admitted", []),
        Resp::Simple("OK".into()),
        Resp::Int(1),
        Resp::Line(b'#', "t".into()),
        Resp::Line(b'$', "-1".into()),
        Resp::Lie(b'*', 2, vec![Resp::text("granted")]),
        Resp::Lie(b'*', 3, vec![Resp::text("granted"), Resp::Int(5)]),
        Resp::Lie(b'*', 1, vec![Resp::text("granted"), Resp::Int(5)]),
        Resp::Lie(b'*', i64::MAX, vec![Resp::text("granted"), Resp::Int(5)]),
        Resp::Lie(b'|', i64::MAX, vec![]),
        Resp::Lie(b'|', -1, vec![]),
        Resp::Lie(b'=', -1, vec![]),
        Resp::Lie(b'$', i64::MAX, vec![]),
    ];
    for reply in almost {
        let plans = |reply: &Resp| {
            let liar = || (5, vec![Act::Say(reply.clone()); 64]);
            vec![(5, vec![]), liar(), liar()]
        };
        let seen = play(Scope::Locks, plans(&reply));
        assert_eq!((seen.leases, seen.failures), (0, 4), "{reply:?}");
        // In place of a pack's answers, and as each of them.
        let each = Resp::Many(b'*', vec![reply.clone(); 6]);
        for reply in [reply, each] {
            let seen = play_many(Scope::Locks, plans(&reply), 6);
            assert_eq!((seen.leases, seen.failures), (0, 24), "{reply:?}");
            assert!(seen.packs);
        }
    }
}
