//! Liveness.

use simulator::{checkers::Checker, history::Removal};

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
    story.tries("A1", 900);
    story.crash("A", 950, false);
    assert_eq!(
        story.says(LIVE),
        "unknown: nobody tried to acquire after the heal",
        "whoever tried died before"
    );
    story.start("A", 960);
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
    story.removes(1, 9_000, "A1", Removal::Deleted, Some("A"));
    assert!(!story.verdict(LIVE).is_violated());
}

/// Keys go within 100 ms after they were let go of.
fn tidy() -> Story {
    let mut story = Story::new(3);
    story.facts.progress.gone_within_ms = Some(100);
    story
}

#[test]
fn a_key_that_stays_after_its_release_is_found() {
    let left = |removed: u64| {
        let mut story = tidy();
        story.acquire("A1", 0..=2);
        story.releases("A1", 1_000);
        for node in [1, 2] {
            story.removes(node, 1_001, "A1", Removal::Deleted, Some("A"));
        }
        story.removes(3, removed, "A1", Removal::Deleted, Some("A"));
        story.ends(20_000);
        story.says(LIVE)
    };
    assert!(left(1_100).starts_with("unknown"), "at the last instant");
    let says = left(1_101);
    assert!(
        says.starts_with("violated at 1.100 s: \"lock:r\" on node-3 holds A's owner token owner-A1, set at 0.001 s, although A was done with it at 1.000 s and nothing kept it from saying so within 0.100 s"),
        "{says}"
    );
    assert!(!says.contains("in all"), "{says}");
}

/// The release overtook the call that it was to undo, or was never sent.
#[test]
fn a_key_of_an_attempt_that_failed_is_found_also_when_it_is_set_late() {
    for (set, due) in [(450, "0.600"), (700, "0.800")] {
        let mut story = tidy();
        story.tries("A1", 400);
        story.sets(2, set, "A1", Some("A"));
        story.fails_at("A1", 500);
        story.ends(20_000);
        let says = story.says(LIVE);
        let wanted = format!("violated at {due} s: \"lock:r\" on node-2 holds A's owner token");
        assert!(says.starts_with(&wanted), "{says}");
    }
}

#[test]
fn renewed_for_nobody_is_found_once() {
    let mut story = tidy();
    story.acquire("A1", 0..=2);
    story.releases("A1", 1_000);
    for at in [1_020, 4_000, 7_000] {
        story.sets(1, at, "A1", Some("A"));
    }
    story.removes(2, 1_001, "A1", Removal::Deleted, Some("A"));
    story.removes(3, 1_001, "A1", Removal::Deleted, Some("A"));
    story.ends(20_000);
    let says = story.says(LIVE);
    assert!(
        says.starts_with("violated at 1.100 s") && !says.contains("in all"),
        "{says}"
    );
}

#[test]
fn keys_that_somebody_may_still_want_or_could_not_remove_are_left_alone() {
    let unknown = |story: &Story| story.says(LIVE).starts_with("unknown");
    // The lease was never let go of, or the acquisition is still under way.
    let mut story = tidy();
    story.acquire("A1", 0..=2);
    story.tries("B1", 100);
    story.sets(2, 10_150, "B1", Some("B"));
    story.ends(30_000);
    assert!(unknown(&story));
    // Something had happened to the client, or the node, before it was due.
    for (at, host, found) in [
        (1_050, "A", false),
        (500, "node-3", false),
        (1_050, "node-2", true),
        (1_101, "A", true),
    ] {
        let mut story = tidy();
        story.acquire("A1", 0..=2).on(&[1, 3]);
        story.fault(at, &[host]);
        story.releases("A1", 1_000);
        story.removes(1, 1_001, "A1", Removal::Deleted, Some("A"));
        story.ends(20_000);
        assert_ne!(unknown(&story), found, "{at} {host}");
    }
    // One owner token for all leases of a client: nobody can tell what the key was set for.
    let mut story = tidy();
    story.acquire("A1", 0..=2);
    story.acquire("A2", 10..=12).reenters("A1");
    story.releases("A2", 1_000);
    story.ends(20_000);
    assert!(unknown(&story));
    // Nothing is promised.
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.releases("A1", 1_000);
    story.ends(20_000);
    assert!(unknown(&story));
}
