//! A node's clock is stepped.
//!
//! The first holder has the keys of three nodes of five; the clock of one of them is stepped 15 s forward, and its key is
//! gone. The second holder finds a majority: that node, and the two that the first had not reached. Two holders, and neither
//! did anything wrong. With the keys of all five nodes the step changes nothing: a majority of the others
//! still says no. That is what the slack of a lease counts.
//!
//! Source: Kleppmann (2016), the third diagram: clocks of A, B, C, D, E, of which C jumps.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{checkers::Checker, store::Fencing, world::WorldConfig};

use super::stage::{Actor, SEEDS, Told, count, evidence, lease_of, play, usual};

const STEP: &str = r#"
[[fault]]
kind = "clock_step"
target = "node-3"
clocks = "wall"
by_ms = 15000
start_ms = 3000
"#;

/// The first holder does not reach two of the nodes, as long as it holds.
const CUT: &str = r#"
[[fault]]
kind = "cut"
from = "client-1"
to = ["node-4", "node-5"]
start_ms = 500
duration_ms = 14000
"#;

/// Looks before it writes, and is told by its clocks that all is well: it is.
fn first(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        actor.at(5_000).await;
        assert!(lease.is_valid());
        // Whether the store takes it is what the story is about.
        let _ = lease.write(value + 1).await;
        actor.at(6_000).await;
        let _ = lease.release().await;
    }
    .boxed_local()
}

fn second(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(3_100).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        lease.write(value + 1).await.unwrap();
        actor.at(7_000).await;
        lease.release().await.unwrap();
    }
    .boxed_local()
}

fn told(seed: u64, plan: &str, fencing: Fencing) -> Told {
    let mut config = WorldConfig {
        fencing,
        ..usual(16_000)
    };
    config.redlock.fencing = fencing != Fencing::Off;
    play(config, plan, seed, first, second)
}

const TWO_HOLDERS: [Checker; 4] = [
    Checker::WindowExclusion,
    Checker::BeliefOverlap,
    Checker::ValidityBound,
    Checker::LinearizableMutex,
];

/// Two windows, of which the second begins in the midst of the first, and every checker that says so blames the clock.
fn two_holders(told: &Told, report: &simulator::checkers::Report) {
    let truth = told.truth();
    let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
    assert!(first.window.contains(second.window.start));
    for checker in TWO_HOLDERS {
        let evidence = evidence(report, checker);
        assert_eq!(evidence.count, 1, "{evidence}");
        assert_eq!(evidence.broken.len(), 1, "{evidence}");
        assert!(
            evidence.broken[0]
                .to_string()
                .starts_with("node_step: node-3's wall clock was stepped forward")
        );
    }
}

#[test]
fn with_three_keys_two_holders_write() {
    for seed in SEEDS {
        let told = told(seed, &[STEP, CUT].concat(), Fencing::Off);
        let mut violated = TWO_HOLDERS.to_vec();
        violated.push(Checker::EffectOrder);
        let report = told.verdicts(&violated, &[Checker::Fencing, Checker::FencedMutex]);
        two_holders(&told, &report);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 1);
    }
}

#[test]
fn with_three_keys_two_hold_and_a_store_that_fences_lets_one_write() {
    for seed in SEEDS {
        let told = told(seed, &[STEP, CUT].concat(), Fencing::ReadsAndWrites);
        let report = told.verdicts(&TWO_HOLDERS, &[]);
        two_holders(&told, &report);
        assert_eq!(told.store().last().unwrap(), "client-1 refused");
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
    }
}

#[test]
fn with_five_keys_the_step_changes_nothing() {
    for seed in SEEDS {
        let told = told(seed, STEP, Fencing::Off);
        let report = told.verdicts(&[], &[Checker::Fencing, Checker::FencedMutex]);
        let truth = told.truth();
        let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
        assert!(first.window.end < second.window.start);
        assert_eq!(
            told.store(),
            [
                "client-1 read 0",
                "client-1 wrote 1",
                "client-2 read 1",
                "client-2 wrote 2"
            ]
        );
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
    }
}
