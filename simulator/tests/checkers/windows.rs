//! Window exclusion and the validity bound.

use simulator::{
    checkers::{Assumption, Checker},
    clock::ClockName,
    history::Removal,
};

use crate::story::{Story, ms};

const EXCLUSION: Checker = Checker::WindowExclusion;
const BOUND: Checker = Checker::ValidityBound;

#[test]
fn one_after_the_other_is_fine() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.release("A1", 100);
    story.acquire("B1", 101..=105);
    story.release("B1", 5_000);
    story.acquire("A2", 5_010..=5_012);
    let report = story.report();
    assert_eq!(report.finding(EXCLUSION).verdict.to_string(), "ok");
    assert_eq!(report.finding(BOUND).verdict.to_string(), "ok");
    assert!(report.is_ok(), "{report}");
}

#[test]
fn touching_windows_do_not_overlap_and_one_nanosecond_does() {
    // A's deadline is 9,900 ms after its invocation at 0.
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 9_800..=9_900).keyless();
    assert_eq!(story.says(EXCLUSION), "ok");
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 9_800..=9_899).keyless();
    assert_eq!(
        story.says(EXCLUSION),
        "violated at 9.899 s: A's lease A1 on \"r\" held from 0.002 s until 9.900 s by its own clocks; \
         B's lease B1 began at 9.899 s and held until 19.700 s by its own clocks"
    );
}

#[test]
fn two_that_hold_overlap_and_the_events_that_show_it_are_named() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).on(&[1, 2, 3]);
    story.acquire("B1", 500..=502).on(&[3, 4, 5]);
    let verdict = story.verdict(EXCLUSION);
    let evidence = verdict.evidence().unwrap();
    let events: Vec<_> = evidence.events.iter().map(ToString::to_string).collect();
    assert_eq!(events, ["A#1", "B#1"], "the returns of both");
    assert_eq!(evidence.count, 1);
    assert!(evidence.broken.is_empty(), "a bug, not a limit: {evidence}");
}

#[test]
fn other_resources_and_empty_windows_do_not_matter() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 100..=102).resource("other").keyless();
    // Returned when its validity was over: kept from the caller or not, it is a window without an instant.
    story.acquire("B2", 200..=900).keyless().valid(700);
    assert_eq!(story.says(EXCLUSION), "ok");
}

#[test]
fn re_entry_is_one_hold_but_not_with_somebody_else() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("A2", 100..=102).reenters("A1");
    assert_eq!(story.says(EXCLUSION), "ok");
    story.acquire("B1", 200..=202).keyless();
    assert!(story.verdict(EXCLUSION).is_violated());
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 100..=102).reenters("A1");
    assert!(
        story.verdict(EXCLUSION).is_violated(),
        "two processes do not share a hold by sharing a token"
    );
}

#[test]
fn the_longest_window_is_remembered_past_short_ones() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).endless().keyless();
    story.acquire("B1", 10..=12).keyless();
    story.releases("B1", 20);
    story.acquire("C1", 30..=32).keyless();
    let verdict = story.verdict(EXCLUSION);
    let evidence = verdict.evidence().unwrap();
    assert_eq!(evidence.count, 2, "{verdict}");
    assert_eq!(evidence.at, ms(12), "the earliest is told");
    assert!(evidence.summary.contains("B's lease B1 began"), "{verdict}");
}

#[test]
fn release_loss_and_crash_end_a_window() {
    for end in ["release", "loss", "crash"] {
        let mut story = Story::new(3);
        story.acquire("A1", 0..=2);
        match end {
            "release" => story.releases("A1", 1_000),
            "loss" => story.lost("A1", 1_000),
            _ => story.crash("A", 1_000, false),
        }
        story.acquire("B1", 900..=1_000).keyless();
        assert_eq!(story.says(EXCLUSION), "ok", "{end}");
    }
}

#[test]
fn a_slow_clock_lengthens_a_window_only_if_all_clocks_are_slow() {
    let story = |slow: &[ClockName]| {
        let mut story = Story::new(3);
        for clock in slow {
            story.drift("A", *clock, 0, -100_000);
        }
        story.acquire("A1", 0..=2);
        story.acquire("B1", 10_500..=10_502).on(&[]);
        story.says(EXCLUSION)
    };
    assert_eq!(story(&[ClockName::Boot, ClockName::Wall]), "ok");
    let all = story(&[ClockName::Boot, ClockName::Wall, ClockName::Raw]);
    assert!(
        all.contains("until 11.000 s by its own clocks")
            && all.contains("every clock that A looks at ran more than 5026 ppm slow"),
        "{all}"
    );
}

#[test]
fn a_deadline_that_moved_moves_the_window() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.extend("A1", 5_000..=5_002, &[1, 2, 3]);
    story.acquire("B1", 14_000..=14_890).keyless();
    assert!(story.says(EXCLUSION).contains("until 14.900 s"));
    // After the loss nothing counts any more.
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.lost("A1", 4_000);
    story.extend("A1", 5_000..=5_002, &[1, 2, 3]);
    story.acquire("B1", 4_500..=6_000).keyless();
    assert_eq!(story.says(EXCLUSION), "ok");
}

#[test]
fn a_node_that_forgets_is_named_with_the_overlap_that_follows() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).on(&[1, 2, 3]);
    story.crash("node-3", 2_000, true);
    story.start("node-3", 3_000);
    story.acquire("B1", 3_100..=3_102).on(&[3, 4, 5]);
    let verdict = story.verdict(EXCLUSION);
    let [broken] = verdict.evidence().unwrap().broken.as_slice() else {
        panic!("{verdict}");
    };
    assert_eq!(broken.assumption, Assumption::ForgetfulVoters);
    assert_eq!(
        broken.how,
        "node-3 lost its disk at 2.000 s with a key on it, and votes before that key's time is over"
    );
    // The bound is broken from the restart on, whether or not B comes.
    assert!(
        story.says(BOUND).starts_with("violated at 3.000 s: A's lease A1 on \"r\" held from 0.002 s until 9.900 s by its own clocks, but from 3.000 s on a quorum was free"),
        "{}",
        story.says(BOUND)
    );
}

#[test]
fn a_quarantined_node_protects_what_it_forgot() {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).on(&[1, 2, 3]);
    story.crash("node-3", 2_000, true);
    story.start("node-3", 3_000);
    story.votes(3, 3_000, false);
    story.votes(3, 13_000, true);
    assert_eq!(story.says(BOUND), "ok");
}

#[test]
fn a_step_of_a_node_breaks_the_bound_and_slack_absorbs_it() {
    let with = |nodes: &[u64]| {
        let mut story = Story::new(5);
        story.acquire("A1", 0..=2).on(nodes);
        story.step("node-3", ClockName::Wall, 5_000, 15_000);
        (
            story.says(BOUND),
            story.report().least_margin().unwrap().margin_ns.unwrap(),
        )
    };
    let (says, margin) = with(&[1, 2, 3]);
    assert!(says.contains("4.900 s too early"), "{says}");
    assert!(
        says.contains("node_step: node-3's wall clock was stepped forward by 15.000 s within 10.000 s, the last at 5.000 s, 0.000 s is allowed"),
        "{says}"
    );
    assert_eq!(margin, -4_900_000_000);
    let (says, margin) = with(&[1, 2, 3, 4, 5]);
    assert_eq!(says, "ok");
    // Set at 1 ms, for 10 s and the rest of that millisecond: 102 ms after the deadline.
    assert_eq!(margin, 102_000_000);
}

#[test]
fn margins_are_recorded_for_good_leases_too_in_percent_of_the_ttl() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 10_100..=10_102);
    story.release("B1", 10_200);
    let margins = story.report().margins;
    let told: Vec<_> = margins
        .iter()
        .map(|margin| (margin.ended.as_str(), margin.margin_ns.unwrap()))
        .collect();
    assert_eq!(told, [("deadline", 102_000_000), ("released", 1_000_000)]);
    assert_eq!(margins[0].margin_percent_of_ttl, Some(1.02));
}

#[test]
fn without_owner_tokens_the_bound_is_unknown() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).keyless();
    assert!(
        story
            .says(BOUND)
            .starts_with("unknown: no lease has an owner token")
    );
}

#[test]
fn eviction_breaks_the_bound() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2).on(&[1, 2]);
    story.removes(2, 700, "A1", Removal::Evicted, None);
    let says = story.says(BOUND);
    assert!(says.contains("from 0.700 s on a quorum was free"), "{says}");
    assert!(
        says.contains("a key on node-2 was evicted at 0.700 s before its time"),
        "{says}"
    );
}

/// What a run broke is named only if it can have mattered.
#[test]
fn a_quarantine_and_one_honest_clock_are_no_excuse() {
    let mut story = Story::new(5);
    story.drift("A", ClockName::Boot, 0, -100_000);
    story.drift("A", ClockName::Wall, 0, -100_000);
    story.acquire("A1", 0..=2);
    story.removes(3, 100, "A1", Removal::Flushed, None);
    story.votes(3, 100, false);
    story.votes(3, 10_100, true);
    story.acquire("B1", 500..=502).keyless();
    let verdict = story.verdict(EXCLUSION);
    let broken = &verdict.evidence().unwrap().broken;
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn a_deadline_announced_after_the_loss_does_not_count() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    // Told late: the deadline had passed at 9.900.
    story.lost("A1", 9_990);
    story.deadline("A1", 9_000, 9_995, 9_900);
    story.acquire("B1", 9_800..=9_950).keyless();
    assert_eq!(story.says(EXCLUSION), "ok");
}
