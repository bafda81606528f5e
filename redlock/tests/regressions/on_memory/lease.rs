//! How a lease is prolonged, and how it ends.

use super::support::*;

#[tokio::test(start_paused = true)]
async fn failed_extend_keeps_keys() {
    let world = World::new(5);
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    for server in world.nodes(0..3) {
        server.refuse();
    }
    let before = lease.remaining();
    let error = lease.extend(Duration::from_secs(20)).await.unwrap_err();
    assert!(matches!(error, ExtendError::Unknown { .. }), "{error}");
    assert!(lease.is_valid());
    assert!(
        lease.remaining() <= before,
        "two of five do not move the deadline"
    );
    assert_eq!(world.locked(b"r"), 5, "nothing was deleted");
    for server in world.nodes(0..5) {
        assert!(
            server.ttl_of(b"r").unwrap() > lease.remaining(),
            "nothing was shortened"
        );
    }
    // Retried before the deadline, it succeeds.
    for server in world.nodes(0..3) {
        server.up();
    }
    lease.extend(Duration::from_secs(20)).await.unwrap();
    assert!(lease.remaining() > before);
}

#[tokio::test(start_paused = true)]
async fn no_reacquire_on_extend() {
    let world = World::new(3);
    let lease = world.client().acquire("r").await.unwrap();
    world.pass(Duration::from_secs(10)).await;
    let error = lease.extend(Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, ExtendError::Lost(_)), "{error}");
    assert_eq!(world.locked(b"r"), 0);
    // Neither while it is held, if its keys were deleted under it.
    let lease = world.client().acquire("q").await.unwrap();
    for server in world.cluster.servers() {
        server.delete(b"q");
    }
    let error = lease.extend(Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, ExtendError::Lost(_)), "{error}");
    assert_eq!(world.locked(b"q"), 0);
    assert!(!lease.is_valid());
}

#[tokio::test(start_paused = true)]
async fn transient_renew_error_retried() {
    let world = World::new(3);
    let lease = world.client().acquire("r").await.unwrap();
    lease.keep_renewed();
    for server in world.nodes(0..2) {
        let lost = Answer::Unknown(Reason::ConnectionLost("scripted".into()));
        server.answer_next_to(VerbKind::Extend, lost);
    }
    world.pass(Duration::from_secs(15)).await;
    assert!(
        lease.is_valid(),
        "the failed round was retried before the deadline"
    );
}

#[tokio::test(start_paused = true)]
async fn loss_fires_by_deadline() {
    let world = World::new(5);
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    lease.keep_renewed();
    // Redis hangs: no renewal is ever answered.
    for server in world.cluster.servers() {
        server.pause();
    }
    let remaining = lease.remaining();
    let start = world.host.monotonic();
    lease.lost().await;
    let waited = world.host.monotonic() - start;
    assert!(waited >= remaining, "not before the deadline");
    assert!(
        waited <= remaining + ms(101),
        "{waited:?} is more than 100 ms past {remaining:?}"
    );
    assert!(!lease.is_valid());
}

#[tokio::test(start_paused = true)]
async fn suspend_resume() {
    let world = World::new(3);
    let client = world.client();
    let lease = client.acquire("r").await.unwrap();
    lease.keep_renewed();
    let mut lost = pin!(lease.lost());
    world.pass(ms(10)).await;
    assert!(is_pending(lost.as_mut()));
    // CLOCK_MONOTONIC and timers stood still for the minute that the machine slept.
    world.host.suspend(Duration::from_secs(60));
    assert!(!lease.is_valid(), "exact at once");
    let woke = world.host.monotonic();
    lost.await;
    assert!(world.host.monotonic() - woke <= ms(101));
}

#[tokio::test(start_paused = true)]
async fn loss_is_final() {
    let world = World::new(3);
    let lease = world.client().acquire("r").await.unwrap();
    let hour = Duration::from_secs(3_600);
    world.host.step_forward(HostClock::Wall, hour);
    assert!(!lease.is_valid());
    world.host.step_back(HostClock::Wall, hour);
    assert!(!lease.is_valid(), "once lost, never valid again");
    assert_eq!(lease.remaining(), Duration::ZERO);
    assert!(lease.extend(SECOND).await.is_err());
    // Seen by nobody while it stood wrong: then it never happened to this lease.
    let lease = world.client().acquire("q").await.unwrap();
    world.host.step_forward(HostClock::Wall, hour);
    world.host.step_back(HostClock::Wall, hour);
    assert!(lease.is_valid());
}

#[tokio::test(start_paused = true)]
async fn short_ttl_no_hot_loop() {
    for (ttl, most_per_ttl) in [(ms(50), 10), (SECOND, 10)] {
        let world = World::new(3);
        let client = world.builder().ttl(ttl).build().unwrap();
        let lease = client.acquire("r").await.unwrap();
        lease.keep_renewed();
        world.pass(ttl * 20).await;
        assert!(lease.is_valid());
        let healthy = world.node(0).count(VerbKind::Extend);
        assert!(
            (20..=20 * most_per_ttl).contains(&healthy),
            "{healthy} renewals in 20 TTLs"
        );
        // Nor while every round fails.
        for server in world.cluster.servers() {
            server.lose_replies();
        }
        lease.lost().await;
        let failing = world.node(0).count(VerbKind::Extend) - healthy;
        assert!(
            failing <= 2 * most_per_ttl,
            "{failing} renewals while failing"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_rounds_not_mixed() {
    // N = 3. A round confirms on one node only, a later one on another: two confirmations, each from
    // its own round's start. Counting both under the newer start would end after the first key.
    let world = World::new(3);
    world.node(2).refuse();
    let lease = world.client().acquire("r").await.unwrap();
    let before = lease.remaining();
    world.node(1).refuse();
    world.pass(Duration::from_secs(2)).await;
    lease.extend(Duration::from_secs(10)).await.unwrap_err();
    world.node(1).up();
    world.node(0).refuse();
    world.pass(Duration::from_secs(2)).await;
    lease.extend(Duration::from_secs(10)).await.unwrap_err();
    let remaining = lease.remaining();
    assert!(
        remaining <= before - Duration::from_secs(2),
        "{remaining:?}: counts from the older round"
    );
    assert!(
        remaining > before - Duration::from_secs(3),
        "{remaining:?}: and both rounds count"
    );
    let shorter = world.node(0).ttl_of(b"r").unwrap();
    assert!(remaining < shorter, "no deadline beyond the keys");
}

#[tokio::test(start_paused = true)]
async fn extend_never_shortens() {
    let world = World::new(3);
    let lease = world.client().acquire("r").await.unwrap();
    let before = lease.remaining();
    for server in world.nodes(1..3) {
        server.refuse();
    }
    lease.extend(SECOND).await.unwrap_err();
    assert!(world.node(0).ttl_of(b"r").unwrap() > Duration::from_secs(9));
    assert!(
        before - lease.remaining() < SECOND,
        "the old deadline stands"
    );
}

#[tokio::test(start_paused = true)]
async fn renewals_that_are_due_go_out_together() {
    let world = World::new(3);
    let client = world.client();
    let mut leases = Vec::new();
    for index in 0..100 {
        let lease = client.acquire(format!("r{index}")).await.unwrap();
        lease.keep_renewed();
        leases.push(lease);
    }
    world.pass(Duration::from_secs(60)).await;
    assert!(leases.iter().all(Lease::is_valid));
    let renewals = world.node(0).count(VerbKind::Extend);
    assert!(
        (1_700..=2_000).contains(&renewals),
        "{renewals} renewals of 100 leases in 60 s"
    );
}

#[tokio::test(start_paused = true)]
async fn max_lifetime_ends_renewal() {
    let world = World::new(3);
    let client = world
        .builder()
        .max_lifetime(Duration::from_secs(30))
        .build()
        .unwrap();
    let lease = client.acquire("r").await.unwrap();
    lease.keep_renewed();
    let start = world.host.monotonic();
    lease.lost().await;
    let lived = world.host.monotonic() - start;
    assert!(
        lived > Duration::from_secs(20) && lived <= Duration::from_secs(31),
        "{lived:?}"
    );
}
