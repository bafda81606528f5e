//! Shows that the client's seam is enough for a simulated world: the shipped client, with redis-rs and
//! its real scripts, runs over turmoil's network, under a clock that is 1% fast, with its tasks paused
//! for two seconds and its random bytes from a seed, and writes the same bytes twice.
//!
//! The node is a toy that knows the client's calls by their number of keys and arguments. The
//! simulator proper brings nodes that run the Lua.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, and makes the world under the seam"
)]

mod host;
mod toy_node;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use redlock::{AcquireError, Redlock, Runtime as _};

use host::{Host, Wire};
use toy_node::ToyNode;

const NODES: usize = 3;
const TTL: Duration = Duration::from_secs(3);
/// The host's clocks run 1% fast: what they count in a second of true time.
const FAST_PPM: u64 = 10_000;

/// What one run shows.
#[derive(Debug, Default)]
struct Outcome {
    wire: Vec<u8>,
    tokens: Vec<u64>,
    true_time_until_lost: Duration,
    asleep: Option<Asleep>,
}

/// What the paused client looked like when it woke.
#[derive(Debug)]
struct Asleep {
    valid_before: bool,
    valid_after: bool,
    commands_while_paused: usize,
}

fn run(seed: u64) -> Outcome {
    let mut sim = turmoil::Builder::new()
        .rng_seed(seed)
        .epoch(UNIX_EPOCH + Duration::from_secs(1_735_689_600))
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(4))
        .simulation_duration(Duration::from_secs(60))
        .build();
    let nodes: Vec<_> = (0..NODES).map(ToyNode::new).collect();
    for node in &nodes {
        let node = node.clone();
        sim.host(node.name(), move || node.clone().serve());
    }
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let (shown, wire) = (outcome.clone(), Wire::default());
    let recorded = wire.clone();
    sim.client("client", async move {
        let host = Arc::new(Host::new(seed, FAST_PPM));
        let client = Redlock::builder()
            .nodes(nodes.iter().map(ToyNode::url))
            .ttl(TTL)
            .max_ttl(TTL)
            .runtime(host.clone())
            .connector(Arc::new(recorded))
            .build()?;
        client.admit_new_cluster().await?;

        let lease = client.acquire("paused").await?;
        let blocked = client.try_acquire("paused").await?;
        assert!(blocked.is_none(), "held by ourselves: nobody else gets it");
        let first = lease.fencing_token().as_u64();
        lease.keep_renewed();
        host.sleep(Duration::from_secs(5)).await;
        let valid_before = lease.is_valid();

        // Every task of the client stops for two seconds; its keys expire meanwhile or soon after,
        // because nobody renews them.
        let before: usize = nodes.iter().map(ToyNode::commands).sum();
        let pause = Duration::from_secs(2);
        host.pause_for(pause);
        tokio::time::sleep(pause - Duration::from_millis(10)).await;
        let after: usize = nodes.iter().map(ToyNode::commands).sum();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let asleep = Asleep {
            valid_before,
            valid_after: lease.is_valid(),
            commands_while_paused: after - before,
        };
        lease.release().await;

        let lease = client.acquire("left alone").await?;
        let second = lease.fencing_token().as_u64();
        let start = tokio::time::Instant::now();
        lease.lost().await;
        let lost_after = start.elapsed();
        drop(lease);
        assert!(client.shutdown(Duration::from_secs(5)).await.is_clean());
        assert!(matches!(
            client.acquire("late").await,
            Err(AcquireError::ShutDown)
        ));

        let mut shown = shown.lock().unwrap();
        shown.tokens = vec![first, second];
        shown.true_time_until_lost = lost_after;
        shown.asleep = Some(asleep);
        Ok(())
    });
    sim.run().unwrap();
    let mut outcome = std::mem::take(&mut *outcome.lock().unwrap());
    outcome.wire = wire.bytes();
    outcome
}

#[test]
fn the_shipped_client_runs_in_a_simulated_world() {
    let outcome = run(7);
    assert!(
        outcome.tokens[1] > outcome.tokens[0],
        "{:?}",
        outcome.tokens
    );

    let asleep = outcome.asleep.unwrap();
    assert!(asleep.valid_before, "renewed while the host ran");
    assert_eq!(
        asleep.commands_while_paused, 0,
        "a paused host sends nothing"
    );
    // Two seconds are less than the TTL: what was renewed just before the pause is still held.
    assert!(asleep.valid_after);

    // A clock that is 1% fast ends the lease 1% early in true time, within the watcher's 100 ms.
    let validity = redlock::Drift::default().validity(TTL);
    let early = validity * 100 / 101;
    let lost = outcome.true_time_until_lost;
    assert!(
        lost + Duration::from_millis(10) >= early,
        "{lost:?} is before {early:?}"
    );
    assert!(lost < validity, "{lost:?}: the fast clock was not used");
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let (one, two, other) = (run(7), run(7), run(8));
    assert!(one.wire.len() > 10_000, "{} bytes", one.wire.len());
    if let Some(at) = one
        .wire
        .iter()
        .zip(&two.wire)
        .position(|(one, two)| one != two)
    {
        let around = |bytes: &[u8]| {
            bytes[at.saturating_sub(80)..]
                .escape_ascii()
                .take(300)
                .map(char::from)
                .collect::<String>()
        };
        panic!(
            "byte {at} differs:\n{}\n{}",
            around(&one.wire),
            around(&two.wire)
        );
    }
    assert_eq!(one.wire.len(), two.wire.len());
    assert_ne!(
        one.wire, other.wire,
        "another seed draws other owner tokens"
    );
}
