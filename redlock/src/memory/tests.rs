//! Nodes, faults and clocks of the in-memory cluster, seen through the [`Node`] trait.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{HostClock, MemoryCluster, MemoryServer, VerbKind, VirtualRuntime, lock};
use crate::{
    node::{GuardState, Inspection, Node, Reply, ReplySink, ReplyTag, Request, Verb},
    protocol::{
        Answer, Drift, FencingToken, OwnerToken, Quorum, Reason, claim::Call, key::LockKey,
    },
    runtime::{BoxFuture, NoRuntime, Runtime},
    settings::Settings,
};

mod faults;
mod guard;

/// Collects answers in the order in which they came, with the number that the test gave each call.
#[derive(Default)]
struct Answers(Mutex<Vec<(u64, Answer)>>);

impl ReplySink for Answers {
    fn answered(self: Arc<Self>, _: usize, tag: ReplyTag, answer: Answer) {
        let Call::Publish { counter: number } = tag else {
            panic!("calls are tagged by number")
        };
        lock(&self.0).push((number, answer));
    }
}

/// One client of one server.
struct Client {
    node: Arc<dyn Node>,
    host: Arc<dyn Runtime>,
    answers: Arc<Answers>,
}

impl Client {
    fn new(cluster: &MemoryCluster, settings: &Settings) -> Self {
        Self::on(Arc::new(VirtualRuntime::new(1)), cluster, settings)
    }

    fn on(host: Arc<dyn Runtime>, cluster: &MemoryCluster, settings: &Settings) -> Self {
        Self {
            // Perfect clocks: a quarantine takes max_ttl to the microsecond.
            node: cluster.connect_with(0, &Arc::new(settings.clone()), &host, Drift::NONE),
            host,
            answers: Arc::default(),
        }
    }

    /// Submits a call by owner `owner` on resource "r".
    fn submit(&self, number: u64, owner: u8, verb: Verb) {
        let request = Request {
            lock: Arc::new(LockKey::new("redlock", b"r", 1)),
            owner: token(owner),
            verb,
        };
        let tag = Call::Publish { counter: number };
        let sink = Arc::clone(&self.answers);
        self.node.submit(request, Reply::new(sink, 0, tag));
    }

    /// Submits one call and waits as long as an undisturbed server takes.
    async fn call(&self, owner: u8, verb: Verb) -> Answer {
        self.submit(0, owner, verb);
        self.settle().await;
        match self.take().as_slice() {
            [(0, answer)] => answer.clone(),
            other => panic!("one answer expected, not {other:?}"),
        }
    }

    async fn settle(&self) {
        self.host.sleep(Duration::from_millis(1)).await;
    }

    fn take(&self) -> Vec<(u64, Answer)> {
        std::mem::take(&mut lock(&self.answers.0))
    }

    async fn look(&self, inspection: Inspection) -> GuardState {
        self.node.inspect(inspection).await.unwrap().guard
    }
}

fn token(owner: u8) -> OwnerToken {
    OwnerToken::from_random([owner; 20])
}

fn settings() -> Settings {
    Settings {
        quorum: Quorum::majority(3),
        max_ttl: MAX_TTL,
        prefix: "redlock".into(),
        stripes: 1,
        fencing: true,
        restart_guard: true,
        strict_identity: false,
    }
}

const MAX_TTL: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(10);
/// What [`VirtualRuntime`]'s wall clock shows at first, in microseconds.
const START: u64 = 1_735_689_600_000_000;

fn acquire() -> Verb {
    acquire_with(TTL, START + 1)
}

fn acquire_with(ttl: Duration, proposal: u64) -> Verb {
    Verb::Acquire {
        ttl,
        proposal,
        expires: Duration::MAX,
    }
}

fn extend(ttl: Duration) -> Verb {
    Verb::Extend { ttl, counter: 0 }
}

fn release() -> Verb {
    Verb::Release {
        give_up: Duration::MAX,
    }
}

fn granted(counter: u64) -> Answer {
    Answer::Granted { counter }
}

fn contended(remaining: Duration) -> Answer {
    Answer::Contended {
        remaining: Some(remaining),
    }
}

const fn not_owner(gone: bool) -> Answer {
    Answer::NotOwner {
        gone,
        same_identity: true,
    }
}

fn verbs(server: &MemoryServer) -> Vec<VerbKind> {
    server.executed().iter().map(|call| call.verb).collect()
}

#[tokio::test(start_paused = true)]
async fn a_lock_lives_from_its_grant_to_its_release() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    assert_eq!(client.call(1, acquire()).await, granted(START + 1));
    assert_eq!(server.owner_of(b"r"), Some(token(1)));
    assert_eq!(server.ttl_of(b"r"), Some(TTL - Duration::from_millis(1)));
    assert_eq!(server.keys(), [b"redlock:lock:r"]);
    let left = TTL - Duration::from_millis(1);
    assert_eq!(client.call(2, acquire()).await, contended(left));
    assert_eq!(client.call(2, release()).await, not_owner(false));
    assert_eq!(
        client.call(2, extend(TTL)).await,
        not_owner(false),
        "somebody else's key"
    );
    assert_eq!(client.call(1, release()).await, Answer::Released);
    assert_eq!(client.call(1, release()).await, not_owner(true));
    assert!(server.keys().is_empty());
    assert_eq!(client.call(2, acquire()).await, granted(START + 2));
}

#[tokio::test(start_paused = true)]
async fn an_extension_never_shortens_and_never_brings_a_key_back() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire()).await;
    let short = Duration::from_secs(1);
    assert_eq!(client.call(1, extend(short)).await, Answer::Confirmed);
    assert_eq!(server.ttl_of(b"r"), Some(TTL - Duration::from_millis(2)));
    assert_eq!(client.call(1, extend(2 * TTL)).await, Answer::Confirmed);
    assert_eq!(
        server.ttl_of(b"r"),
        Some(2 * TTL - Duration::from_millis(1))
    );
    client.host.sleep(2 * TTL - Duration::from_millis(2)).await;
    assert_eq!(server.owner_of(b"r"), Some(token(1)));
    client.settle().await;
    assert_eq!(server.owner_of(b"r"), None, "expired to the microsecond");
    assert_eq!(client.call(1, extend(TTL)).await, not_owner(true));
    assert!(server.keys().is_empty());
}

#[tokio::test(start_paused = true)]
async fn several_clients_share_a_server() {
    let cluster = MemoryCluster::new(1);
    let one = Client::new(&cluster, &settings());
    let host = Arc::new(VirtualRuntime::new(2));
    host.step_forward(HostClock::Wall, Duration::from_secs(3_600));
    let two = Client::on(host, &cluster.clone(), &settings());
    assert_eq!(one.call(1, acquire()).await, granted(START + 1));
    let left = TTL - Duration::from_millis(1);
    assert_eq!(
        two.call(2, acquire()).await,
        contended(left),
        "the server's clock is not the client's"
    );
}

#[tokio::test(start_paused = true)]
async fn calls_are_answered_in_order_and_never_within_submit() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    for round in 0..3_u64 {
        client.submit(2 * round, 1, acquire());
        client.submit(2 * round + 1, 1, release());
        assert!(client.take().is_empty());
        client.settle().await;
        let numbers: Vec<_> = client.take().iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2 * round, 2 * round + 1]);
    }
    assert_eq!(
        verbs(&server),
        [VerbKind::Acquire, VerbKind::Release].repeat(3)
    );
    assert_eq!(server.count(VerbKind::Acquire), 3);
    assert_eq!(server.count(VerbKind::Extend), 0);
}

/// A runtime in which nothing can be spawned until it is told otherwise.
#[derive(Debug)]
struct Dormant {
    inner: VirtualRuntime,
    awake: std::sync::atomic::AtomicBool,
}

impl Runtime for Dormant {
    fn read_clocks(&self) -> crate::protocol::Reading {
        self.inner.read_clocks()
    }
    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }
    fn wall_micros(&self) -> u64 {
        self.inner.wall_micros()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        if !self.awake.load(std::sync::atomic::Ordering::SeqCst) {
            return Err(NoRuntime);
        }
        self.inner.spawn(task)
    }
    fn fill_random(&self, bytes: &mut [u8]) {
        self.inner.fill_random(bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_runtime_calls_wait_for_the_next_one() {
    let cluster = MemoryCluster::new(1);
    let host = Arc::new(Dormant {
        inner: VirtualRuntime::new(1),
        awake: false.into(),
    });
    let client = Client::on(Arc::clone(&host) as _, &cluster, &settings());
    client.submit(1, 1, release());
    client.settle().await;
    assert!(client.take().is_empty());
    host.awake.store(true, std::sync::atomic::Ordering::SeqCst);
    client.submit(2, 1, acquire());
    client.settle().await;
    assert_eq!(
        client.take(),
        [(1, not_owner(true)), (2, granted(START + 1))]
    );
}

#[test]
fn a_runtime_that_dies_leaves_answers_and_keeps_releases() {
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let cluster = MemoryCluster::new(1);
    let first = paused();
    let client = first.block_on(async {
        let client = Client::new(&cluster, &settings());
        client.call(1, acquire()).await;
        cluster.server(0).hold();
        client.submit(1, 2, acquire());
        client.submit(2, 1, release());
        client.settle().await;
        client
    });
    assert!(client.take().is_empty());
    drop(first);
    let answers = client.take();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(matches!(answers[0], (1, Answer::Unknown(_))));
    cluster.server(0).release_held();
    paused().block_on(async {
        client.submit(3, 3, acquire());
        client.settle().await;
        let answers = client.take();
        assert_eq!(answers[0], (2, Answer::Released));
        assert!(matches!(answers[1], (3, Answer::Granted { .. })));
    });
}
