//! Owner tokens, fencing tokens, and from when validity counts.

use super::support::*;

#[tokio::test(start_paused = true)]
async fn fencing_monotone() {
    let day = Duration::from_secs(86_400);
    for clocks_help in [true, false] {
        let world = World::new(3);
        let mut last = None;
        // Through different majorities of three nodes, as in the counterexample to the plain maximum: 12, 13, 12, 13, 23
        // would answer 1, 2, 3, 4, 3. Before that, all three.
        let left_out = [3, 2, 1, 2, 1, 0, 2, 0, 1];
        for (round, left_out) in left_out.into_iter().enumerate() {
            // Each client has a wall clock of its own, some far behind and some ahead. Where clocks do not help, the first
            // is far ahead and all others are behind, so that nodes only count.
            let host = Arc::new(VirtualRuntime::new(round as u64));
            match (clocks_help, round % 3) {
                (true, 2) => {}
                (true, 0) => host.step_back(HostClock::Wall, day),
                (false, _) if round > 0 => host.step_back(HostClock::Wall, day),
                _ => host.step_forward(HostClock::Wall, day),
            }
            let client = world.builder().runtime(host).build().unwrap();
            let down = world.nodes((0..3).filter(|node| *node == left_out));
            down.iter().for_each(MemoryServer::refuse);
            let lease = client.acquire("r").await.unwrap();
            assert!(Some(lease.fencing_token()) > last, "acquisition {round}");
            last = Some(lease.fencing_token());
            lease.release().await;
            down.iter().for_each(MemoryServer::up);
            world.pass(ms(100)).await;
        }
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
