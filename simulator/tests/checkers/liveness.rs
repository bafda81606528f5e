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
fn who_tries_while_somebody_holds_is_not_kept_from_it_by_a_fault() {
    let mut story = healed();
    story.acquire("A1", 0..=2);
    story.tries("B1", 2_000);
    story.ends(20_000);
    assert_eq!(story.says(LIVE), "unknown: \"r\" was held after the heal");
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
