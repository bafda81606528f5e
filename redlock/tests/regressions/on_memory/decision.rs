//! Who wins an attempt, and when that is known.

use super::support::*;

#[tokio::test(start_paused = true)]
async fn half_alive_node() {
    let world = World::new(5);
    world.node(0).pause();
    let lease = world.client().acquire("r").await.unwrap();
    // Handed out while the silent node's reply is outstanding.
    assert_eq!(lease.report().nodes[0].answer, None);
    assert_eq!((lease.held(), lease.slack()), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn even_split_terminates() {
    for nodes in [2, 4] {
        let world = World::new(nodes);
        for server in world.nodes(0..nodes / 2) {
            server.refuse();
        }
        let refused = world.client().try_acquire("r").await.unwrap_err();
        assert!(refused.is_unavailable(), "{refused}");
        let report = refused.report().unwrap();
        assert_eq!(report.granted() + report.outstanding(), nodes / 2);
        world.pass(SECOND).await;
        assert_eq!(
            world.locked(b"r"),
            0,
            "what the other half granted is released"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn expired_on_arrival_rejected() {
    let world = World::new(3);
    for server in world.cluster.servers() {
        server.delay_replies(ms(40));
    }
    // The replies are in time for the node deadline and too late for the TTL.
    let client = world.builder().ttl(ms(30)).build().unwrap();
    let error = client.request("r").try_acquire().await.unwrap_err();
    assert!(error.is_too_slow(), "{error}");
    let report = error.report().unwrap();
    assert!(report.granted() >= 2, "a quorum did grant: {report}");
    world.pass(ms(100)).await;
    for server in world.cluster.servers() {
        assert_eq!(
            server.count(VerbKind::Release),
            1,
            "released, not left to its TTL"
        );
    }
}

/// The acquirer is paused between the q-th reply and being handed the lease (Kleppmann's second
/// attack: the replies wait in a buffer while the keys expire).
#[tokio::test(start_paused = true)]
async fn expired_before_it_was_handed_out_rejected() {
    let world = World::new(3);
    for server in world.cluster.servers() {
        server.delay_replies(ms(10));
    }
    let client = world.client();
    let mut acquiring = pin!(client.try_acquire("r"));
    assert!(is_pending(acquiring.as_mut()));
    world.pass(ms(5)).await;
    // The host sleeps through the TTL while the replies are on their way.
    world.host.suspend(Duration::from_secs(60));
    world.pass(ms(10)).await;
    let error = acquiring.await.unwrap_err();
    assert!(error.is_too_slow(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn arithmetic_extremes() {
    let world = World::new(3);
    for ttl_ms in [0, 1, 2, 3, 4, 50, u64::MAX / 1_000, u64::MAX] {
        let ttl = ms(ttl_ms);
        for max_ttl in [None, Some(ttl), Some(Duration::MAX)] {
            let mut builder = world
                .builder()
                .prefix(format!("p{ttl_ms}-{}", max_ttl.is_some()))
                .backoff(Duration::ZERO, Duration::ZERO)
                .ttl(ttl);
            if let Some(max_ttl) = max_ttl {
                builder = builder.max_ttl(max_ttl);
            }
            match builder.build() {
                Ok(client) => {
                    assert!((3..=50).contains(&ttl_ms), "{ttl_ms} ms");
                    let lease = client.acquire("r").await.unwrap();
                    assert!(lease.remaining() < ttl);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
    let client = world.client();
    for ttl in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let refused = client.request("r").ttl(ttl).acquire().await.unwrap_err();
        assert!(matches!(refused, AcquireError::Ttl(_)), "{refused}");
    }
    // A zero retry delay does not spin: a wait that is over after 100 ms made at most 101 attempts.
    let held = client.acquire("held").await.unwrap();
    let hasty = world
        .builder()
        .runtime(Arc::new(VirtualRuntime::new(2)))
        .backoff(Duration::ZERO, Duration::ZERO)
        .build()
        .unwrap();
    let error = hasty
        .request("held")
        .within(ms(100))
        .acquire()
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            AcquireError::Contended {
                attempts: 2..=101,
                ..
            }
        ),
        "{error}"
    );
    assert!(held.is_valid());
}

#[tokio::test(start_paused = true)]
async fn quorum_over_configured_n() {
    let world = World::new(5);
    for server in world.nodes(0..3) {
        server.refuse();
    }
    let error = world.client().try_acquire("r").await.unwrap_err();
    assert!(
        error.is_unavailable(),
        "two of two reachable nodes are not three of five: {error}"
    );
    let report = error.report().unwrap();
    assert_eq!((report.quorum.nodes(), report.quorum.needed()), (5, 3));
}

#[tokio::test(start_paused = true)]
async fn success_not_masked() {
    let world = World::new(5);
    for server in world.nodes(0..2) {
        let broken = Answer::Unknown(Reason::Failed("scripted".into()));
        server.answer_next_to(VerbKind::Acquire, broken);
    }
    let lease = world.client().try_acquire("r").await.unwrap().unwrap();
    assert!(lease.is_valid());
    assert_eq!(lease.held(), 3);
}

#[tokio::test(start_paused = true)]
async fn restart_amnesia() {
    let world = World::new(3);
    let max_ttl = Duration::from_secs(30);
    world.node(2).refuse();
    let lease = world.client().acquire("r").await.unwrap();
    assert_eq!(lease.held(), 2);
    world.node(2).up();
    // One of the two holders restarts without its data: it and the third are a quorum.
    world.node(1).restart(false);
    let rival = world.other_client(2);
    assert!(
        !matches!(rival.try_acquire("r").await, Ok(Some(_))),
        "two holders"
    );
    world.pass(max_ttl + SECOND).await;
    assert!(
        rival.try_acquire("r").await.unwrap().is_some(),
        "it votes again after max_ttl"
    );
}

#[tokio::test(start_paused = true)]
async fn flushed_node() {
    let world = World::new(3);
    world.node(2).refuse();
    let client = world.client();
    let _lease = client.acquire("r").await.unwrap();
    world.node(2).up();
    world.node(1).forget_everything();
    let rival = world.other_client(2);
    assert!(
        !matches!(rival.try_acquire("r").await, Ok(Some(_))),
        "two holders"
    );
}

#[tokio::test(start_paused = true)]
async fn ttl_above_max_refused() {
    let world = World::new(3);
    let client = world.client();
    let ttl = Duration::from_secs(31);
    let error = client.request("r").ttl(ttl).acquire().await.unwrap_err();
    assert!(
        matches!(error, AcquireError::Ttl(TtlError::AboveMax { .. })),
        "{error}"
    );
    let lease = client.acquire("r").await.unwrap();
    let error = lease.extend(ttl).await.unwrap_err();
    assert!(matches!(error, ExtendError::Ttl(_)), "{error}");
    assert!(lease.is_valid());
    for server in world.cluster.servers() {
        assert_eq!(
            (
                server.count(VerbKind::Acquire),
                server.count(VerbKind::Extend)
            ),
            (1, 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn max_ttl_enforced_on_node() {
    let world = World::new(3);
    let _lease = world.client().acquire("r").await.unwrap();
    // A client that was told another maximum is refused by every node, by the name of the setting.
    let wrong = world
        .builder()
        .max_ttl(Duration::from_secs(60))
        .build()
        .unwrap();
    let error = wrong.try_acquire("q").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(
        error
            .to_string()
            .contains("max_ttl_ms is 60000 here and 30000 on the node"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn slack_reported() {
    let world = World::new(5);
    for server in world.nodes(3..5) {
        server.delay_replies(ms(20));
    }
    let lease = world.client().acquire("r").await.unwrap();
    assert_eq!(
        (lease.held(), lease.slack()),
        (3, 0),
        "decided at the third grant"
    );
    world.pass(ms(30)).await;
    assert_eq!(
        (lease.held(), lease.slack()),
        (5, 2),
        "grants past the majority count"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_cluster_is_quarantined_until_it_is_admitted() {
    let cluster = MemoryCluster::never_admitted(5);
    let client = Redlock::builder()
        .memory_nodes(&cluster)
        .runtime(Arc::new(VirtualRuntime::new(1)))
        .build()
        .unwrap();
    assert!(!client.preflight().await.is_ready());
    client.admit_new_cluster().await.unwrap();
    assert!(client.preflight().await.is_ready());
    assert!(client.acquire("r").await.unwrap().is_valid());
    let again = client.admit_new_cluster().await.unwrap_err();
    assert!(again.to_string().contains("memory-0"), "{again}");

    let unknown = MemoryCluster::never_admitted(3);
    let client = Redlock::builder()
        .memory_nodes(&unknown)
        .runtime(Arc::new(VirtualRuntime::new(2)))
        .build()
        .unwrap();
    let error = client
        .request("r")
        .within(SECOND)
        .acquire()
        .await
        .unwrap_err();
    assert!(matches!(error, AcquireError::Quarantined { .. }), "{error}");
    assert!(error.to_string().contains("admit_new_cluster"), "{error}");
    let patient = client.request("r").within(Duration::from_secs(40));
    assert!(
        patient.acquire().await.unwrap().is_valid(),
        "or it waits the quarantine out"
    );
}
