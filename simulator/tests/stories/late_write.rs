//! The write that takes 90 seconds.
//!
//! The holder looks at its lease, sends its write, and the network keeps it: not for milliseconds, for a minute and a half.
//! The holder gives up and releases; others work in the meantime; then the write arrives. No check at the client helps,
//! because the client had checked.
//!
//! Source: GitHub's outage of 22 December 2012, in which packets were delayed by about 90 s; told as an argument about locks in
//! Kleppmann (2016).

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{TrueTime, checkers::Checker, store::Fencing, world::WorldConfig};

use super::stage::{Actor, SEEDS, Told, count, evidence, play, usual};

const PLAN: &str = r#"
[[fault]]
kind = "hold"
from = "client-1"
to = "store"
direction = "one_way"
start_ms = 1500
duration_ms = 90000
"#;

/// Writes into the hold, waits as long as it has patience, releases.
fn first(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        actor.at(2_000).await;
        assert!(lease.is_valid());
        assert!(lease.write(value + 1).await.is_err());
        lease.release().await.unwrap();
    }
    .boxed_local()
}

/// Twice, long after and long before.
fn second(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        for ms in [11_000, 40_000] {
            actor.at(ms).await;
            let lease = actor.acquire().await;
            let value = lease.read().await.unwrap();
            lease.write(value + 1).await.unwrap();
            lease.release().await.unwrap();
        }
    }
    .boxed_local()
}

fn told(seed: u64, fencing: Fencing) -> Told {
    let mut config = WorldConfig {
        fencing,
        tick_ms: 10,
        ..usual(93_000)
    };
    config.redlock.fencing = fencing != Fencing::Off;
    play(config, PLAN, seed, first, second)
}

const BEFORE: [&str; 5] = [
    "client-1 read 0",
    "client-2 read 0",
    "client-2 wrote 1",
    "client-2 read 1",
    "client-2 wrote 2",
];

#[test]
fn without_fencing_it_undoes_two_updates() {
    for seed in SEEDS {
        let told = told(seed, Fencing::Off);
        assert_eq!(told.store(), [&BEFORE[..], &["client-1 wrote 1"]].concat());
        let report = told.verdicts(
            &[Checker::EffectOrder],
            &[Checker::Fencing, Checker::FencedMutex],
        );
        let shown = evidence(&report, Checker::EffectOrder);
        assert!(shown.at >= TrueTime::from_millis(91_500));
        assert_eq!(shown.count, 1);
        // It is one write, however many it undid.
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 1);
    }
}

#[test]
fn a_store_that_fences_refuses_it_after_90_seconds() {
    for seed in SEEDS {
        let told = told(seed, Fencing::ReadsAndWrites);
        assert_eq!(told.store(), [&BEFORE[..], &["client-1 refused"]].concat());
        let report = told.verdicts(&[], &[]);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
    }
}
