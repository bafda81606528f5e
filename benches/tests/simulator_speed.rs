//! The simulator's measurements run from end to end, with numbers too small to mean anything; that worlds leave nothing behind
//! is held to a bound.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot be started fails its test"
)]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_simulator-speed"))
        .args(arguments)
        .output()
        .unwrap()
}

fn report(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

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

fn number(cell: &str) -> f64 {
    cell.parse()
        .unwrap_or_else(|_| panic!("{cell:?} is no number"))
}

#[test]
fn speed_and_plans_are_measured_for_every_tick() {
    let report = report(&[
        "--parts",
        "speed,plans",
        "--rounds",
        "1",
        "--seconds",
        "3",
        "--plans",
        "2",
    ]);
    let speeds = rows(&report, "Simulated seconds per second");
    let names: Vec<_> = speeds
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    let rows_of = ["world", "turmoil, idle hosts: 1", "turmoil, idle hosts: 9"];
    assert_eq!(names[..3], rows_of.map(|row| ("1", row)));
    assert_eq!(names[3..], rows_of.map(|row| ("5", row)));
    for row in &speeds {
        assert!(number(&row[2]) > 0.0 && number(&row[4]) > 0.0, "{row:?}");
        let loaded = row[1] == "world";
        assert_eq!(
            !row[5].is_empty() && number(&row[5]) > 0.0,
            loaded,
            "{row:?}"
        );
    }
    let plans = rows(&report, "with drawn faults");
    let names: Vec<_> = plans
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    assert_eq!(names, [("1", "1"), ("1", "2"), ("5", "1"), ("5", "2")]);
    assert_eq!(plans[0][5..], plans[1][5..], "threads change no history");
}

#[test]
fn many_worlds_in_one_process_leave_nothing_behind() {
    let report = report(&[
        "--parts",
        "memory",
        "--ticks",
        "5",
        "--worlds",
        "400",
        "--world-millis",
        "1000",
    ]);
    let looks: Vec<_> = rows(&report, "Resident memory")
        .iter()
        .map(|row| (number(&row[0]), number(&row[1])))
        .collect();
    let worlds: Vec<_> = looks.iter().map(|(worlds, _)| *worlds).collect();
    assert_eq!(worlds, [40.0, 100.0, 200.0, 300.0, 400.0]);
    // The history of such a world alone takes more than 20 KiB.
    let (half, end) = (looks[2].1, looks[4].1);
    assert!(
        (end - half) / 200.0 < 5.0,
        "KiB after so many worlds: {looks:?}"
    );
}

#[test]
fn the_same_histories_are_told_again() {
    let once = || report(&["--parts", "histories", "--seeds", "1", "--seconds", "3"]);
    let told = once();
    assert_eq!(told, once());
    assert_eq!(told.trim().lines().count(), 4, "{told}");
}

#[test]
fn a_part_that_does_not_exist_is_refused() {
    let output = run(&["--parts", "beauty"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("histories"));
}
