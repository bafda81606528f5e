//! The hole of each rule on a single server, and that the next rule does not have it.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{
    checkers::Checker,
    contender::SingleRule,
    history::{NodeChange, Removal},
};

use super::stage::{Actor, SEEDS, is_meddled_with, is_shared, play, world};

/// Both try at the same instant.
fn at_once(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        if let Ok(lease) = actor.try_acquire().await {
            actor.at(2_000).await;
            // Whether the key was still there is another matter.
            let _ = lease.release().await;
        }
    }
    .boxed_local()
}

#[test]
fn two_who_check_before_they_set_both_hold() {
    for rule in SingleRule::ALL {
        for seed in SEEDS {
            let told = play(world(rule, 3_000), "", seed, at_once, at_once);
            let both = matches!(rule, SingleRule::BlindSet | SingleRule::CheckThenSet);
            assert_eq!(told.holders().len(), if both { 2 } else { 1 }, "{rule:?}");
            assert_eq!(is_shared(&told.report()), both, "{rule:?}");
        }
    }
}

/// Acquires at the first second; when it was killed meanwhile, it stays away.
fn killed(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        if actor.is_reborn() {
            return;
        }
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        actor.at(60_000).await;
        drop(lease);
    }
    .boxed_local()
}

fn next(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(2_000).await;
        drop(actor.acquire().await);
    }
    .boxed_local()
}

/// The request is a millisecond on its way, and its answer another: the second one has not left yet.
const KILLED_BETWEEN: &str = "
[[fault]]
kind = 'crash'
target = 'client-1'
start_ms = 1003
duration_ms = 1000
";

#[test]
fn who_dies_between_setnx_and_expire_locks_it_for_ever() {
    for rule in SingleRule::ALL {
        for seed in SEEDS {
            let mut config = world(rule, 15_000);
            if rule == SingleRule::SetThenExpire {
                // As long as the checker of progress has patience.
                config.liveness_ms = 105_000;
            }
            let told = play(config, KILLED_BETWEEN, seed, killed, next);
            let holders = told.holders();
            if rule == SingleRule::SetThenExpire {
                assert!(holders.is_empty(), "{holders:?}");
                let changes = told.changes_of("node-1");
                let [
                    (
                        _,
                        NodeChange::Set {
                            expires_wall_ms, ..
                        },
                        _,
                    ),
                ] = *changes
                else {
                    panic!("{changes:?}");
                };
                assert_eq!(*expires_wall_ms, None);
                let liveness = told.report().finding(Checker::Liveness).verdict.clone();
                assert!(liveness.is_violated(), "{liveness:?}");
            } else {
                assert_eq!(holders, ["client-2"], "{rule:?}");
            }
        }
    }
}

/// Stops in time, but its DEL is held on the way until the key is somebody else's.
fn late(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        actor.at(10_000).await;
        assert!(lease.is_valid());
        let _ = lease.release().await;
        // Comes back when the key, if it still was there, is the other's.
        actor.at(14_000).await;
        if let Ok(stolen) = actor.try_acquire().await {
            actor.at(15_000).await;
            drop(stolen);
        }
    }
    .boxed_local()
}

fn successor(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(10_000).await;
        let lease = actor.acquire().await;
        actor.at(16_000).await;
        let _ = lease.release().await;
    }
    .boxed_local()
}

const HELD_DEL: &str = "
[[fault]]
kind = 'hold'
from = 'client-1'
to = 'node-1'
direction = 'one_way'
start_ms = 9900
duration_ms = 3000
";

#[test]
fn a_blind_delete_that_comes_late_frees_the_next_holders_key() {
    for rule in [
        SingleRule::CheckThenSet,
        SingleRule::SetThenExpire,
        SingleRule::BlindDelete,
        SingleRule::OwnerChecked,
    ] {
        for seed in SEEDS {
            let told = play(world(rule, 17_000), HELD_DEL, seed, late, successor);
            let report = told.report();
            let blind = rule != SingleRule::OwnerChecked;
            let mut expected = vec!["client-1", "client-2"];
            expected.extend(blind.then_some("client-1"));
            assert_eq!(told.holders(), expected, "{rule:?}");
            assert_eq!(is_shared(&report), blind, "{rule:?}\n{report}");
            assert_eq!(is_meddled_with(&report), blind, "{rule:?}\n{report}");
            let changes = told.changes_of("node-1");
            let deleted_by_first = changes.iter().any(|(at, change, by)| {
                let deleted = matches!(
                    change,
                    NodeChange::Removed {
                        why: Removal::Deleted,
                        ..
                    }
                );
                deleted && *by == Some("client-1") && *at > 12_000 && *at < 14_000
            });
            assert_eq!(deleted_by_first, blind, "{rule:?} {changes:?}");
        }
    }
}

/// The reply is eleven seconds late, and the TTL counts from it.
const LATE_REPLY: &str = "
[[fault]]
kind = 'hold'
from = 'node-1'
to = 'client-1'
direction = 'one_way'
start_ms = 1001
duration_ms = 11000
";

#[test]
fn a_reply_that_comes_late_makes_two_holders() {
    for rule in [SingleRule::BlindDelete, SingleRule::OwnerChecked] {
        for seed in SEEDS {
            let mut config = world(rule, 20_000);
            // A driver that waits.
            config.single.as_mut().unwrap().node_timeout_ms = 60_000;
            let holding = |actor: Actor| {
                async move {
                    // The connection is there already when it matters.
                    drop(actor.try_acquire().await.unwrap().release().await);
                    actor.at(1_000).await;
                    let lease = actor.acquire().await;
                    actor.at(18_000).await;
                    drop(lease);
                }
                .boxed_local()
            };
            let told = play(config, LATE_REPLY, seed, holding, |actor| {
                async move {
                    actor.at(2_000).await;
                    let lease = actor.acquire().await;
                    actor.at(18_000).await;
                    drop(lease);
                }
                .boxed_local()
            });
            let report = told.report();
            assert!(is_shared(&report), "{rule:?}\n{report}");
            let margin = report.finding(Checker::ValidityBound);
            assert!(margin.verdict.is_violated(), "{rule:?}\n{report}");
        }
    }
}

/// CLOCK_MONOTONIC stands still while the machine sleeps, and the holder thinks that no time has passed.
const ASLEEP: &str = "
[[fault]]
kind = 'suspend'
target = 'client-1'
start_ms = 3000
duration_ms = 10000
";

#[test]
fn who_sleeps_wakes_up_believing() {
    for seed in SEEDS {
        let told = play(
            world(SingleRule::OwnerChecked, 20_000),
            ASLEEP,
            seed,
            |actor| {
                async move {
                    actor.at(1_000).await;
                    let lease = actor.acquire().await;
                    actor.at(14_000).await;
                    assert!(lease.is_valid());
                    lease.lost().await;
                }
                .boxed_local()
            },
            |actor| {
                async move {
                    actor.at(2_000).await;
                    let lease = actor.acquire().await;
                    actor.at(18_000).await;
                    lease.release().await.unwrap();
                }
                .boxed_local()
            },
        );
        assert!(is_shared(&told.report()));
    }
}
