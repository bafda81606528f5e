//! The comparison runs from end to end, with numbers too small to mean anything.
#![cfg(unix)]

use std::process::Command;

const VARIANTS: [&str; 7] = [
    "ours-both",
    "raw-both",
    "ours-guard",
    "raw-guard",
    "ours-neither",
    "raw-neither",
    "rslock",
];

/// The rows of the table under `title`, as cells.
fn rows(report: &str, title: &str) -> Vec<Vec<String>> {
    let from = report
        .find(title)
        .unwrap_or_else(|| panic!("no table {title:?} in\n{report}"));
    report[from..]
        .lines()
        .skip(4)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

#[test]
fn every_part_is_measured_for_every_variant() {
    let output = Command::new(env!("CARGO_BIN_EXE_redlock-compare"))
        .args(["--rounds", "1", "--cycles", "3", "--millis", "20"])
        .args(["--leases", "20", "--held-millis", "50"])
        .output()
        .unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for title in [
        "One task: acquire p50",
        "One task: acquire p99",
        "One task: release p50",
        "64 tasks on distinct keys",
        "8 tasks on one key",
        "One node stopped, one task: acquire p50",
        "One node stopped, one task: acquire p99",
        "Acquire p99 with one node stopped",
        "resident memory",
        "percent of one core",
    ] {
        let rows = rows(&report, title);
        let names: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
        assert_eq!(names, VARIANTS, "{title}");
        for row in rows {
            let median: f64 = row[1].parse().unwrap();
            assert!(median > 0.0, "{title}: {row:?}");
        }
    }
    for row in rows(&report, "leases lost") {
        assert_eq!(row[1], "0", "{row:?}");
    }
}

#[test]
fn a_variant_that_does_not_exist_is_refused_by_name() {
    let output = Command::new(env!("CARGO_BIN_EXE_redlock-compare"))
        .args(["--variants", "theirs"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("theirs is none of ours-both"), "{errors}");
}
