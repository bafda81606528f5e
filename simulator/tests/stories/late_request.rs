//! A request arrives after the release.
//!
//! The holder's request to the fifth node is held in the network. The other four grant, the holder works and releases; only
//! then does the request arrive, and sets a key that nobody holds or awaits. Without more ado it would block that
//! node for a whole TTL; the release of an earlier attempt that arrives as late frees somebody else's lock where
//! owner tokens are not fresh for each attempt.
//!
//! The client sends a release behind every request that it got no answer to, on the same connection: it arrives after it.
//!
//! Source: issues of several clients (redlock-rb, redsync, node-redlock); the zombie key after a cancelled acquisition.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{
    TrueTime,
    checkers::Checker,
    history::{EventKind, NodeChange, Removal},
};

use super::stage::{Actor, SEEDS, Told, count, lease_of, play, usual};

const PLAN: &str = r#"
[[fault]]
kind = "hold"
from = "client-1"
to = "node-5"
direction = "one_way"
start_ms = 500
duration_ms = 4500
"#;

/// When the hold ends.
const ARRIVES: TrueTime = TrueTime::from_millis(5_000);

/// Done in a second.
fn brief(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        lease.write(value + 1).await.unwrap();
        actor.at(2_000).await;
        lease.release().await.unwrap();
    }
    .boxed_local()
}

/// Holds when the late request arrives, on all five nodes.
fn holding(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(3_000).await;
        work(&actor, 9_000).await;
    }
    .boxed_local()
}

/// Comes when the late request has arrived.
fn later(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(6_000).await;
        work(&actor, 9_000).await;
    }
    .boxed_local()
}

async fn work(actor: &Actor, until_ms: u64) {
    let lease = actor.acquire().await;
    let value = lease.read().await.unwrap();
    actor.at(until_ms).await;
    lease.write(value + 1).await.unwrap();
    lease.release().await.unwrap();
}

/// What happened on the fifth node to keys with the owner token of a client's first lease.
fn on_node_5<'a>(told: &'a Told, owner: &str) -> Vec<(TrueTime, &'a NodeChange)> {
    let mut changes = told.changes_of("node-5");
    changes.retain(|(_, change)| match change {
        NodeChange::Set { owner: of, .. } | NodeChange::Removed { owner: of, .. } => of == owner,
        _ => false,
    });
    changes
}

/// The request set the key, and the release that came with it deleted it: no TTL was waited for.
fn set_and_deleted_at(arrives: TrueTime, told: &Told, owner: &str) {
    let changes = on_node_5(told, owner);
    let [
        (set, NodeChange::Set { .. }),
        (gone, NodeChange::Removed { why, .. }),
    ] = changes[..]
    else {
        panic!("{changes:?}");
    };
    assert_eq!((set, gone, why), (arrives, arrives, &Removal::Deleted));
}

#[test]
fn the_late_key_is_released_right_behind_its_request() {
    for seed in SEEDS {
        let told = play(usual(16_000), PLAN, seed, brief, later);
        let report = told.verdicts(&[], &[]);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
        let truth = told.truth();
        let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
        assert!(first.window.end < ARRIVES && ARRIVES < second.invoked.at);
        set_and_deleted_at(ARRIVES, &told, first.owner.unwrap());
        // Nobody had to wait for it: the next holder has all five nodes.
        let held = truth.keys.of_owner(second.owner.unwrap(), None);
        assert_eq!(held.count(), 5);
    }
}

#[test]
fn nobody_elses_lock_is_freed() {
    for seed in SEEDS {
        let told = play(usual(16_000), PLAN, seed, brief, holding);
        told.verdicts(&[], &[]);
        let truth = told.truth();
        let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
        assert!(second.window.contains(ARRIVES));
        // The node was taken when the request arrived, so that it set nothing; the release behind it freed nothing.
        assert!(on_node_5(&told, first.owner.unwrap()).is_empty());
        let keys: Vec<_> = truth.keys.of_owner(second.owner.unwrap(), None).collect();
        assert_eq!(keys.len(), 5);
        for key in keys {
            assert!(key.held.last().unwrap().end >= second.window.end);
        }
        let of_others = told.history.events().iter().filter(|event| {
            matches!(
                &event.kind,
                EventKind::Node { by: Some(by), change: NodeChange::Removed { owner, .. } }
                    if **by == *"client-1" && Some(owner.as_str()) == second.owner
            )
        });
        assert_eq!(of_others.count(), 0);
    }
}

/// The same when the request arrives later than a TTL after it was sent, when nobody waits for its answer any more.
#[test]
fn a_request_that_arrives_after_the_ttl_leaves_nothing_either() {
    let plan = PLAN.replace("duration_ms = 4500", "duration_ms = 14500");
    for seed in SEEDS {
        let told = play(usual(16_000), &plan, seed, brief, holding);
        told.verdicts(&[], &[]);
        let truth = told.truth();
        let first = lease_of(&truth, "client-1");
        let arrives = TrueTime::from_millis(15_000);
        set_and_deleted_at(arrives, &told, first.owner.unwrap());
    }
}
