//! What the rules have in common.

use futures::{FutureExt as _, future::LocalBoxFuture};
use simulator::{
    checkers::Checker,
    contender::{Refusal, SingleRule},
    history::NodeChange,
};

use super::stage::{Actor, Part, SEEDS, TTL, is_meddled_with, is_shared, is_unknown, play, world};

fn idle(_: Actor) -> LocalBoxFuture<'static, ()> {
    async {}.boxed_local()
}

/// Every rule but the one that is none.
fn locks() -> impl Iterator<Item = SingleRule> {
    let rules = SingleRule::ALL.into_iter();
    rules.filter(|rule| *rule != SingleRule::BlindSet)
}

/// Holds it for three seconds from the first on, and releases.
fn holder(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        assert!(lease.is_valid());
        actor.at(4_000).await;
        lease.release().await.unwrap();
        assert!(!lease.is_valid());
    }
    .boxed_local()
}

/// Tries when it is taken, and then waits.
fn waiter(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(2_000).await;
        let refused = actor.try_acquire().await.err().unwrap();
        assert!(matches!(refused, Refusal::Fail(_)), "{refused:?}");
        actor.acquire().await.release().await.unwrap();
    }
    .boxed_local()
}

#[test]
fn it_is_acquired_excludes_and_is_released() {
    for rule in locks() {
        for seed in SEEDS {
            let told = play(world(rule, 6_000), "", seed, holder, waiter);
            assert_eq!(told.holders(), ["client-1", "client-2"], "{rule:?}");
            let (_, got) = told.leases()[1].clone();
            assert!((4_000..4_100).contains(&got), "{rule:?} {got}");
            let report = told.report();
            assert!(!is_shared(&report), "{rule:?}\n{report}");
            // Without an owner token in the key nobody can say how long it protected.
            assert_eq!(
                is_unknown(&report, Checker::ValidityBound),
                !rule.has_owner_token(),
                "{rule:?}\n{report}"
            );
            // Who comes extends the key of who is there, whatever else is right.
            let meddles = rule == SingleRule::ExpireThenSet;
            assert_eq!(is_meddled_with(&report), meddles, "{rule:?}\n{report}");
        }
    }
}

/// Holds it and says nothing more.
fn forgetful(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        lease.lost().await;
        assert!(!lease.is_valid());
        let now = actor.0.process().true_time();
        assert!(now >= simulator::TrueTime::from_millis(11_000));
        std::future::pending::<()>().await;
    }
    .boxed_local()
}

fn patient(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(2_000).await;
        drop(actor.acquire().await);
    }
    .boxed_local()
}

#[test]
fn a_lease_that_nobody_releases_ends_with_its_ttl() {
    for rule in locks() {
        let told = play(world(rule, 14_000), "", 1, forgetful, patient);
        let (client, got) = told.leases()[1].clone();
        // Whoever comes at 2 s and extends the key waits for it.
        let expected = if rule == SingleRule::ExpireThenSet {
            12_000
        } else {
            11_000
        };
        let soon = expected..expected + 100;
        assert!(
            client == "client-2" && soon.contains(&got),
            "{rule:?} {got}"
        );
    }
}

/// Renews for 25 s, which is two TTLs and a half.
fn renewing(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        lease.keep_renewed();
        actor.at(26_000).await;
        assert!(lease.is_valid());
        lease.release().await.unwrap();
    }
    .boxed_local()
}

#[test]
fn a_watchdog_keeps_it() {
    for rule in locks() {
        let told = play(world(rule, 28_000), "", 1, renewing, patient);
        let (client, got) = told.leases()[1].clone();
        assert_eq!(client, "client-2", "{rule:?}");
        assert!((26_000..26_100).contains(&got), "{rule:?} {got}");
        assert!(!is_shared(&told.report()), "{rule:?}");
    }
}

/// Extends by hand, to less and to more.
fn extending(actor: Actor) -> LocalBoxFuture<'static, ()> {
    async move {
        actor.at(1_000).await;
        let lease = actor.acquire().await;
        actor.at(9_000).await;
        lease.extend(TTL).await.unwrap();
        actor.at(18_000).await;
        assert!(lease.is_valid());
        lease.extend(TTL / 10).await.unwrap();
        lease.lost().await;
        let refused = lease.extend(TTL).await;
        assert!(matches!(refused, Err(Refusal::Fail(_))), "{refused:?}");
    }
    .boxed_local()
}

#[test]
fn it_is_extended_to_the_ttl_that_is_asked_for() {
    for rule in locks() {
        let told = play(world(rule, 21_000), "", 1, extending, patient);
        let (_, got) = told.leases()[1].clone();
        assert!((19_000..19_100).contains(&got), "{rule:?} {got}");
    }
}

/// What no rule does: SET alone asks nobody.
#[test]
fn a_blind_set_excludes_nobody() {
    let second: Part = |actor| {
        async move {
            actor.at(2_000).await;
            let lease = actor.try_acquire().await.unwrap();
            actor.at(5_000).await;
            // The first has deleted it meanwhile.
            assert!(lease.release().await.is_err());
        }
        .boxed_local()
    };
    let told = play(world(SingleRule::BlindSet, 6_000), "", 1, holder, second);
    let report = told.report();
    assert!(is_shared(&report) && is_meddled_with(&report), "{report}");
}

/// The value in the key is another in every acquisition, or the same in all of a client.
#[test]
fn values_are_what_the_rules_say() {
    let twice: Part = |actor| {
        async move {
            for _ in 0..2 {
                actor.acquire().await.release().await.unwrap();
            }
        }
        .boxed_local()
    };
    for rule in SingleRule::ALL {
        let told = play(world(rule, 1_000), "", 1, twice, idle);
        let changes = told.changes_of("node-1");
        let values: Vec<_> = changes
            .iter()
            .filter_map(|(_, change, _)| match change {
                NodeChange::Set { key, owner, .. } if key == "lock:r1" => Some(owner),
                _ => None,
            })
            .collect();
        // SETNX and EXPIRE are two changes.
        let (first, last) = (values[0], values[values.len() - 1]);
        assert_eq!(first != last, rule.has_owner_token(), "{rule:?}");
        let truth = told.truth();
        let owners = truth.leases.iter().filter_map(|lease| lease.owner);
        assert_eq!(owners.count() == 2, rule.has_owner_token(), "{rule:?}");
    }
}
