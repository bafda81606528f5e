//! Rows on real redis-server processes.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future;
use redlock::{AcquireError, Answer, BuildError, Builder, Lease, Reason, Redlock};
use redlock_testkit::{
    ClosedPort, Cut, Flow, Listener, Proxy, RedisCluster, RedisServer, ServerOptions,
};

const SECOND: Duration = Duration::from_secs(1);

fn builder(urls: impl IntoIterator<Item = String>) -> Builder {
    Redlock::builder().nodes(urls)
}

fn start(nodes: usize) -> RedisCluster {
    RedisCluster::start(nodes, &ServerOptions::new()).unwrap()
}

/// A cluster in service, and a client of it.
async fn admitted(nodes: usize) -> (RedisCluster, Redlock) {
    let cluster = start(nodes);
    let client = builder(cluster.urls()).build().unwrap();
    client.admit_new_cluster().await.unwrap();
    (cluster, client)
}

/// Waits until every node has a connection that answers.
async fn connected(client: &Redlock) {
    for node in client.preflight().await.nodes {
        assert!(node.facts.is_ok(), "{node:?}");
    }
}

/// Whether `server` holds a lock on `resource`.
fn is_locked(server: &RedisServer, resource: &str) -> bool {
    let key = format!("redlock:lock:{resource}");
    server.command(&["EXISTS", &key]) == redis::Value::Int(1)
}

/// Waits for something that happens in the background, for as long as a TTL at most.
async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < 10 * SECOND, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn is_outstanding(future: impl Future) -> bool {
    futures::FutureExt::now_or_never(future).is_none()
}

#[tokio::test]
async fn half_alive_node() {
    let cluster = start(4);
    let silent = Listener::silent().unwrap();
    let mut urls = cluster.urls();
    let plain = builder(urls.iter().cloned().chain([silent.url()]))
        .build()
        .unwrap();
    // Admission needs all nodes, so the quarantine is waited out instead.
    urls.push(silent.url());
    let refused = plain.admit_new_cluster().await.unwrap_err();
    assert!(
        refused.to_string().contains(&format!("{}", silent.port())),
        "{refused}"
    );

    let client = builder(urls)
        .ttl(SECOND)
        .max_ttl(SECOND)
        .prefix("half")
        .build()
        .unwrap();
    let lease = client
        .request("r")
        .within(5 * SECOND)
        .acquire()
        .await
        .unwrap();
    // Handed out although that node's reply is outstanding, or it is known not to come.
    let silence = &lease.report().nodes[4].answer;
    assert!(
        matches!(
            silence,
            None | Some(Answer::Refused(
                Reason::Down(_) | Reason::NotSent | Reason::HandshakeTimeout(_)
            ))
        ),
        "{silence:?}"
    );
    silent.connected(1).await;
}

#[tokio::test]
async fn stall_after_hello() {
    let (cluster, _) = admitted(5).await;
    let proxy = Proxy::to(&cluster[4]).unwrap();
    // The handshake's first reply comes, the second never does.
    proxy.replies_to("INFO", Flow::Hold);
    let urls = cluster.urls().into_iter().take(4).chain([proxy.url()]);
    let client = builder(urls).build().unwrap();
    let lease = client.acquire("r").await.unwrap();
    assert!(lease.is_valid());
    let facts = client.preflight().await;
    let reason = facts.nodes[4].facts.as_ref().unwrap_err();
    assert!(reason.to_string().contains("handshake"), "{reason}");
}

#[tokio::test]
async fn one_down_no_slowdown() {
    let (cluster, _) = admitted(4).await;
    let closed = ClosedPort::new().unwrap();
    let urls = cluster.urls().into_iter().chain([closed.url()]);
    // A cluster of four was admitted; this one has five nodes and settings of its own.
    let client = builder(urls)
        .prefix("five")
        .ttl(SECOND)
        .max_ttl(SECOND)
        .build()
        .unwrap();
    let first = client
        .request("r")
        .within(5 * SECOND)
        .acquire()
        .await
        .unwrap();
    drop(first);
    for index in 0..200 {
        let lease = client.acquire(format!("r{index}")).await.unwrap();
        let down = &lease.report().nodes[4].answer;
        assert!(
            matches!(
                down,
                None | Some(Answer::Refused(Reason::Down(_) | Reason::Connect(_)))
            ),
            "answered at once, without connecting for each call: {down:?}"
        );
    }
}

#[tokio::test]
async fn stopped_node() {
    let (cluster, client) = admitted(5).await;
    connected(&client).await;
    cluster[0].stop();
    for index in 0..300 {
        let lease = client.acquire(format!("r{index}")).await.unwrap();
        assert!(
            !matches!(lease.report().nodes[0].answer, Some(Answer::Granted { .. })),
            "a stopped node granted"
        );
        lease.release().await;
    }
    cluster[0].cont();
    // What it executes late leaves no orphan: every acquire has a release behind it.
    eventually("the stopped node is free of all keys", || {
        (0..300).all(|index| !is_locked(&cluster[0], &format!("r{index}")))
    })
    .await;
    // And it stays so: nothing is left in an old socket.
    client.shutdown(5 * SECOND).await;
    assert!((0..300).all(|index| !is_locked(&cluster[0], &format!("r{index}"))));
}

#[tokio::test]
async fn client_pause() {
    let (cluster, client) = admitted(5).await;
    connected(&client).await;
    cluster[0].command(&["CLIENT", "PAUSE", "2000", "ALL"]);
    let lease = client.acquire("r").await.unwrap();
    assert_eq!(
        lease.report().nodes[0].answer,
        None,
        "the paused node's reply is outstanding"
    );
}

#[tokio::test]
async fn loss_fires_by_deadline() {
    let (cluster, _) = admitted(3).await;
    let client = builder(cluster.urls())
        .ttl(SECOND)
        .max_ttl(30 * SECOND)
        .build()
        .unwrap();
    let lease = client.acquire("r").await.unwrap();
    lease.keep_renewed();
    for server in cluster.iter() {
        server.stop();
    }
    // A round is out and nobody will answer it.
    let (remaining, start) = (lease.remaining(), Instant::now());
    lease.lost().await;
    assert!(!lease.is_valid());
    let late = start.elapsed().saturating_sub(remaining);
    assert!(late < SECOND, "reported {late:?} after the deadline");
}

#[tokio::test]
async fn release_other_owner() {
    let (cluster, client) = admitted(3).await;
    let lease = client.acquire("r").await.unwrap();
    for server in cluster.iter() {
        server.command(&["SET", "redlock:lock:r", "somebody else", "PX", "60000"]);
    }
    lease.release().await;
    assert!(cluster.iter().all(|server| is_locked(server, "r")));
}

#[tokio::test]
async fn noscript_after_flush() {
    let (cluster, client) = admitted(3).await;
    for round in 0..3 {
        for server in cluster.iter() {
            server.command(&["SCRIPT", "FLUSH"]);
        }
        // In the same call: one attempt, no error.
        let lease = client
            .try_acquire(format!("r{round}"))
            .await
            .unwrap()
            .unwrap();
        for server in cluster.iter() {
            server.command(&["SCRIPT", "FLUSH"]);
        }
        lease.extend(20 * SECOND).await.unwrap();
        for server in cluster.iter() {
            server.command(&["SCRIPT", "FLUSH"]);
        }
        assert!(lease.release().await.freed);
    }
}

#[tokio::test]
async fn duplicate_node() {
    let (cluster, _) = admitted(3).await;
    let port = cluster[0].port();
    // By address, when the client is built.
    let twice = [cluster[0].url(), cluster[1].url(), cluster[0].url()];
    let error = builder(twice).build().unwrap_err();
    assert!(
        matches!(
            error,
            BuildError::DuplicateNode {
                first: 1,
                second: 3,
                ..
            }
        ),
        "{error}"
    );
    // By run id, at first contact: another name for the same server.
    let alias = format!("redis://localhost:{port}");
    let client = builder([cluster[0].url(), cluster[1].url(), alias])
        .prefix("dup")
        .build()
        .unwrap();
    let error = client.admit_new_cluster().await.unwrap_err();
    assert!(
        error.to_string().contains("is the same server as node"),
        "{error}"
    );
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(
        error.to_string().contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
}

#[tokio::test]
async fn restart_amnesia() {
    let (cluster, client) = admitted(3).await;
    cluster[2].stop();
    let lease = client.acquire("r").await.unwrap();
    cluster[1].restart_empty().unwrap();
    cluster[2].cont();
    let rival = builder(cluster.urls()).build().unwrap();
    for _ in 0..20 {
        let attempt = rival.try_acquire("r").await;
        assert!(!matches!(attempt, Ok(Some(_))), "two holders");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(lease.is_valid());
}

#[tokio::test]
async fn flushed_node() {
    let (cluster, client) = admitted(3).await;
    cluster[2].stop();
    let lease = client.acquire("r").await.unwrap();
    cluster[1].command(&["FLUSHALL"]);
    cluster[2].cont();
    let rival = builder(cluster.urls()).build().unwrap();
    for _ in 0..20 {
        let attempt = rival.try_acquire("r").await;
        assert!(!matches!(attempt, Ok(Some(_))), "two holders");
    }
    assert!(lease.is_valid());
}

#[tokio::test]
async fn restarted_nodes_vote_again() {
    let cluster = start(3);
    let client = builder(cluster.urls())
        .ttl(SECOND)
        .max_ttl(SECOND)
        .build()
        .unwrap();
    client.admit_new_cluster().await.unwrap();
    for server in cluster.iter() {
        server.restart_empty().unwrap();
    }
    let error = client
        .request("r")
        .within(Duration::ZERO)
        .acquire()
        .await
        .unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let lease = client
        .request("r")
        .within(10 * SECOND)
        .acquire()
        .await
        .unwrap();
    assert!(lease.is_valid());
}

#[tokio::test]
async fn fencing_monotone() {
    let (cluster, _) = admitted(3).await;
    let mut last = None;
    // A client per acquisition, through different majorities: 12, 13, 12, 13, 23.
    for left_out in [2, 1, 2, 1, 0] {
        cluster[left_out].stop();
        let client = builder(cluster.urls()).build().unwrap();
        let lease = client.acquire("r").await.unwrap();
        assert!(Some(lease.fencing_token()) > last);
        last = Some(lease.fencing_token());
        lease.release().await;
        cluster[left_out].cont();
        client.shutdown(5 * SECOND).await;
    }
}

#[tokio::test]
async fn key_encoding_injective() {
    let (cluster, client) = admitted(3).await;
    let long = "x".repeat(4_096);
    let long_too = format!("{}y", "x".repeat(4_095));
    let resources: Vec<&[u8]> = vec![
        b"a",
        b"a:",
        b":a",
        b"a:bc",
        b"ab:c",
        b"\0",
        b"\0\0",
        b"\r\n",
        b"\xff\xfe",
        b"{a}",
        b"guard",
        b":guard",
        b"lock:a",
        b" a",
        b"*",
        long.as_bytes(),
        long_too.as_bytes(),
    ];
    let attempts = resources
        .iter()
        .map(|resource| client.try_acquire(resource));
    let leases: Vec<Lease> = future::join_all(attempts)
        .await
        .into_iter()
        .map(|lease| {
            lease
                .unwrap()
                .expect("shares its key with another resource")
        })
        .collect();
    assert!(leases.iter().all(Lease::is_valid));
    for empty_or_huge in [vec![], vec![b'x'; 1 << 20]] {
        let error = client.try_acquire(&empty_or_huge).await.unwrap_err();
        assert!(matches!(error, AcquireError::Resource(_)), "{error}");
    }
    drop(cluster);
}

#[tokio::test]
async fn readonly_node() {
    let (cluster, client) = admitted(3).await;
    connected(&client).await;
    let master = start(1);
    cluster[0].command(&["REPLICAOF", "127.0.0.1", &master[0].port().to_string()]);
    for index in 0..5 {
        let lease = client.acquire(format!("r{index}")).await.unwrap();
        let answer = &lease.report().nodes[0].answer;
        assert!(
            !matches!(answer, Some(Answer::Granted { .. })),
            "a replica voted"
        );
    }
    let facts = &client.preflight().await.nodes[0].facts;
    assert!(facts.is_err(), "and it is reported: {facts:?}");
}

#[tokio::test]
async fn pool_exhaustion() {
    let (cluster, client) = admitted(3).await;
    cluster[0].kill();
    let connections = |server: &RedisServer| -> usize {
        server.info("connected_clients").unwrap().parse().unwrap()
    };
    let work = (0..64).map(|task| {
        let client = client.clone();
        async move {
            for index in 0..30 {
                let lease = client.acquire(format!("{task}:{index}")).await.unwrap();
                lease.release().await;
            }
        }
    });
    future::join_all(work).await;
    // One connection per node and client, and the one that asks.
    assert!(
        connections(&cluster[1]) <= 3,
        "{} connections",
        connections(&cluster[1])
    );
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 200, "{open} descriptors");
}

#[tokio::test]
async fn late_grant_released() {
    let (cluster, _) = admitted(3).await;
    let slow = Proxy::to(&cluster[2]).unwrap();
    let urls = [cluster[0].url(), cluster[1].url(), slow.url()];
    let client = builder(urls).node_timeout(SECOND / 2).build().unwrap();
    connected(&client).await;
    // The acquire call is kept in the network until after the decision.
    let held = slow.next_request("redlock:lock:r");
    slow.requests(Flow::Hold);
    let lease = client.acquire("r").await.unwrap();
    held.held().await;
    assert_eq!(lease.held(), 2);
    // Past its decision deadline its release is queued behind it on the same connection.
    let report = || lease.report().nodes[2].answer.clone();
    eventually("the slow node's call timed out", || {
        matches!(report(), Some(Answer::Unknown(Reason::TimedOut(_))))
    })
    .await;
    slow.pass();
    client.shutdown(5 * SECOND).await;
    assert!(!is_locked(&cluster[2], "r"), "released after its SET");
    assert!(is_locked(&cluster[0], "r") && lease.is_valid());
    assert_eq!(lease.held(), 2, "and never counted");
}

#[tokio::test]
async fn lost_reply_released() {
    let (cluster, _) = admitted(3).await;
    let deaf = Proxy::to(&cluster[2]).unwrap();
    let urls = [cluster[0].url(), cluster[1].url(), deaf.url()];
    let client = builder(urls).node_timeout(SECOND / 2).build().unwrap();
    connected(&client).await;
    let swallowed = deaf.next_reply_to("redlock:lock:r");
    deaf.replies_to("redlock:lock:r", Flow::Swallow);
    cluster[1].stop();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    swallowed.swallowed().await;
    cluster[1].cont();
    deaf.pass();
    eventually("the node whose reply was lost is free", || {
        !is_locked(&cluster[2], "r")
    })
    .await;
}

#[tokio::test]
async fn release_after_cancel() {
    let (cluster, _) = admitted(3).await;
    let proxies: Vec<_> = cluster
        .iter()
        .map(|server| Proxy::to(server).unwrap())
        .collect();
    let client = builder(proxies.iter().map(Proxy::url))
        .node_timeout(SECOND / 2)
        .build()
        .unwrap();
    connected(&client).await;
    let swallowed: Vec<_> = proxies
        .iter()
        .map(|proxy| {
            proxy.replies(Flow::Hold);
            proxy.next_reply_to("redlock:lock:r")
        })
        .collect();
    {
        let mut acquiring = std::pin::pin!(client.acquire("r"));
        assert!(is_outstanding(acquiring.as_mut()).await);
        future::join_all(swallowed.iter().map(|reply| reply.held())).await;
        assert!(cluster.iter().all(|server| is_locked(server, "r")));
    }
    for proxy in &proxies {
        proxy.pass();
    }
    eventually("the cancelled acquisition left nothing", || {
        cluster.iter().all(|server| !is_locked(server, "r"))
    })
    .await;
}

/// Dropping a lease on every kind of runtime, outside of one, during shutdown and during a panic.
#[test]
fn drop_everywhere() {
    let cluster = start(3);
    let client = || builder(cluster.urls()).build().unwrap();
    let free = |resource: &str| {
        let start = Instant::now();
        while cluster.iter().any(|server| is_locked(server, resource)) {
            assert!(start.elapsed() < 5 * SECOND, "{resource} was not released");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let current = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let multi = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    current().block_on(async { client().admit_new_cluster().await.unwrap() });

    let runtime = current();
    let one = client();
    runtime.block_on(async {
        drop(one.acquire("current_thread").await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    });
    free("current_thread");

    let two = client();
    multi.block_on(async { drop(two.acquire("multi_thread").await.unwrap()) });
    free("multi_thread");

    let outside = multi.block_on(two.acquire("outside")).unwrap();
    drop(outside);
    free("outside");

    let other_thread = multi.block_on(two.acquire("other thread")).unwrap();
    std::thread::spawn(move || drop(other_thread))
        .join()
        .unwrap();
    free("other thread");

    let panicking = multi.block_on(two.acquire("panic")).unwrap();
    let panicked = std::thread::spawn(move || {
        let _lease = panicking;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    free("panic");

    // The runtime is gone: nothing can be sent, and dropping neither blocks nor panics.
    let runtime = current();
    let three = client();
    let orphan = runtime
        .block_on(three.request("orphan").ttl(SECOND).acquire())
        .unwrap();
    drop(runtime);
    drop(orphan);
    drop(three);
    free("orphan");

    // During the shutdown of its runtime.
    let runtime = current();
    let four = Arc::new(client());
    runtime.block_on(async {
        let lease = four
            .request("in a task")
            .ttl(SECOND)
            .acquire()
            .await
            .unwrap();
        tokio::spawn(async move {
            let _lease = lease;
            future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    });
    drop(runtime);
    free("in a task");
    // The same client goes on under another runtime.
    multi.block_on(async { drop(four.acquire("another runtime").await.unwrap()) });
    free("another runtime");
}

#[tokio::test]
async fn secrets_never_shown() {
    const SECRET: &str = "correct-horse-battery";
    let options = ServerOptions::new().password(SECRET);
    let cluster = RedisCluster::start(3, &options).unwrap();
    let log = captured_log();
    let shown = |text: String| assert!(!text.contains(SECRET), "{text}");

    let urls: Vec<_> = cluster.iter().map(RedisServer::url_with_password).collect();
    let client = builder(urls).build().unwrap();
    shown(format!("{client:?} {:?}", builder(["redis://h".into()])));
    client.admit_new_cluster().await.unwrap();
    let lease = client.acquire("r").await.unwrap();
    let token = lease.owner_token();
    shown(format!(
        "{lease:?} {:?} {}",
        lease.report(),
        client.preflight().await
    ));
    assert!(!format!("{lease:?} {token:?}").contains(token.as_str()));
    lease.release().await;

    let wrong = "wrong-horse-battery";
    let urls = cluster
        .iter()
        .map(|server| format!("redis://user:{wrong}@127.0.0.1:{}", server.port()));
    let client = builder(urls).build().unwrap();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("credentials"), "{error}");
    for text in [
        format!("{error} {error:?}"),
        format!("{:?}", client.preflight().await),
    ] {
        assert!(!text.contains(wrong), "{text}");
        shown(text);
    }

    for bad in [
        format!("redis://user:{SECRET}@[::1"),
        format!("redis://user:{SECRET}@host:notaport"),
        format!("http://user:{SECRET}@host"),
        format!("user:{SECRET}@host"),
    ] {
        let error = builder([bad]).build().unwrap_err();
        assert!(
            matches!(error, BuildError::InvalidUrl { index: 1, .. }),
            "{error}"
        );
        shown(format!("{error} {error:?}"));
    }
    let log = log.text();
    assert!(log.contains("acquired"), "the log was captured");
    for secret in [SECRET, wrong, token.as_str()] {
        assert!(!log.contains(secret), "in the log: {secret}");
    }
}

/// Everything that this thread traces.
fn captured_log() -> Log {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    log.keep(tracing::subscriber::set_default(subscriber));
    log
}

#[derive(Clone, Default)]
struct Log {
    text: Arc<std::sync::Mutex<Vec<u8>>>,
    guard: Arc<std::sync::Mutex<Option<tracing::subscriber::DefaultGuard>>>,
}

impl Log {
    fn keep(&self, guard: tracing::subscriber::DefaultGuard) {
        *self.guard.lock().unwrap() = Some(guard);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn late_set_of_closed_connection() {
    let (cluster, _) = admitted(3).await;
    let proxies: Vec<_> = cluster
        .iter()
        .map(|server| Proxy::to(server).unwrap())
        .collect();
    let client = builder(proxies.iter().map(Proxy::url))
        .node_timeout(SECOND / 2)
        .build()
        .unwrap();
    connected(&client).await;
    // The server is stopped; the call sits in its socket, and the connection breaks on our side.
    for server in cluster.iter() {
        server.stop();
    }
    let arrived: Vec<_> = proxies
        .iter()
        .map(|proxy| proxy.next_request("redlock:lock:r"))
        .collect();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    future::join_all(arrived.iter().map(|request| request.forwarded())).await;
    for proxy in &proxies {
        proxy.cut_clients(Cut::Reset);
    }
    for server in cluster.iter() {
        server.cont();
    }
    client.shutdown(5 * SECOND).await;
    for server in cluster.iter() {
        assert!(!is_locked(server, "r"), "the SET landed after the release");
    }
}
