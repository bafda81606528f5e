//! Nodes that hang, refuse or stand still.

use redlock::{Redlock, Severity};

use super::support::*;

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
    let sockets = Counting::new();
    // A cluster of four was admitted; this one has five nodes and settings of its own.
    let client = builder(urls)
        .connector(sockets.clone())
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
    let tried = sockets.opened(closed.port());
    assert!(tried <= sockets.patient(), "{tried} attempts to connect");
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
async fn readonly_node() {
    let (cluster, client) = admitted(3).await;
    connected(&client).await;
    let master = start(1);
    cluster[0].command(&["REPLICAOF", "127.0.0.1", &master[0].port().to_string()]);
    // Also by a client whose connection is older than that.
    assert!(refuses_the_first_node(&client).await, "it is reported");
    for index in 0..5 {
        let lease = client.acquire(format!("r{index}")).await.unwrap();
        let answer = &lease.report().nodes[0].answer;
        assert!(
            !matches!(answer, Some(Answer::Granted { .. })),
            "a replica voted"
        );
    }
    assert!(refuses_the_first_node(&client).await, "and still is");
}

/// Whether a preflight says that the first node cannot take part.
async fn refuses_the_first_node(client: &Redlock) -> bool {
    let preflight = client.preflight().await;
    let mut findings = preflight.nodes[0].findings.iter();
    findings.any(|finding| finding.severity == Severity::Refusal)
}

#[tokio::test]
async fn pool_exhaustion() {
    let (cluster, _) = admitted(3).await;
    let sockets = Counting::new();
    let connecting = builder(cluster.urls()).connector(sockets.clone());
    let client = connecting.build().unwrap();
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
    // One connection per node and client, made once, and the one that asks.
    assert_eq!(sockets.opened(cluster[1].port()), 1);
    let tried = sockets.opened(cluster[0].port());
    assert!(tried <= sockets.patient(), "{tried} attempts to connect");
    assert!(
        connections(&cluster[1]) <= 3,
        "{} connections",
        connections(&cluster[1])
    );
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open < 200, "{open} descriptors");
}
