//! Rows on in-memory nodes and virtual time.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt as _, future};
use redlock::{
    AcquireError, Answer, Builder, ExtendError, Lease, OnLoss, Reason, Redlock, Runtime as _,
    TtlError, WithError,
    memory::{HostClock, MemoryCluster, MemoryServer, VerbKind, VirtualRuntime},
};

/// Five nodes (or as many as asked for), and a host whose clocks can be scripted.
struct World {
    cluster: MemoryCluster,
    host: Arc<VirtualRuntime>,
}

impl World {
    fn new(nodes: usize) -> Self {
        Self {
            cluster: MemoryCluster::new(nodes),
            host: Arc::new(VirtualRuntime::new(1)),
        }
    }

    fn builder(&self) -> Builder {
        Redlock::builder()
            .memory_nodes(&self.cluster)
            .runtime(self.host.clone())
    }

    fn client(&self) -> Redlock {
        self.builder().build().unwrap()
    }

    /// A client on a host of its own.
    fn other_client(&self, seed: u64) -> Redlock {
        self.builder()
            .runtime(Arc::new(VirtualRuntime::new(seed)))
            .build()
            .unwrap()
    }

    fn node(&self, index: usize) -> MemoryServer {
        self.cluster.server(index)
    }

    fn nodes(&self, indices: impl IntoIterator<Item = usize>) -> Vec<MemoryServer> {
        indices.into_iter().map(|index| self.node(index)).collect()
    }

    async fn pass(&self, time: Duration) {
        self.host.sleep(time).await;
    }

    /// How many nodes hold a lock on `resource`.
    fn locked(&self, resource: &[u8]) -> usize {
        self.cluster
            .servers()
            .filter(|server| server.owner_of(resource).is_some())
            .count()
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const SECOND: Duration = Duration::from_secs(1);

fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.now_or_never().is_none()
}

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
async fn fencing_monotone() {
    // Through different majorities of three nodes, as in the counterexample to the plain maximum:
    // 12, 13, 12, 13, 23.
    let world = World::new(3);
    let mut last = None;
    for (round, left_out) in [2, 1, 2, 1, 0, 2, 0, 1].into_iter().enumerate() {
        // Each client has a wall clock of its own, some far behind and some ahead.
        let host = Arc::new(VirtualRuntime::new(round as u64));
        match round % 3 {
            0 => host.step_back(HostClock::Wall, Duration::from_secs(86_400)),
            1 => host.step_forward(HostClock::Wall, Duration::from_secs(86_400)),
            _ => {}
        }
        let client = world.builder().runtime(host).build().unwrap();
        world.node(left_out).refuse();
        let lease = client.acquire("r").await.unwrap();
        assert!(Some(lease.fencing_token()) > last, "acquisition {round}");
        last = Some(lease.fencing_token());
        lease.release().await;
        world.node(left_out).up();
        world.pass(ms(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn fencing_after_amnesia() {
    // A node forgets its counter; a client's clock is 150 ms behind. After the quarantine, tokens
    // still increase, because the node clamps the proposal to its own time.
    let world = World::new(3);
    let client = world.client();
    let before = client.acquire("r").await.unwrap();
    before.release().await;
    for server in world.cluster.servers() {
        server.restart(false);
    }
    world.pass(SECOND).await;
    let slow = Arc::new(VirtualRuntime::new(9));
    slow.step_back(HostClock::Wall, ms(150) + Duration::from_secs(60));
    let rival = world.builder().runtime(slow).build().unwrap();
    let after = rival
        .request("r")
        .within(Duration::from_secs(60))
        .acquire()
        .await
        .unwrap();
    assert!(after.fencing_token() > before.fencing_token());
}

#[tokio::test(start_paused = true)]
async fn fresh_token_per_attempt() {
    let world = World::new(3);
    let owners = |server: &MemoryServer| -> Vec<_> {
        let executed = server.executed();
        let acquires = executed
            .iter()
            .filter(|call| call.verb == VerbKind::Acquire);
        acquires.map(|call| call.owner).collect()
    };
    let holder = world.other_client(2).acquire("r").await.unwrap();
    let client = world.client();
    let waiting = client.request("r").within(SECOND);
    waiting.acquire().await.unwrap_err();
    let mut seen = owners(&world.node(0));
    assert!(seen.len() > 3, "several attempts were made");
    let attempts = seen.len();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), attempts, "each with an owner token of its own");
    drop(holder);
}

#[tokio::test(start_paused = true)]
async fn validity_per_attempt() {
    let world = World::new(3);
    let holder = world.other_client(2).acquire("r").await.unwrap();
    let client = world.client();
    let waiting = async {
        let lease = client.request("r").acquire().await.unwrap();
        let fresh = client.acquire("other").await.unwrap();
        (lease.remaining(), fresh.remaining())
    };
    let releasing = async {
        world.pass(Duration::from_secs(5)).await;
        holder.release().await;
    };
    let ((waited, fresh), ()) = future::join(waiting, releasing).await;
    // Measured from the attempt that won, not from the first.
    assert!(
        fresh - waited < SECOND,
        "{waited:?} after waiting, {fresh:?} without"
    );
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
async fn late_grant_carries_token() {
    let world = World::new(3);
    let client = world.client();
    // Stripes of the same resource have different counters: node 2 is behind.
    world.node(2).refuse();
    let ahead = Arc::new(VirtualRuntime::new(5));
    ahead.step_forward(HostClock::Wall, Duration::from_secs(3));
    let fast = world.builder().runtime(ahead).build().unwrap();
    fast.acquire("r").await.unwrap().release().await;
    world.node(2).up();
    world.pass(ms(100)).await;
    // Its grant is late; it does not know the token that won.
    world.node(2).delay_replies(ms(20));
    let lease = client.acquire("r").await.unwrap();
    world.pass(ms(200)).await;
    assert_eq!(lease.held(), 3);
    let stripe = (0..256)
        .find(|stripe| world.node(0).counter(*stripe) > 0)
        .unwrap();
    assert!(world.node(2).counter(stripe) >= lease.fencing_token().as_u64());
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
async fn a_body_is_dropped_before_its_keys_are_released() {
    let world = World::new(3);
    let client = world.client();
    let dropped = std::sync::Mutex::new(None);
    struct OnDrop<F: Fn()>(F);
    impl<F: Fn()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let result = client
        .with("r", async |lease| {
            let _guard = OnDrop(|| *dropped.lock().unwrap() = Some(world.locked(b"r")));
            for server in world.cluster.servers() {
                server.delete(b"r");
            }
            lease.lost().await;
            future::pending::<()>().await;
        })
        .await;
    assert!(matches!(result, Err(WithError::Lost(_))), "{result:?}");
    assert!(dropped.lock().unwrap().is_some(), "the body was dropped");
    let releases = world.node(0).count(VerbKind::Release);
    assert_eq!(releases, 1, "and then its keys were released");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_finish_after_its_lease_was_lost() {
    let world = World::new(3);
    let request = world.client().request("r").on_loss(OnLoss::Finish);
    let valid = request
        .with(async |lease: &Lease| {
            world.host.suspend(Duration::from_secs(60));
            world.pass(SECOND).await;
            lease.is_valid()
        })
        .await
        .unwrap();
    assert!(!valid, "it ran on, and could ask");
}

#[tokio::test(start_paused = true)]
async fn a_scoped_body_is_released_when_it_panics() {
    let world = World::new(3);
    let client = world.client();
    let task = tokio::task::LocalSet::new();
    let panicking = async {
        let _: Result<(), _> = client.with("r", async |_| panic!("on purpose")).await;
    };
    let outcome = std::panic::AssertUnwindSafe(task.run_until(panicking))
        .catch_unwind()
        .await;
    assert!(outcome.is_err());
    world.pass(ms(100)).await;
    assert_eq!(world.locked(b"r"), 0);
}

/// Compiles only while the future is `Send` for a generic caller.
#[tokio::test(start_paused = true)]
async fn scoped_work_can_be_spawned() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let world = World::new(3);
    let client = world.client();
    let work = is_send(client.with_send("r", |lease| {
        Box::pin(async move { lease.fencing_token().as_u64() })
    }));
    assert!(work.await.unwrap() > 0);
    fn is_static<T: Send + 'static>(_: &T) {}
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    is_shared(&client);
    is_static(&client.acquire("q").await.unwrap());
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
