//! Intervals: deadlines and expiries through clocks, and what restarts and steps do to keys.

use simulator::{
    clock::ClockName,
    history::Removal,
    redis::ExpiryRule,
    truth::{Interval, Intervals, WindowEnd},
};

use crate::story::{Story, ms};

fn between(start: u64, end: u64) -> Interval {
    Interval::new(ms(start), ms(end))
}

fn protection(story: &Story) -> Intervals {
    story.truth(|truth| truth.leases[0].hold.clone().unwrap().protection)
}

fn quorum(story: &Story) -> Intervals {
    story.truth(|truth| truth.leases[0].hold.clone().unwrap().quorum)
}

fn only(interval: Interval) -> Intervals {
    Intervals::union([interval])
}

#[test]
fn keys_live_through_the_millisecond_of_their_expiry_or_up_to_it() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    assert_eq!(quorum(&story), only(between(1, 10_002)));
    story.facts.expiry = ExpiryRule::At;
    assert_eq!(quorum(&story), only(between(1, 10_001)));
}

#[test]
fn a_fast_node_expires_early_in_true_time() {
    let mut story = Story::new(1);
    story.drift("node-1", ClockName::Wall, 0, 250_000);
    story.acquire("A1", 0..=0);
    story.facts.expiry = ExpiryRule::At;
    assert_eq!(quorum(&story), only(between(0, 8_000)));
}

#[test]
fn the_deadline_is_the_clock_that_counts_fastest() {
    let window = |clock, ppm| {
        let mut story = Story::new(3);
        story.drift("A", clock, 0, ppm);
        story.acquire("A1", 0..=2).valid(5_000);
        story.truth(|truth| truth.leases[0].window)
    };
    assert_eq!(window(ClockName::Raw, -500_000), between(2, 5_000));
    assert_eq!(window(ClockName::Raw, 250_000), between(2, 4_000));
    assert_eq!(
        window(ClockName::Monotonic, 250_000),
        between(2, 5_000),
        "not looked at"
    );
}

#[test]
fn a_wall_clock_that_steps_ends_the_lease_at_the_step() {
    let mut story = Story::new(3);
    story.step("A", ClockName::Wall, 3_000, 3_600_000);
    story.step("A", ClockName::Wall, 3_001, -3_600_000);
    story.acquire("A1", 0..=2);
    story.truth(|truth| {
        assert_eq!(truth.leases[0].window, between(2, 3_000));
        assert!(matches!(truth.leases[0].ended, WindowEnd::Deadline(_)));
    });
}

/// What a clock showed between the reading and the announcement was not seen.
#[test]
fn a_step_that_was_undone_before_the_announcement_does_not_count() {
    let mut story = Story::new(3);
    story.step("A", ClockName::Wall, 1, 3_600_000);
    story.step("A", ClockName::Wall, 2, -3_600_000);
    story.acquire("A1", 0..=3);
    story.truth(|truth| assert_eq!(truth.leases[0].window, between(3, 9_900)));
}

#[test]
fn a_step_back_gives_an_expired_key_back_unless_the_server_had_noticed() {
    let mut story = Story::new(1);
    story.step("node-1", ClockName::Wall, 12_000, -5_000);
    story.acquire("A1", 0..=0);
    // Expired at 10.001; at 12.000 the clock shows 7.000 again.
    let twice = Intervals::union([between(0, 10_001), between(12_000, 15_001)]);
    assert_eq!(quorum(&story), twice);
    assert_eq!(protection(&story), twice);
    story.removes(1, 11_000, "A1", Removal::Expired, None);
    assert_eq!(
        quorum(&story),
        only(between(0, 10_001)),
        "noticed later, gone since"
    );
    // The margin looks at the first gap.
    let margin = story.truth(|truth| truth.margins()[0].protected_until_ns);
    assert_eq!(margin, ms(10_001));
}

#[test]
fn a_late_notice_of_expiry_does_not_prolong_a_key_and_an_early_removal_ends_it() {
    let mut story = Story::new(1);
    story.acquire("A1", 0..=0);
    story.removes(1, 10_090, "A1", Removal::Expired, None);
    assert_eq!(quorum(&story), only(between(0, 10_001)));
    let mut story = Story::new(1);
    story.acquire("A1", 0..=0);
    story.removes(1, 700, "A1", Removal::Evicted, None);
    assert_eq!(quorum(&story), only(between(0, 700)));
}

#[test]
fn protection_needs_n_minus_q_plus_one_nodes_and_quorum_q() {
    // N = 4, q = 3: two nodes that hold the key leave only two to others.
    let mut story = Story::new(4);
    story.acquire("A1", 0..=0).on(&[1, 2]);
    assert_eq!(protection(&story), only(between(0, 10_001)));
    assert!(quorum(&story).is_empty());
}

#[test]
fn a_node_that_is_down_or_voteless_protects_but_is_no_quorum_without_its_key() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=0).on(&[1, 2]);
    story.removes(2, 100, "A1", Removal::Flushed, None);
    story.votes(2, 200, false);
    story.votes(2, 300, true);
    story.crash("node-2", 400, false);
    story.start("node-2", 500);
    let expected = [between(0, 100), between(200, 300), between(400, 500)];
    assert_eq!(protection(&story), Intervals::union(expected));
    assert_eq!(quorum(&story), only(between(0, 100)));
}

#[test]
fn a_key_survives_a_crash_that_kept_the_disk_and_not_one_that_did_not() {
    for (data_lost, expected) in [(false, 10_001), (true, 400)] {
        let mut story = Story::new(1);
        story.acquire("A1", 0..=0);
        story.crash("node-1", 400, data_lost);
        story.start("node-1", 500);
        assert_eq!(quorum(&story), only(between(0, expected)));
        let end = if data_lost { 500 } else { 10_001 };
        assert_eq!(protection(&story), only(between(0, end)), "down until 500");
    }
}

/// A pause may end at any instant, and the node would vote at once.
#[test]
fn a_paused_node_does_not_protect() {
    let mut story = Story::new(1);
    story.acquire("A1", 0..=0);
    story.pause("node-1", 9_000..=20_000);
    assert_eq!(protection(&story), only(between(0, 10_001)));
}

#[test]
fn an_extension_joins_the_tenures_and_another_owner_ends_them() {
    let mut story = Story::new(1);
    story.acquire("A1", 0..=0);
    story.extend("A1", 5_000..=5_000, &[1]);
    assert_eq!(quorum(&story), only(between(0, 15_001)));
    story.sets(1, 6_000, "B1", Some("B"));
    story.removes(1, 6_000, "A1", Removal::Overwritten, Some("B"));
    assert_eq!(quorum(&story), only(between(0, 6_000)));
    let b = story.truth(|truth| {
        truth
            .keys
            .of_owner("owner-B1", None)
            .next()
            .unwrap()
            .held
            .clone()
    });
    assert_eq!(
        b,
        [between(6_000, 16_001)],
        "whichever of the two is told first"
    );
}

#[test]
fn the_winning_attempt_starts_with_the_first_key_or_with_the_invocation() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=50).set_at(40);
    story.acquire("B1", 60..=90).keyless();
    let started = story.truth(|truth| {
        let started = truth.leases.iter().map(|lease| lease.started.at);
        started.collect::<Vec<_>>()
    });
    assert_eq!(started, [ms(40), ms(60)]);
}

#[test]
fn only_the_lock_key_of_the_resource_counts_when_it_is_known() {
    let mut story = Story::new(1);
    story.acquire("A1", 0..=0);
    story
        .facts
        .lock_keys
        .insert("r".to_owned(), "lock:other".to_owned());
    assert!(quorum(&story).is_empty());
    story
        .facts
        .lock_keys
        .insert("r".to_owned(), "lock:r".to_owned());
    assert!(!quorum(&story).is_empty());
}

#[test]
fn effects_last_from_the_client_to_the_store() {
    let mut story = Story::new(1);
    story.acquire("A1", 0..=0).token(1);
    story.write("A1", 10, 90);
    story.refused("A1", 20, 95, 2);
    story.truth(|truth| {
        let told: Vec<_> = truth
            .accesses
            .iter()
            .map(|access| (access.effect(), access.is_applied()))
            .collect();
        assert_eq!(told, [(between(10, 90), true), (between(20, 95), false)]);
    });
}
