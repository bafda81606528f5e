//! Owner-only release.

use simulator::{checkers::Checker, clock::ClockName, history::Removal};

use crate::story::Story;

const OWNER: Checker = Checker::OwnerOnlyRelease;

#[test]
fn to_release_and_extend_what_is_ones_own_is_fine() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.extend("A1", 100..=102, &[1, 2]);
    story.release("A1", 200);
    story.acquire("B1", 300..=302);
    story.removes(1, 10_400, "B1", Removal::Expired, None);
    story.removes(2, 500, "B1", Removal::Flushed, None);
    assert_eq!(story.says(OWNER), "ok");
}

#[test]
fn a_late_delete_of_somebody_else_is_found() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 10_100..=10_102);
    story.removes(2, 10_150, "B1", Removal::Deleted, Some("A"));
    assert_eq!(
        story.says(OWNER),
        "violated at 10.150 s: A deleted \"lock:r\" on node-2 at 10.150 s, which held B's owner token owner-B1 since 10.101 s"
    );
}

#[test]
fn deleting_what_has_expired_is_nobodys_business() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.removes(2, 10_002, "A1", Removal::Deleted, Some("B"));
    assert_eq!(story.says(OWNER), "ok");
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.removes(2, 10_001, "A1", Removal::Deleted, Some("B"));
    assert!(
        story.verdict(OWNER).is_violated(),
        "one millisecond earlier it lives"
    );
}

#[test]
fn an_unexpired_key_that_is_written_over_is_a_theft_however_it_is_told() {
    for told in [false, true] {
        let mut story = Story::new(3);
        story.acquire("A1", 0..=2);
        if told {
            story.removes(2, 500, "A1", Removal::Overwritten, Some("B"));
        }
        story.sets(2, 500, "B1", Some("B"));
        let says = story.says(OWNER);
        assert!(
            says.starts_with("violated at 0.500 s: \"lock:r\" on node-2, unexpired with owner token owner-A1 since 0.001 s, was overwritten by B at 0.500 s"),
            "{says}"
        );
        assert!(!says.contains("in all"), "counted once: {says}");
    }
}

#[test]
fn to_extend_what_is_somebody_elses_is_found() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.sets(3, 500, "A1", Some("B"));
    let says = story.says(OWNER);
    assert!(
        says.contains("B set or extended \"lock:r\" on node-3 for A's owner token owner-A1"),
        "{says}"
    );
}

#[test]
fn to_cut_a_key_that_a_clock_step_made_too_long_is_everybodys_right() {
    for (step_ms, found) in [(-700, false), (0, true)] {
        let mut story = Story::new(3);
        story.acquire("A1", 0..=2);
        story.step("node-3", ClockName::Wall, 400, step_ms);
        let left = story.wall_ms("node-3", 500) + if step_ms < 0 { 1_000 } else { 100 };
        story.sets_until(3, 500, "A1", Some("B"), Some(left));
        assert_eq!(
            story.says(OWNER).contains("B set or extended"),
            found,
            "{step_ms}"
        );
    }
}

#[test]
fn a_deletion_in_the_middle_of_a_lease_by_nobody_knows_whom_is_unknown() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.removes(1, 500, "A1", Removal::Deleted, None);
    assert!(
        story
            .says(OWNER)
            .starts_with("unknown: 1 keys were deleted")
    );
}

#[test]
fn a_key_that_went_with_its_disk_is_not_overwritten() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.crash("node-2", 100, true);
    story.start("node-2", 200);
    story.sets(2, 300, "B1", Some("B"));
    assert_eq!(story.says(OWNER), "ok");
}

/// Nodes 1 and 2 of A's lease lost its key, one to a flush and one to the end of its time.
#[test]
fn an_extension_that_sets_a_key_again_is_found() {
    for why in [Some(Removal::Flushed), Some(Removal::Expired), None] {
        let mut story = Story::new(3);
        story.acquire("A1", 0..=2);
        let at = if why == Some(Removal::Flushed) {
            500
        } else {
            10_500
        };
        if let Some(why) = why {
            story.removes(1, at, "A1", why, None);
        }
        story.sets(1, at + 1, "A1", Some("A"));
        let says = story.says(OWNER);
        assert!(
            says.contains(
                "\"lock:r\" on node-1 was gone and was set again with owner token owner-A1"
            ),
            "{why:?}: {says}"
        );
    }
}

#[test]
fn a_late_grant_and_another_attempt_with_the_same_owner_token_are_no_extension() {
    // The grant comes late, but it is the first.
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).on(&[1, 2]);
    story.sets(3, 100, "A1", Some("A"));
    assert_eq!(story.says(OWNER), "ok");
    // A client with one owner token for all that it does acquires again.
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.release("A1", 100);
    story.tries("A2", 200);
    story.sets(1, 201, "A1", Some("A"));
    assert_eq!(story.says(OWNER), "ok");
    // A node comes back with what its disk kept.
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.crash("node-2", 100, true);
    story.start("node-2", 200);
    story.sets(2, 200, "A1", None);
    assert_eq!(story.says(OWNER), "ok");
}

/// A publication that comes when the key is gone, or to a node that never granted.
#[test]
fn only_who_holds_a_key_may_count() {
    let published = |node: u64, at: u64| {
        let mut story = Story::new(3);
        // The grant raises the counter just before it sets the key.
        story.counts_for(1, 1, 7, Some("A"));
        story.acquire("A1", 0..=2).token(7).on(&[1, 2]);
        story.counts_for(node, at, 7, Some("A"));
        story.ends(20_000);
        story.says(OWNER)
    };
    assert_eq!(published(2, 500), "ok");
    assert_eq!(published(2, 10_002), "ok", "as it ends");
    assert!(
        published(2, 10_003)
            .contains("A raised counter 0 of node-2 to 7 at 10.003 s, where no key was A's")
    );
    assert!(published(3, 500).contains("of node-3"));
    // What the node does by itself, as it starts, is nobody's.
    let mut story = Story::new(3);
    story.counts(3, 500, 7);
    assert_eq!(story.says(OWNER), "ok");
}
