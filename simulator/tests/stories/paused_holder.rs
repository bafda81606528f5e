//! The paused holder.
//!
//! A client checks its lease, and is stopped between the check and the write: by its garbage collector, its hypervisor, its
//! scheduler. It wakes when the lease is long over and somebody else had it, and writes. No lock with an end can prevent
//! this, whatever clocks it has; a store that remembers the highest fencing token can.
//!
//! Source: Kleppmann, "How to do distributed locking" (2016), the first diagram. Antirez' reply grants the point.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{checkers::Checker, store::Fencing, world::WorldConfig};

use super::stage::{Actor, SEEDS, Told, count, evidence, lease_of, play, usual};

const PLAN: &str = r#"
[[fault]]
kind = "pause"
target = "holder"
start_ms = 2000
duration_ms = 14000
"#;

/// Reads, checks, falls asleep for 14 s, and writes what it had computed.
fn paused(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        actor.at(1_900).await;
        assert!(lease.is_valid());
        actor.at(2_500).await;
        // Whether the store takes it is what the story is about.
        let _ = lease.write(value + 1).await;
    }
    .boxed_local()
}

/// Waits for the lease of the other, and uses it well.
fn next(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_500).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        lease.write(value + 1).await.unwrap();
        actor.at(18_000).await;
        lease.release().await.unwrap();
    }
    .boxed_local()
}

fn told(seed: u64, tokens: bool, fencing: Fencing) -> Told {
    let mut config = WorldConfig {
        fencing,
        ..usual(20_000)
    };
    config.redlock.fencing = tokens;
    let told = play(config, PLAN, seed, paused, next);
    let truth = told.truth();
    let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
    assert!(first.window.end < second.window.start);
    assert!(second.belief.span.contains(first.belief.span.end));
    told
}

#[test]
fn without_tokens_its_write_undoes_that_of_the_next_holder() {
    for seed in SEEDS {
        let told = told(seed, false, Fencing::Off);
        assert_eq!(
            told.store(),
            [
                "client-1 read 0",
                "client-2 read 0",
                "client-2 wrote 1",
                "client-1 wrote 1"
            ]
        );
        let report = told.verdicts(
            &[Checker::EffectOrder],
            &[Checker::Fencing, Checker::FencedMutex],
        );
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 1);
        assert_eq!(evidence(&report, Checker::EffectOrder).count, 1);
        // Both believed, and the first could not have known better.
        assert_eq!(count(&report, Checker::BeliefOverlap, "legal_overlaps"), 1);
    }
}

/// Tokens that nobody checks are worth nothing: the same, and the store is to blame.
#[test]
fn with_tokens_and_a_store_that_ignores_them_it_is_the_same() {
    for seed in SEEDS {
        let told = told(seed, true, Fencing::Off);
        let report = told.verdicts(&[Checker::EffectOrder, Checker::Fencing], &[]);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 1);
        assert_eq!(evidence(&report, Checker::Fencing).count, 1);
    }
}

#[test]
fn a_store_that_fences_refuses_it() {
    for seed in SEEDS {
        let told = told(seed, true, Fencing::ReadsAndWrites);
        assert_eq!(
            told.store(),
            [
                "client-1 read 0",
                "client-2 read 0",
                "client-2 wrote 1",
                "client-1 refused"
            ]
        );
        let report = told.verdicts(&[], &[]);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
        assert_eq!(count(&report, Checker::BeliefOverlap, "legal_overlaps"), 1);
    }
}
