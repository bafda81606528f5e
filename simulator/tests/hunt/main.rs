//! What a search says of the client as it is, within its assumptions: nothing.
//!
//! `REDLOCK_PLANS` sets how many plans of each profile are run; the default is what CI has time for.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::num::NonZeroUsize;

use simulator::{
    hunt::{Hunt, Hunted, Tally, Where, hunt},
    plan::draw::Profile,
    truth::Goal,
};

fn plans(usual: u64) -> u64 {
    std::env::var("REDLOCK_PLANS").map_or(usual, |plans| plans.parse().unwrap())
}

fn search(profile: &str, usual: u64, region: Where) -> Hunted {
    hunt(&Hunt {
        profile: Profile::named(profile).unwrap(),
        seeds: 0..plans(usual),
        region,
        planted: None,
        threads: NonZeroUsize::new(2).unwrap(),
        stops_early: false,
        steers: false,
    })
}

fn nothing_is_found(profile: &str, usual: u64) -> Hunted {
    let hunted = search(profile, usual, Where::Within);
    let told: Vec<_> = hunted
        .found
        .iter()
        .map(simulator::hunt::Found::story)
        .collect();
    assert!(told.is_empty(), "{profile}:\n{}", told.join("\n"));
    hunted
}

/// Nothing is found by any published profile. Contention, expiry under a pause, restarts inside a TTL, late grants, split votes, lost
/// replies, publications and quarantines: a search that saw none of them would say nothing.
#[test]
fn nothing_is_found_and_the_search_saw_what_it_is_about() {
    let mut tally = Tally::default();
    for profile in Profile::NAMES {
        tally.join(&nothing_is_found(profile, 24).tally);
    }
    for goal in [
        Goal::ExpiryWhilePaused,
        Goal::RestartInsideTtl,
        Goal::LateGrant,
        Goal::SplitVote,
        Goal::LostReply,
        Goal::PublishRound,
        Goal::Quarantine,
    ] {
        assert!(tally.percent(goal) >= 2, "{goal:?}:\n{tally}");
    }
    assert!(tally.percent(Goal::Contention) >= 60, "{tally}");
    assert!(tally.median_windows() >= 3, "{tally}");
    assert!(tally.under_fault * 3 >= tally.acquired, "{tally}");
    for (checker, plans) in &tally.undecided {
        assert!(
            plans * 20 <= tally.plans,
            "{checker} can hardly tell:\n{tally}"
        );
    }
}

#[test]
fn nothing_is_found_in_a_tight_cluster() {
    nothing_is_found("tight", 128);
}

#[test]
fn nothing_is_found_where_answers_are_late() {
    let tally = nothing_is_found("late", 48).tally;
    assert!(tally.percent(Goal::LateGrant) >= 40, "{tally}");
}

/// Fencing tokens and owners rest on no clock.
#[test]
fn whatever_clocks_do_tokens_grow_and_owners_are_respected() {
    for profile in ["late", "process_and_memory"] {
        let hunted = search(profile, 24, Where::AnyClocks);
        let told: Vec<_> = hunted
            .found
            .iter()
            .map(simulator::hunt::Found::story)
            .collect();
        assert!(told.is_empty(), "{profile}:\n{}", told.join("\n"));
    }
}

/// What is found does not depend on the number of threads, nor does steering.
#[test]
fn the_same_search_finds_the_same() {
    let steered = |threads, steers| {
        hunt(&Hunt {
            profile: Profile::named("tight").unwrap(),
            seeds: 500..564,
            region: Where::Anywhere,
            planted: None,
            threads: NonZeroUsize::new(threads).unwrap(),
            stops_early: false,
            steers,
        })
    };
    for steers in [false, true] {
        let (one, three) = (steered(1, steers), steered(3, steers));
        assert_eq!(one.tally, three.tally);
        let found = |hunted: &Hunted| {
            hunted
                .found
                .iter()
                .map(|found| found.case.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&one), found(&three));
    }
    assert_ne!(
        steered(1, false).tally,
        steered(1, true).tally,
        "steering draws other plans"
    );
}
