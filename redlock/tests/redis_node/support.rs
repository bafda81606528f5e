//! A node, and calls to it that can be awaited.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use redlock::{
    Answer, Drift, Node, NodeFacts, OwnerToken, Reason, Runtime as _, Settings, SystemConnector,
    TokioRuntime,
    node::{Inspection, Reply, ReplySink, ReplyTag, Request, Verb},
    protocol::{Quorum, key::LockKey},
    redis::{Directory, Limits, NodeConfig, RedisNode, parse_url},
};
use redlock_testkit::{Binary, RedisServer, ServerOptions};
use tokio::sync::oneshot;

/// The options of a server of each version to test with.
pub(crate) fn versions() -> impl Iterator<Item = ServerOptions> {
    [Some(Binary::System), Binary::redis_6_2()]
        .into_iter()
        .flatten()
        .map(|binary| ServerOptions::new().binary(binary))
}

/// Settings of one node, with a `max_ttl` of 30 s.
pub(crate) fn settings() -> Settings {
    Settings {
        quorum: Quorum::majority(1),
        max_ttl: Duration::from_secs(30),
        prefix: "redlock".into(),
        stripes: 4,
        fencing: true,
        restart_guard: true,
        strict_identity: false,
    }
}

/// Limits that no slow machine runs into; tests of a limit set that one.
pub(crate) fn patient() -> Limits {
    Limits {
        node_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        stall_timeout: Duration::from_secs(20),
        ..Limits::default()
    }
}

struct Once(Mutex<Option<oneshot::Sender<Answer>>>);

impl ReplySink for Once {
    fn answered(self: Arc<Self>, _: usize, _: ReplyTag, answer: Answer) {
        let to = self.0.lock().unwrap().take().expect("answered once");
        let _ = to.send(answer);
    }
}

/// A node under test.
pub(crate) struct Client {
    pub(crate) node: RedisNode,
    pub(crate) lock: Arc<LockKey>,
}

impl Client {
    pub(crate) fn new(url: &str, settings: Settings, limits: Limits) -> Self {
        Self::in_directory(url, settings, limits, Arc::default(), 0)
    }

    pub(crate) fn in_directory(
        url: &str,
        settings: Settings,
        limits: Limits,
        directory: Arc<Directory>,
        index: usize,
    ) -> Self {
        let (address, credentials) = parse_url(url).unwrap();
        let lock = Arc::new(LockKey::new(
            &settings.prefix,
            b"resource",
            settings.stripes,
        ));
        let node = RedisNode::new(NodeConfig {
            address,
            credentials,
            settings: Arc::new(settings),
            runtime: Arc::new(TokioRuntime::new()),
            connector: Arc::new(SystemConnector),
            limits,
            drift: Drift::default(),
            directory,
            index,
        });
        Self { node, lock }
    }

    /// A node on a server without a guard record, admitted.
    pub(crate) async fn admitted(server: &RedisServer) -> Self {
        Self::admitted_with(&server.url(), settings(), patient()).await
    }

    pub(crate) async fn admitted_with(url: &str, settings: Settings, limits: Limits) -> Self {
        let client = Self::new(url, settings, limits);
        client.inspect(Inspection::AdmitNew).await.unwrap();
        client
    }

    pub(crate) async fn inspect(&self, what: Inspection) -> Result<NodeFacts, Reason> {
        bounded(self.node.inspect(what)).await
    }

    /// Submits at once; the answer is in the future.
    pub(crate) fn call(
        &self,
        owner: OwnerToken,
        verb: Verb,
    ) -> impl Future<Output = Answer> + use<> {
        self.call_on(&self.lock, owner, verb)
    }

    /// A call about another resource. What is submitted without waiting in between is written together.
    pub(crate) fn call_on(
        &self,
        lock: &Arc<LockKey>,
        owner: OwnerToken,
        verb: Verb,
    ) -> impl Future<Output = Answer> + use<> {
        let (to, answer) = oneshot::channel();
        let sink = Arc::new(Once(Mutex::new(Some(to))));
        let request = Request {
            lock: Arc::clone(lock),
            owner,
            verb,
        };
        self.node
            .submit(request, Reply::new(sink, 0, ReplyTag::Acquire));
        async { bounded(answer).await.expect("answered") }
    }

    pub(crate) fn acquire(&self, owner: OwnerToken) -> impl Future<Output = Answer> + use<> {
        self.acquire_for(owner, Duration::from_secs(10))
    }

    pub(crate) fn acquire_for(
        &self,
        owner: OwnerToken,
        ttl: Duration,
    ) -> impl Future<Output = Answer> + use<> {
        self.call(owner, acquire(ttl))
    }

    pub(crate) fn extend(
        &self,
        owner: OwnerToken,
        ttl: Duration,
        counter: u64,
    ) -> impl Future<Output = Answer> + use<> {
        self.call(owner, Verb::Extend { ttl, counter })
    }

    pub(crate) fn publish(
        &self,
        owner: OwnerToken,
        counter: u64,
    ) -> impl Future<Output = Answer> + use<> {
        self.call(owner, Verb::Publish { counter })
    }

    pub(crate) fn release(&self, owner: OwnerToken) -> impl Future<Output = Answer> + use<> {
        self.call(owner, release())
    }
}

/// A release that is delivered during a test, or never.
pub(crate) fn release() -> Verb {
    let give_up = later(Duration::from_secs(30));
    Verb::Release { give_up }
}

/// How often the server has run a command since its statistics were reset.
pub(crate) fn calls_of(server: &RedisServer, command: &str) -> usize {
    let statistics = server.command(&["INFO", "commandstats"]);
    let statistics: String = redis::from_redis_value(statistics).unwrap();
    let start = format!("cmdstat_{command}:calls=");
    let mut lines = statistics.lines();
    let calls = lines.find_map(|line| line.strip_prefix(&start)?.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

/// An acquire call that does not expire during a test.
pub(crate) fn acquire(ttl: Duration) -> Verb {
    Verb::Acquire {
        ttl,
        proposal: TokioRuntime::new().wall_micros(),
        expires: later(Duration::from_secs(30)),
    }
}

/// A moment on the monotonic clock.
pub(crate) fn later(delay: Duration) -> Duration {
    TokioRuntime::new().monotonic() + delay
}

/// A fresh owner token.
pub(crate) fn owner() -> OwnerToken {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    OwnerToken::from_random([NEXT.fetch_add(1, Ordering::Relaxed); 20])
}

/// Fails instead of hanging.
pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    within(Duration::from_secs(20), future).await
}

#[expect(
    clippy::disallowed_methods,
    reason = "live tests are bounded on real time"
)]
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(limit, future)
        .await
        .expect("answers in time")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a quarantine ends by the server's clock and no event tells"
)]
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Looks again and again until something has happened that no event tells of.
pub(crate) async fn until(mut happened: impl FnMut() -> bool) {
    bounded(async {
        while !happened() {
            pass(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The value of a key, as text.
pub(crate) fn get(server: &RedisServer, key: &[u8]) -> Option<String> {
    match server.command(&[b"GET", key]) {
        redis::Value::BulkString(bytes) => Some(String::from_utf8(bytes).unwrap()),
        redis::Value::Nil => None,
        other => panic!("GET answered {other:?}"),
    }
}

/// What is left of a key's TTL.
pub(crate) fn pttl(server: &RedisServer, key: &[u8]) -> i64 {
    match server.command(&[b"PTTL", key]) {
        redis::Value::Int(left) => left,
        other => panic!("PTTL answered {other:?}"),
    }
}

/// A field of the guard record.
pub(crate) fn guard_field(server: &RedisServer, field: &str) -> Option<String> {
    match server.command(&["HGET", "redlock:guard", field]) {
        redis::Value::BulkString(bytes) => Some(String::from_utf8(bytes).unwrap()),
        redis::Value::Nil => None,
        other => panic!("HGET answered {other:?}"),
    }
}

/// The counter of a grant.
pub(crate) fn granted(answer: &Answer) -> u64 {
    match answer {
        Answer::Granted { counter } => *counter,
        other => panic!("not granted: {other}"),
    }
}
