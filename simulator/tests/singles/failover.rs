//! A master, its asynchronous replica, and somebody who promotes it.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{
    checkers::Checker,
    contender::SingleRule,
    history::{EventKind, NodeChange, Removal},
    world::WorldConfig,
};

use super::stage::{Actor, SEEDS, Told, is_meddled_with, is_shared, ms, play, world};

/// The same world with a replica, `node-2`, as far from its master as everybody is.
fn replicated(rule: SingleRule, length_ms: u64) -> WorldConfig {
    let mut config = world(rule, length_ms);
    config.nodes = 2;
    config.single.as_mut().unwrap().replica = true;
    config
}

/// When a node began to vote, and when it ceased to, in milliseconds.
fn votes(told: &Told, node: &str) -> Vec<(u64, bool)> {
    let events = told.history.events().iter();
    events
        .filter_map(|event| match &event.kind {
            EventKind::Node {
                change: NodeChange::Votes { votes },
                ..
            } if *event.host == *node => Some((ms(event.at), *votes)),
            _ => None,
        })
        .collect()
}

/// Holds it from the first second until the eighth.
fn holder(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        actor.at(8_000).await;
        assert!(lease.is_valid());
        let _ = lease.release().await;
    }
    .boxed_local()
}

/// Wants it from the second second on, and holds it until the tenth.
fn next(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(2_000).await;
        let lease = actor.acquire().await;
        actor.at(10_000).await;
        let _ = lease.release().await;
    }
    .boxed_local()
}

#[test]
fn a_replica_has_what_its_master_has_a_moment_later_and_votes_for_nobody() {
    let told = play(
        replicated(SingleRule::OwnerChecked, 12_000),
        "",
        1,
        holder,
        next,
    );
    assert_eq!(told.holders(), ["client-1", "client-2"]);
    let report = told.report();
    assert!(!is_shared(&report) && !is_meddled_with(&report), "{report}");
    let (master, replica) = (told.changes_of("node-1"), told.changes_of("node-2"));
    assert_eq!(master.len(), replica.len(), "{master:?}\n{replica:?}");
    for ((at, change, by), (later, same, nobody)) in master.iter().zip(&replica) {
        assert_eq!((change, *nobody), (same, None));
        assert!(by.is_some() && *later == at + 1, "{master:?}\n{replica:?}");
    }
    assert_eq!(votes(&told, "node-2"), [(0, false)]);
    // Nobody but the master could have granted it, so each lease was protected as with one server.
    let margins = report.margins.iter();
    assert_eq!(margins.filter(|margin| margin.is_unsafe()).count(), 0);
}

/// The grant is still on its way to the replica when that is promoted; the master died for good.
const LOST: &str = "
[[fault]]
kind = 'hold'
from = 'node-1'
to = 'node-2'
direction = 'one_way'
start_ms = 900
duration_ms = 2600

[[fault]]
kind = 'power_loss'
target = 'node-1'
start_ms = 1400

[[fault]]
kind = 'failover'
target = 'node-2'
start_ms = 3000
";

#[test]
fn a_failover_before_the_grant_was_replicated_makes_two_holders() {
    for seed in SEEDS {
        let told = play(
            replicated(SingleRule::OwnerChecked, 12_000),
            LOST,
            seed,
            holder,
            next,
        );
        assert_eq!(told.holders(), ["client-1", "client-2"]);
        let (_, got) = told.leases()[1].clone();
        assert!((3_000..4_000).contains(&got), "{got}");
        let report = told.report();
        assert!(is_shared(&report), "{report}");
        // The margin says when it was over: with the promotion.
        let margin = &report.margins[0];
        assert_eq!(ms(margin.protected_until_ns), 3_000, "{margin:?}");
        assert!(report.finding(Checker::ValidityBound).verdict.is_violated());
        assert_eq!(votes(&told, "node-2"), [(0, false), (3_000, true)]);
    }
}

/// The same death and promotion, when the replica has it already.
const KEPT: &str = "
[[fault]]
kind = 'power_loss'
target = 'node-1'
start_ms = 1400

[[fault]]
kind = 'failover'
target = 'node-2'
start_ms = 3000
";

#[test]
fn a_failover_after_it_was_replicated_keeps_the_lock_for_its_ttl() {
    for seed in SEEDS {
        let told = play(
            replicated(SingleRule::OwnerChecked, 12_000),
            KEPT,
            seed,
            holder,
            next,
        );
        assert_eq!(told.holders(), ["client-1", "client-2"]);
        let (_, got) = told.leases()[1].clone();
        // The release went to the master that its client knew, who is dead.
        assert!((11_000..11_100).contains(&got), "{got}");
        assert!(!is_shared(&told.report()));
    }
}

/// A single server without a disk forgets at its restart: what a replica is bought for, and no other hazard than its own.
#[test]
fn without_a_replica_a_dead_server_serves_nobody() {
    let dead = "
[[fault]]
kind = 'power_loss'
target = 'node-1'
start_ms = 1400
";
    for seed in SEEDS {
        let told = play(
            world(SingleRule::OwnerChecked, 9_000),
            dead,
            seed,
            holder,
            next,
        );
        assert!(!is_shared(&told.report()));
        let (_, got) = told.leases()[1].clone();
        assert!(got >= 9_000, "{got}");
    }
}

/// Master and first client on one side, replica and second client on the other; the replica is promoted there.
const SPLIT: &str = "
[[fault]]
kind = 'cut'
from = ['node-1', 'client-1']
to = ['node-2', 'client-2']
start_ms = 2500
duration_ms = 7000

[[fault]]
kind = 'failover'
target = 'node-2'
start_ms = 3000
";

/// Takes and gives back on its side of the split, and once more when it is healed.
fn on_a_side(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        for (from, to) in [(4_000, 6_000), (7_000, 8_000)] {
            actor.at(from).await;
            let lease = actor.acquire().await;
            actor.at(to).await;
            lease.release().await.unwrap();
        }
        actor.at(14_000).await;
        let lease = actor.acquire().await;
        actor.at(15_000).await;
        lease.release().await.unwrap();
    }
    .boxed_local()
}

#[test]
fn on_both_sides_of_a_split_there_is_a_master() {
    for seed in SEEDS {
        let config = replicated(SingleRule::OwnerChecked, 17_000);
        let told = play(config, SPLIT, seed, on_a_side, on_a_side);
        assert!(is_shared(&told.report()));
        let during = |client: &str| {
            let leases = told.leases().into_iter();
            leases
                .filter(|(who, at)| who == client && *at < 9_000)
                .count()
        };
        assert_eq!((during("client-1"), during("client-2")), (2, 2));
        // They reach each other at 9.5 s: the old master follows the new one, and forgets what it granted.
        let [(0, true), (demoted, false)] = *votes(&told, "node-1") else {
            panic!("{:?}", votes(&told, "node-1"));
        };
        assert!((9_500..13_000).contains(&demoted), "{demoted}");
        let late: Vec<_> = told
            .leases()
            .into_iter()
            .filter(|(_, at)| *at > 13_000)
            .collect();
        assert_eq!(late.len(), 2, "{late:?}");
        assert!(late[1].1 >= late[0].1 + 500, "{late:?}");
    }
}

/// Without a Sentinel that tells it, the old master stays one; whoever reaches both prefers the new one.
#[test]
fn an_old_master_that_is_left_alone_stays_master_for_who_reaches_no_other() {
    const LEFT: &str = "
[[fault]]
kind = 'cut'
from = 'client-1'
to = 'node-2'
start_ms = 1900

[[fault]]
kind = 'failover'
target = 'node-2'
repoint = false
start_ms = 2500
";
    fn once(actor: Actor) -> LocalBoxFuture<'static, ()> {
        async move {
            actor.at(3_000).await;
            let lease = actor.acquire().await;
            actor.at(5_000).await;
            lease.release().await.unwrap();
        }
        .boxed_local()
    }
    for seed in SEEDS {
        let told = play(
            replicated(SingleRule::OwnerChecked, 7_000),
            LEFT,
            seed,
            once,
            once,
        );
        assert!(is_shared(&told.report()));
        assert_eq!(votes(&told, "node-1"), [(0, true)]);
        let sets = |node: &str| -> Vec<Option<String>> {
            let changes = told.changes_of(node);
            let sets = changes
                .iter()
                .filter(|(_, change, _)| matches!(change, NodeChange::Set { .. }));
            sets.map(|(.., by)| by.map(str::to_owned)).collect()
        };
        assert_eq!(sets("node-1"), [Some("client-1".to_owned())]);
        assert_eq!(sets("node-2"), [Some("client-2".to_owned())]);
    }
}

/// A replica never deletes by its own clock: a key that its master's slow clock keeps is there, and a read of it says no.
#[test]
fn expiry_is_the_masters_business() {
    // The replica's clock runs a second ahead.
    const AHEAD: &str = "
[[fault]]
kind = 'clock_step'
target = 'node-2'
clocks = 'wall'
by_ms = 1000
start_ms = 500
";
    fn forgetful(actor: Actor) -> LocalBoxFuture<'static, ()> {
        async move {
            actor.at(1_000).await;
            drop(actor.acquire().await);
        }
        .boxed_local()
    }
    fn nobody(_: Actor) -> LocalBoxFuture<'static, ()> {
        async {}.boxed_local()
    }
    let config = replicated(SingleRule::OwnerChecked, 14_000);
    let told = play(config, AHEAD, 1, forgetful, nobody);
    let removed = |node: &str| -> Vec<(u64, Removal)> {
        let changes = told.changes_of(node).into_iter();
        changes
            .filter_map(|(at, change, _)| match change {
                NodeChange::Removed { why, .. } => Some((at, *why)),
                _ => None,
            })
            .collect()
    };
    let ([(first, Removal::Expired)], [(second, Removal::Expired)]) =
        (&*removed("node-1"), &*removed("node-2"))
    else {
        panic!("{:?} {:?}", removed("node-1"), removed("node-2"));
    };
    assert!(*first > 11_000 && *second == first + 1, "{first} {second}");
}
