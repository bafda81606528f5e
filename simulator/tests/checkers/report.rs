//! The report as a whole.

use simulator::{
    checkers::{Checker, Report, check_all},
    history::{EventKind, History},
};

use crate::story::Story;

fn troubled() -> Story {
    let mut story = Story::new(5);
    story.acquire("A1", 0..=2).on(&[1, 2, 3]).token(7);
    story.acquire("B1", 500..=502).on(&[3, 4, 5]).token(7);
    story.write("B1", 600, 601);
    story.write("A1", 700, 701);
    let message = "the invariant broke".to_owned();
    story.event(900, "B", EventKind::Panicked { message });
    story
}

#[test]
fn a_panic_is_a_violation() {
    assert_eq!(
        troubled().says(Checker::Panics),
        "violated at 0.900 s: a task of B panicked at 0.900 s: the invariant broke"
    );
}

#[test]
fn it_reports_every_checker_once_and_in_order() {
    let report = troubled().report();
    let order: Vec<_> = report
        .findings
        .iter()
        .map(|finding| finding.checker)
        .collect();
    assert_eq!(order, Checker::ALL);
    let violated: Vec<_> = report.violations().map(|finding| finding.checker).collect();
    let expected = [
        Checker::WindowExclusion,
        Checker::BeliefOverlap,
        Checker::ValidityBound,
        Checker::EffectOrder,
        Checker::Fencing,
        Checker::OwnerOnlyRelease,
        Checker::LinearizableMutex,
        Checker::FencedMutex,
        Checker::Panics,
    ];
    assert_eq!(violated, expected);
    assert!(!report.is_ok());
    assert_eq!(report.to_string().lines().count(), Checker::ALL.len());
}

#[test]
fn the_same_history_gives_the_same_bytes_which_can_be_read_back() {
    let story = troubled();
    let mut lines = Vec::new();
    story.history().write_jsonl(&mut lines).unwrap();
    let history = History::read_jsonl(lines.as_slice()).unwrap();
    let report = check_all(&history, &story.facts);
    let json = serde_json::to_string_pretty(&report).unwrap();
    let again = serde_json::to_string_pretty(&story.report()).unwrap();
    assert_eq!(json, again, "from the file or from memory");
    let read: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(read, report);
}

#[test]
fn a_verdict_in_the_file_looks_as_documented() {
    let mut story = Story::new(3);
    story.acquire("A1", 0..=2);
    story.acquire("B1", 5..=6).keyless();
    let report = story.report();
    let json = serde_json::to_value(report.finding(Checker::WindowExclusion)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "checker": "window_exclusion",
            "verdict": "violated",
            "because": {
                "at_ns": 6_000_000,
                "summary": "A's lease A1 on \"r\" held from 0.002 s until 9.900 s by its own clocks; B's lease B1 \
                    began at 0.006 s and held until 9.905 s by its own clocks",
                "events": [{ "host": "A", "sequence": 1 }, { "host": "B", "sequence": 1 }],
                "count": 1,
                "broken": [],
            },
            "assumes": ["client_rate", "client_step", "node_rate", "node_step", "forgetful_voters"],
            "counts": { "leases": 2 },
            "notes": [],
        })
    );
    let json = serde_json::to_value(report.finding(Checker::Panics)).unwrap();
    assert_eq!(json["verdict"], "ok");
    let json = serde_json::to_value(report.finding(Checker::FencedMutex)).unwrap();
    assert_eq!(
        (&json["verdict"], &json["because"]),
        (&"unknown".into(), &"no lease has a fencing token".into())
    );
}
