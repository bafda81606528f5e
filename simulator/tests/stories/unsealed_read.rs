//! Reads that do not seal.
//!
//! The store checks tokens on writes only. The old holder's write is in flight; the new holder reads, and because its read
//! carried no token that the store would remember, the old write is still welcome. It slips in between the new holder's
//! read and write, and the new holder's write, computed from what it had read, undoes it. Every write was in the order of the tokens,
//! and an update is lost.
//!
//! With tokens checked on reads too, the first read of the new holder seals the store for the old one.
//!
//! Source: follows from Kleppmann's diagram (2016) by reading it closely; the sequencer of Chubby (Burrows 2006) is checked on
//! every request.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{checkers::Checker, store::Fencing, world::WorldConfig};

use super::stage::{Actor, SEEDS, Told, count, evidence, play, usual};

const PLAN: &str = r#"
[[fault]]
kind = "hold"
from = "client-1"
to = "store"
direction = "one_way"
start_ms = 1500
duration_ms = 12500
"#;

/// Its write is held until 14 s.
fn old(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        actor.at(2_000).await;
        assert!(lease.is_valid());
        assert!(lease.write(value + 10).await.is_err());
        lease.release().await.unwrap();
    }
    .boxed_local()
}

/// Reads before that, and writes after.
fn new(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(12_000).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        actor.at(15_000).await;
        lease.write(value + 1).await.unwrap();
        lease.release().await.unwrap();
    }
    .boxed_local()
}

fn told(seed: u64, fencing: Fencing) -> Told {
    let config = WorldConfig {
        fencing,
        ..usual(16_000)
    };
    play(config, PLAN, seed, old, new)
}

#[test]
fn with_tokens_on_writes_only_an_old_write_slips_in() {
    for seed in SEEDS {
        let told = told(seed, Fencing::Writes);
        assert_eq!(
            told.store(),
            [
                "client-1 read 0",
                "client-2 read 0",
                "client-1 wrote 10",
                "client-2 wrote 1"
            ]
        );
        // The writes took effect in the order of the leases, so that it takes the checker of tokens to see it.
        let report = told.verdicts(&[Checker::Fencing], &[]);
        assert_eq!(evidence(&report, Checker::Fencing).count, 1);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 1);
    }
}

#[test]
fn with_tokens_on_reads_too_it_does_not() {
    for seed in SEEDS {
        let told = told(seed, Fencing::ReadsAndWrites);
        assert_eq!(
            told.store(),
            [
                "client-1 read 0",
                "client-2 read 0",
                "client-1 refused",
                "client-2 wrote 1"
            ]
        );
        let report = told.verdicts(&[], &[]);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
    }
}
