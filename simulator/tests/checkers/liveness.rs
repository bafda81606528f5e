//! Liveness.

use simulator::checkers::Checker;

use crate::story::{EPOCH_MS, Story};

const LIVE: Checker = Checker::Liveness;

fn healed() -> Story {
    let mut story = Story::new(3);
    story.facts.progress.acquire_within_ms = 5_000;
    story.facts.progress.wait_at_most_ms = 3_000;
    story.healed(1_000);
    story
}

#[test]
fn somebody_must_acquire_in_time() {
    let mut story = healed();
    story.fails("A1", 900..=1_500);
    story.acquire("A2", 1_600..=6_000);
    story.ends(20_000);
    assert_eq!(story.says(LIVE), "ok", "at the last instant");
    let mut story = healed();
    story.fails("A1", 900..=1_500);
    story.acquire("A2", 1_600..=6_001);
    story.ends(20_000);
    assert_eq!(
        story.says(LIVE),
        "violated at 6.000 s: nobody acquired \"r\" from 1.000 s to 6.000 s, although all faults were over at 1.000 s and A tried"
    );
}

#[test]
fn a_history_that_does_not_tell_is_unknown() {
    let mut story = healed();
    story.ends(20_000);
    assert_eq!(
        story.says(LIVE),
        "unknown: nobody tried to acquire after the heal"
    );
    story.fails("A1", 1_600..=1_700);
    story.acquire("A2", 15_000..=15_001);
    assert!(story.verdict(LIVE).is_violated());
    let mut story = healed();
    story.fails("A1", 1_600..=1_700);
    assert!(
        story
            .says(LIVE)
            .starts_with("unknown: the history ends before")
    );
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    assert_eq!(story.says(LIVE), "unknown: the world never healed");
}

#[test]
fn time_counts_from_the_end_of_a_lease_that_lasts_over_the_heal() {
    // A holds until 9.900.
    let with = |acquired: u64, ends: u64| {
        let mut story = healed();
        story.facts.progress.wait_at_most_ms = 100_000;
        story.acquire("A1", 0..=2);
        story.acquire("B1", 2_000..=acquired);
        story.ends(ends);
        story.says(LIVE)
    };
    assert_eq!(with(14_900, 20_000), "ok");
    assert!(
        with(14_901, 20_000)
            .starts_with("violated at 14.900 s: nobody acquired \"r\" from 9.900 s")
    );
    let mut story = healed();
    story.acquire("A1", 0..=2).endless();
    story.tries("B1", 2_000);
    story.ends(20_000);
    assert!(
        story
            .says(LIVE)
            .starts_with("unknown: the history ends before")
    );
}

#[test]
fn a_wait_as_long_as_the_bound_is_fine_and_ends_when_the_waiter_gives_up() {
    let with = |until: u64, again: u64| {
        let mut story = healed();
        story.acquire("A1", 1_000..=1_001);
        story.release("A1", 1_002);
        story.acquire("A2", 2_000..=2_001);
        story.fails("B1", 1_100..=until);
        story.fails("B2", again..=again + 10);
        story.verdict(LIVE).is_violated()
    };
    assert!(!with(4_100, 40_000));
    assert!(with(4_101, 40_000));
    assert!(
        !with(3_000, 13_001),
        "it did something else for more than a TTL"
    );
    assert!(with(3_000, 13_000), "it came back within one");
}

#[test]
fn a_waiter_that_starves_is_found_and_one_that_gave_up_is_not() {
    let turns = |story: &mut Story| {
        for turn in 0..5 {
            let at = 1_000 + turn * 1_000;
            let lease = format!("A{turn}");
            story.acquire(&lease, at..=at + 2);
            story.release(&lease, at + 900);
        }
    };
    let mut story = healed();
    turns(&mut story);
    for turn in 0..8 {
        let at = 1_100 + turn * 500;
        story.fails(&format!("B{turn}"), at..=at + 400);
    }
    let report = story.report();
    let says = report.finding(LIVE).verdict.to_string();
    assert!(
        says.starts_with("violated at 4.100 s: B tried to acquire \"r\" from 1.100 s to 5.000 s without success, while others acquired it 3 times"),
        "{says}"
    );
    assert_eq!(report.finding(LIVE).counts["longest_wait_ms"], 3_900);
    let mut story = healed();
    turns(&mut story);
    story.fails("B1", 1_100..=1_500);
    assert_eq!(story.says(LIVE), "ok");
}

/// S02: the client dies between SETNX and EXPIRE.
#[test]
fn a_key_that_outlives_its_dead_client_is_found() {
    let mut story = Story::new(1);
    story.tries("A1", 0);
    story.sets_until(1, 1, "A1", Some("A"), None);
    story.crash("A", 2, false);
    let says = story.says(LIVE);
    assert!(
        says.starts_with("violated at 10.053513882") && says.contains("A crashed at 0.002 s, and \"lock:r\" on node-1 holds its owner token owner-A1 for ever"),
        "{says}"
    );
}

#[test]
fn a_key_that_goes_after_a_ttl_is_fine_and_so_is_one_that_was_deleted() {
    let mut story = Story::new(1);
    story.acquire("A1", 0..=2);
    story.crash("A", 100, false);
    assert!(
        story.says(LIVE).starts_with("unknown"),
        "only: it never healed"
    );
    let mut story = Story::new(1);
    story.acquire("A1", 0..=2).on(&[]);
    story.sets_until(1, 1, "A1", Some("A"), Some(EPOCH_MS + 60_000));
    story.crash("A", 100, false);
    assert!(
        story
            .says(LIVE)
            .contains("until 60.001 s, longer than a TTL")
    );
    story.removes(
        1,
        9_000,
        "A1",
        simulator::history::Removal::Deleted,
        Some("A"),
    );
    assert!(!story.verdict(LIVE).is_violated());
}
