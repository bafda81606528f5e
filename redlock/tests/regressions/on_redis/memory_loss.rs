//! Nodes that forget, and who must not notice.

use super::support::*;

#[tokio::test]
async fn noscript_after_flush() {
    let (cluster, _) = admitted(3).await;
    // However slow this machine is: what counts is that it is one call.
    let client = builder(cluster.urls())
        .node_timeout(SECOND)
        .build()
        .unwrap();
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
    // Not in time for a grant of its own: what it was asked is followed by a release.
    eventually("the third node is given up", || {
        let answer = lease.report().nodes[2].answer.clone();
        matches!(answer, Some(Answer::Unknown(Reason::TimedOut(_))))
    })
    .await;
    cluster[2].cont();
    // What the third was asked while it was stopped is released by now: nothing but the guard keeps
    // it and the node that forgot from making a quorum.
    eventually("the third node is free", || !is_locked(&cluster[2], "r")).await;
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
    // Not in time for a grant of its own: what it was asked is followed by a release.
    eventually("the third node is given up", || {
        let answer = lease.report().nodes[2].answer.clone();
        matches!(answer, Some(Answer::Unknown(Reason::TimedOut(_))))
    })
    .await;
    cluster[2].cont();
    // What the third was asked while it was stopped is released by now: nothing but the guard keeps
    // it and the node that forgot from making a quorum.
    eventually("the third node is free", || !is_locked(&cluster[2], "r")).await;
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
