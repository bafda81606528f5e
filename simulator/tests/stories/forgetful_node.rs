//! A node restarts and has forgotten its keys.
//!
//! The first holder has the keys of three nodes of five. One of these dies and comes back a second later with an empty disk,
//! long before the lease is over: nothing on it speaks against a second holder, who has the other two nodes as well.
//! With the restart guard the node does not vote until every lease that it may have granted is over: `max_ttl` from the moment
//! when the first client saw it again.
//!
//! Source: Redis, "Distributed Locks", on crash recovery and delayed restarts, which the documentation leaves to people with a
//! pager; here the client does it.

use std::time::Duration;

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{
    checkers::Checker,
    history::{NodeChange, Removal},
};

use super::stage::{Actor, RESOURCE, SEEDS, TTL, Told, count, evidence, lease_of, play, usual};

/// The first holder does not reach two of the nodes, as long as it holds.
const CUT: &str = r#"
[[fault]]
kind = "cut"
from = "client-1"
to = ["node-4", "node-5"]
start_ms = 500
duration_ms = 13000
"#;

const CRASH: &str = r#"
[[fault]]
kind = "crash"
target = "node-3"
lose_data = true
start_ms = 2000
duration_ms = 1000
"#;

/// Holds for 7 s, and writes near the end.
fn first(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        actor.at(7_000).await;
        assert!(lease.is_valid());
        // Whether the store takes it is what the story is about.
        let _ = lease.write(value + 1).await;
        actor.at(8_000).await;
        let _ = lease.release().await;
    }
    .boxed_local()
}

/// Comes right after the restart; when it has done its work it goes on, a little every half second.
fn second(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(3_100).await;
        let lease = actor.acquire().await;
        let value = lease.read().await.unwrap();
        lease.write(value + 1).await.unwrap();
        lease.release().await.unwrap();
        for ms in (13_000..17_000).step_by(500) {
            actor.at(ms).await;
            let brief = actor.0.acquire(RESOURCE, Duration::from_millis(300)).await;
            brief.unwrap().release().await.unwrap();
        }
    }
    .boxed_local()
}

fn told(seed: u64, plan: &str, guard: bool) -> Told {
    let mut config = usual(18_000);
    config.redlock.restart_guard = guard;
    let told = play(config, plan, seed, first, second);
    // The node did hold the first holder's key, and lost it.
    let truth = told.truth();
    let owner = lease_of(&truth, "client-1").owner.unwrap();
    let lost = told.changes_of("node-3").into_iter().any(|(_, change)| {
        matches!(change, NodeChange::Removed { owner: of, why: Removal::Lost, .. } if of == owner)
    });
    assert!(lost);
    told
}

#[test]
fn with_the_guard_it_does_not_vote_until_every_lease_is_over() {
    for seed in SEEDS {
        let told = told(seed, &[CUT, CRASH].concat(), true);
        let report = told.verdicts(&[], &[]);
        let truth = told.truth();
        let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
        assert!(first.window.end <= second.window.start);
        assert_eq!(count(&report, Checker::EffectOrder, "lost_updates"), 0);
        let mut votes = told.changes_of("node-3");
        votes.retain(|(_, change)| matches!(change, NodeChange::Votes { .. }));
        let [
            ..,
            (left, NodeChange::Votes { votes: false }),
            (back, NodeChange::Votes { votes: true }),
        ] = votes[..]
        else {
            panic!("{votes:?}");
        };
        // It went as it died. When it was back a client that had lost its connection saw it within a second, and from then on
        // it took the largest TTL and what clocks may be wrong; the next acquisition after that found it ready.
        assert_eq!(left.since_start(), Duration::from_secs(2));
        let away = back.since(left);
        assert!(away >= Duration::from_secs(1) + TTL, "{away:?}");
        assert!(away < Duration::from_secs(3) + TTL, "{away:?}");
    }
}

#[test]
fn without_the_guard_there_are_two_holders() {
    for seed in SEEDS {
        let told = told(seed, &[CUT, CRASH].concat(), false);
        let violated = [
            Checker::WindowExclusion,
            Checker::BeliefOverlap,
            Checker::ValidityBound,
            Checker::LinearizableMutex,
        ];
        let report = told.verdicts(&violated, &[]);
        for checker in violated {
            let broken = &evidence(&report, checker).broken;
            assert!(
                broken.iter().any(
                    |broken| broken.to_string().starts_with("forgetful_voters: ")
                        && broken.how.contains("node-3")
                ),
                "{broken:?}"
            );
        }
        // The first holder's write came second, and the store refused it: tokens do not rest on this node's memory alone.
        assert_eq!(
            told.store(),
            [
                "client-1 read 0",
                "client-2 read 0",
                "client-2 wrote 1",
                "client-1 refused"
            ]
        );
    }
}

/// The other four nodes remember: exclusion survives as many forgetful nodes as the lease has slack.
#[test]
fn without_the_guard_and_with_five_keys_there_is_one() {
    for seed in SEEDS {
        let told = told(seed, CRASH, false);
        told.verdicts(&[], &[]);
        let truth = told.truth();
        let (first, second) = (lease_of(&truth, "client-1"), lease_of(&truth, "client-2"));
        assert!(first.window.end < second.window.start);
        assert!(first.window.contains(second.invoked.at));
    }
}
