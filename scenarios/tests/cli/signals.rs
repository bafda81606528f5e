//! Searches that are interrupted, and those that are killed; catalogues that are interrupted.
#![expect(
    clippy::disallowed_methods,
    reason = "these tests run programs on real time, apart from any runtime"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{Lab, Ran};

/// How long anything may take that should take a moment.
const PATIENCE: Duration = Duration::from_secs(60);
/// More plans than are run before the signal comes.
const SEARCH: &[&str] = &[
    "hunt",
    "--profile",
    "tight",
    "--seeds",
    "0..40",
    "--jobs",
    "2",
    "--to",
];

fn start(lab: &Lab, to: &str) -> Child {
    let mut command = lab.command(&[SEARCH, &[to]].concat());
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until some plans are done, and returns their record.
fn wait_for_lines(lab: &Lab, to: &str, lines: usize) -> PathBuf {
    let until = Instant::now() + PATIENCE;
    loop {
        let there = lab.path(to).exists()
            && lab
                .files(to)
                .values()
                .any(|text| text.lines().count() > lines);
        if there {
            return lab.record(to);
        }
        assert!(Instant::now() < until, "no plan was run");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn whole(lab: &Lab) -> String {
    lab.run(&[SEARCH, &["whole"]].concat())
        .says(0, &["40 plans", "nothing is violated"]);
    fs::read_to_string(lab.record("whole")).unwrap()
}

#[test]
fn an_interrupted_search_keeps_what_is_whole_says_so_and_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let lab = Lab::new();
        let child = start(&lab, "to");
        let record = wait_for_lines(&lab, "to", 3);
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = Ran::from(child.wait_with_output().unwrap());
        ran.says(
            code,
            &[
                "interrupted with",
                "of 40 plans still to be run",
                "the same command goes on",
                "acquisitions",
            ],
        );
        let text = fs::read_to_string(&record).unwrap();
        assert!(text.ends_with('\n'));
        for line in text.lines() {
            let _: serde_json::Value = serde_json::from_str(line).unwrap();
        }
        let expected = whole(&lab);
        assert!(text.len() < expected.len() && expected.starts_with(&text));
        lab.run(&[SEARCH, &["to"]].concat())
            .says(0, &["40 plans", "plans were run before"]);
        assert_eq!(fs::read_to_string(&record).unwrap(), expected);
    }
}

#[test]
fn a_killed_search_goes_on_where_it_was() {
    let lab = Lab::new();
    let expected = whole(&lab);
    for lines in [1, 4] {
        let mut child = start(&lab, "to");
        let record = wait_for_lines(&lab, "to", lines);
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(&record).unwrap();
        assert!(expected.starts_with(&text) && text.len() < expected.len());
    }
    lab.run(&[SEARCH, &["to"]].concat()).says(0, &["40 plans"]);
    assert_eq!(fs::read_to_string(lab.record("to")).unwrap(), expected);
}

#[test]
fn an_interrupted_run_tells_what_was_done_and_keeps_it() {
    let lab = Lab::new();
    let child = lab
        .command(&["run", "--jobs", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + PATIENCE;
    let first = lab.path("target/runs/all-node-clocks-set-back");
    while !first.exists() {
        assert!(Instant::now() < until, "nothing was run");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    ran.says(
        130,
        &[
            "all-node-clocks-set-back",
            "all as expected; ",
            "not made",
            "Kept in target/runs",
        ],
    );
    let histories = |name: &&String| name.ends_with("history.jsonl");
    let kept = lab.files("target/runs").keys().filter(histories).count();
    let told = format!("{kept} simulated runs");
    assert!(kept > 0 && ran.out.contains(&told), "{told}:\n{}", ran.out);
}
