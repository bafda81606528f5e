//! Fencing and the fenced mutex.

use proptest::prelude::*;
use simulator::checkers::Checker;

use crate::{oracle, story::Story};

const FENCING: Checker = Checker::Fencing;
const FENCED: Checker = Checker::FencedMutex;

#[test]
fn growing_tokens_with_gaps_are_fine() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).token(5);
    story.release("A1", 100);
    story.acquire("B1", 200..=202).token(900);
    story.write("A1", 50, 51);
    story.write("B1", 250, 251);
    story.read("B1", 252, 253);
    let report = story.report();
    assert!(report.is_ok(), "{report}");
    assert_eq!(report.finding(FENCING).counts["accesses"], 3);
}

#[test]
fn equal_tokens_are_found_by_both() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).token(7).on(&[1, 2, 3]);
    story.acquire("B1", 1..=3).token(7).on(&[3, 4, 5]);
    assert_eq!(
        story.says(FENCING),
        "violated at 0.003 s: A's lease A1 (token 7) and B's lease B1 (token 7), acquired at 0.002 s and 0.003 s, \
         have the same token on \"r\""
    );
    assert!(story.verdict(FENCED).is_violated());
}

#[test]
fn re_entry_keeps_its_token_and_other_resources_have_their_own() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).token(7);
    story.acquire("A2", 10..=12).token(7).reenters("A1");
    story
        .acquire("B1", 20..=22)
        .token(7)
        .resource("other")
        .on(&[]);
    assert_eq!(story.says(FENCING), "ok");
}

/// B was invoked before A returned, but lost its first attempts: the attempt that won began after A had returned.
#[test]
fn the_winning_attempt_counts_for_fencing_and_the_invocation_for_the_mutex() {
    let mut story = Story::new(3);
    story.acquire("A1", 5..=7).token(9);
    story.release("A1", 100);
    story.acquire("B1", 0..=204).token(8).set_at(203);
    let says = story.says(FENCING);
    assert!(
        says.starts_with("violated at 0.204 s: A's lease A1 (token 9) on \"r\" was acquired at 0.007 s; B's lease B1 (token 8) started after that, at 0.203 s, and has the smaller token"),
        "{says}"
    );
    assert_eq!(story.says(FENCED), "ok", "they ran at the same time");
}

#[test]
fn acquisitions_at_the_same_time_are_free() {
    let mut story = Story::new(5);
    story
        .acquire("A1", 0..=10)
        .token(9)
        .on(&[1, 2, 3])
        .set_at(2);
    story
        .acquire("B1", 0..=20)
        .token(8)
        .on(&[3, 4, 5])
        .set_at(3);
    assert_eq!(story.says(FENCING), "ok");
    assert_eq!(story.says(FENCED), "ok");
}

#[test]
fn a_store_that_lets_a_lower_token_in_is_found_on_reads_too() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).token(1);
    story.acquire("B1", 10_100..=10_102).token(2);
    story.write("B1", 10_200, 10_201);
    story.read("A1", 9_000, 10_300);
    assert_eq!(
        story.says(FENCING),
        "violated at 10.300 s: the store answered a read of \"r\" with token 1 at 10.300 s, although it had let in \
         token 2 at 10.201 s"
    );
}

#[test]
fn without_tokens_there_is_nothing_to_say() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.write("A1", 5, 6);
    assert!(story.says(FENCING).starts_with("unknown"));
    assert!(story.says(FENCED).starts_with("unknown"));
}

proptest! {
    /// The fenced mutex is what a search over all orders finds.
    #[test]
    fn the_fenced_mutex_is_what_a_search_finds(
        grants in proptest::collection::vec((0u64..12, 0u64..8, 0u64..6), 1..6),
    ) {
        let mut story = Story::new(0);
        for (index, (start, length, token)) in grants.iter().enumerate() {
            let id = format!("{}1", char::from(b'A' + u8::try_from(index).unwrap()));
            story.acquire(&id, *start..=start + length).token(*token).keyless();
        }
        let grants: Vec<_> = grants
            .iter()
            .map(|(start, length, token)| (*start, start + length, *token))
            .collect();
        prop_assert_eq!(!story.verdict(FENCED).is_violated(), oracle::fenced_order_exists(&grants));
    }
}

/// Node 3 granted late, and still counts 4 when the others carry 7.
#[test]
fn a_node_that_keeps_a_lease_and_is_not_told_its_token_is_found() {
    let told = |at: Option<u64>, faulty: &[&str], released: Option<u64>| {
        let mut story = Story::new(3);
        story.facts.progress.gone_within_ms = Some(100);
        story.acquire("A1", 0..=2).token(7).on(&[1, 2]);
        story.counts(3, 50, 4);
        story.sets(3, 50, "A1", Some("A"));
        story.fault(60, faulty);
        if let Some(at) = at {
            story.counts(3, at, 7);
        }
        if let Some(at) = released {
            story.release("A1", at);
        }
        story.ends(500);
        story.says(FENCING)
    };
    assert_eq!(
        told(None, &[], None),
        "violated at 0.150 s: node-3 keeps A's lease A1 (token 7) since 0.050 s and still counted below its token at 0.150 s"
    );
    assert!(told(Some(151), &[], None).starts_with("violated"));
    assert_eq!(told(Some(150), &[], None), "ok", "at the last instant");
    assert_eq!(told(None, &["node-3"], None), "ok", "it could not be told");
    assert_eq!(told(None, &["A"], None), "ok", "nor could it tell");
    assert!(told(None, &["node-1"], None).starts_with("violated"));
    assert_eq!(told(None, &[], Some(140)), "ok", "it is over");
}
