//! What is left behind: nothing.

use super::support::*;

#[tokio::test(start_paused = true)]
async fn late_grant_released() {
    let world = World::new(5);
    let slow = world.node(4);
    slow.delay_requests(ms(200));
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    world.pass(SECOND).await;
    let verbs: Vec<_> = slow.executed().iter().map(|call| call.verb).collect();
    assert_eq!(
        verbs,
        [VerbKind::Acquire, VerbKind::Release],
        "the release came after the SET"
    );
    assert_eq!(slow.owner_of(b"r"), None);
    assert!(lease.is_valid());
    assert_eq!(
        lease.held(),
        4,
        "a grant after its release was sent does not count"
    );
}

#[tokio::test(start_paused = true)]
async fn lost_reply_released() {
    let world = World::new(5);
    for server in world.nodes(0..3) {
        server.lose_replies();
    }
    let error = world.client().try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(
        world.node(0).count(VerbKind::Acquire),
        1,
        "the SET was applied"
    );
    world.pass(ms(500)).await;
    assert_eq!(
        world.locked(b"r"),
        0,
        "and released, though its reply was lost"
    );
}

#[tokio::test(start_paused = true)]
async fn release_after_cancel() {
    let world = World::new(3);
    for server in world.cluster.servers() {
        server.delay_replies(ms(20));
    }
    let client = world.client();
    {
        let mut acquiring = pin!(client.acquire("r"));
        assert!(is_pending(acquiring.as_mut()));
        world.pass(ms(10)).await;
        assert_eq!(world.locked(b"r"), 3, "granted, and nobody knows yet");
    }
    world.pass(ms(100)).await;
    assert_eq!(world.locked(b"r"), 0, "dropped while acquiring");

    let lease = client.acquire("r").await.unwrap();
    assert!(is_pending(pin!(lease.extend(SECOND))));
    assert!(is_pending(pin!(lease.release())));
    world.pass(ms(100)).await;
    assert_eq!(
        world.locked(b"r"),
        0,
        "the release was dropped after its first poll"
    );
}

#[tokio::test(start_paused = true)]
async fn renew_release_race() {
    let world = World::new(3);
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    for server in world.cluster.servers() {
        server.hold();
    }
    let extending = lease.extend(Duration::from_secs(20));
    let releasing = async {
        let report = lease.release().await;
        for server in world.cluster.servers() {
            server.release_held();
        }
        report
    };
    let (extended, _) = future::join(extending, releasing).await;
    assert!(
        matches!(extended, Err(ExtendError::Released)),
        "{extended:?}"
    );
    world.pass(ms(100)).await;
    assert_eq!(world.locked(b"r"), 0, "no key came back");
}

#[tokio::test(start_paused = true)]
async fn release_idempotent() {
    let world = World::new(3);
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    assert!(lease.release().await.freed);
    assert!(lease.release().await.freed);
    let expired = client.acquire("r").await.unwrap();
    world.pass(Duration::from_secs(11)).await;
    assert!(
        expired.release().await.freed,
        "already gone is not an error"
    );
}

#[tokio::test(start_paused = true)]
async fn release_other_owner() {
    let world = World::new(3);
    let old = world.client().acquire("r").await.unwrap();
    world.pass(Duration::from_secs(10)).await;
    let new = world.other_client(2).acquire("r").await.unwrap();
    old.release().await;
    assert_eq!(world.locked(b"r"), 3);
    assert_eq!(world.node(0).owner_of(b"r"), Some(new.owner_token()));
}

#[tokio::test(start_paused = true)]
async fn self_block_free_retry() {
    let world = World::new(3);
    // Two of three cannot grant, the third does: its leftover must not block the next attempt, which needs that node's vote.
    for server in world.nodes(0..2) {
        server.refuse();
    }
    let client = world.client();
    client.try_acquire("r").await.unwrap_err();
    world.node(0).up();
    world.pass(ms(100)).await;
    assert!(client.try_acquire("r").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn retry_memory_bounded() {
    let world = World::new(3);
    let holder = world.other_client(2).acquire("r").await.unwrap();
    holder.keep_renewed();
    let client = world.client();
    for _ in 0..1_000 {
        assert!(client.try_acquire("r").await.unwrap().is_none());
    }
    // Nothing of a thousand failed attempts is still to be released.
    assert!(client.shutdown(SECOND).await.is_clean());
}

#[tokio::test(start_paused = true)]
async fn shutdown_drains_and_reports() {
    let world = World::new(3);
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    let kept = client.acquire("kept").await.unwrap();
    world.node(0).pause();
    drop(lease);
    let report = client.shutdown(SECOND).await;
    assert_eq!(report.undelivered.len(), 1, "{report}");
    assert_eq!(report.undelivered[0].resource, "r");
    assert_eq!(report.undelivered[0].nodes.len(), 1);
    assert!(report.undelivered[0].freed);
    assert!(matches!(
        client.acquire("q").await,
        Err(AcquireError::ShutDown)
    ));
    assert!(kept.is_valid(), "held leases are their holders' business");
    world.node(0).resume();
    assert!(client.shutdown(SECOND).await.is_clean());
}
