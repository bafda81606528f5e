//! Belief overlap.

use simulator::checkers::{Checker, Report};

use crate::story::Story;

const BELIEF: Checker = Checker::BeliefOverlap;

fn legal(report: &Report) -> u64 {
    report.finding(BELIEF).counts["legal_overlaps"]
}

/// Kleppmann's pause: A sleeps over its deadline, B acquires, A wakes.
fn pause_after_grant() -> Story {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.pause("A", 1_000..=16_000);
    story.acquire("B1", 10_100..=10_102);
    story
}

#[test]
fn an_overlap_while_the_older_one_sleeps_is_legal_counted_and_told() {
    let report = pause_after_grant().report();
    assert_eq!(report.finding(BELIEF).verdict.to_string(), "ok");
    assert_eq!(legal(&report), 1);
    let note = &report.finding(BELIEF).notes[0];
    assert!(
        note.contains("was not scheduled from 9.900 s to 16.000 s")
            && note.ends_with("both from 10.102 s to 16.000 s"),
        "{note}"
    );
}

#[test]
fn who_acts_as_it_wakes_has_not_looked_and_who_acts_later_has() {
    let mut story = pause_after_grant();
    story.write("A1", 16_000, 16_001);
    assert_eq!(story.says(BELIEF), "ok", "its check was before the pause");
    let mut story = pause_after_grant();
    story.write("A1", 16_001, 16_002);
    assert!(
        story.verdict(BELIEF).is_violated(),
        "it ignores its deadline"
    );
}

#[test]
fn a_holder_that_works_past_its_deadline_believes_although_awake() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 10_100..=10_102);
    story.write("A1", 12_000, 12_001);
    let says = story.says(BELIEF);
    assert!(
        says.starts_with("violated at 10.102 s: A's lease A1 on \"r\" held from 0.002 s until 9.900 s by its own clocks, and believed until 12.000 s; B's lease B1 believed from 10.102 s on"),
        "{says}"
    );
    assert_eq!(story.says(Checker::WindowExclusion), "ok");
}

#[test]
fn without_a_pause_beliefs_end_at_the_deadline_and_touching_is_fine() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 9_000..=9_900).keyless();
    assert_eq!(story.says(BELIEF), "ok");
    assert_eq!(legal(&story.report()), 0);
}

#[test]
fn an_overlap_before_the_deadline_is_not_excused_by_the_pause() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).on(&[1, 2, 3]);
    story.pause("A", 1_000..=16_000);
    story.acquire("B1", 9_000..=9_002).on(&[3, 4, 5]);
    assert!(story.verdict(BELIEF).is_violated());
}

#[test]
fn a_crash_in_the_pause_ends_the_belief() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.event(1_000, "A", simulator::history::EventKind::Paused);
    story.crash("A", 10_050, false);
    story.acquire("B1", 10_100..=10_102);
    let report = story.report();
    assert_eq!((legal(&report), report.is_ok()), (0, true), "{report}");
}
