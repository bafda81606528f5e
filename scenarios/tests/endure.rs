//! The failure test as CI runs it: the built binary, real servers, once as it is and once with each planted mistake.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "these tests run programs on real time, apart from any runtime"
)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests panic as the tests themselves do"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that should take a moment.
const PATIENCE: Duration = Duration::from_secs(30);

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redlock-lab"));
    command
        .arg("endure")
        .args(arguments)
        .env("TMPDIR", folder)
        .stdin(Stdio::null());
    command
}

fn files(folder: &TempDir) -> Vec<fs::DirEntry> {
    let entries = fs::read_dir(folder.path()).unwrap();
    entries.map(Result::unwrap).collect()
}

/// Runs to the end; the exit code, and what was printed. It checks that no file is left behind.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), arguments).output().unwrap();
    assert!(files(&folder).is_empty(), "{:?}", files(&folder));
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout);
    (output.status.code(), format!("{text}{errors}"))
}

fn json(arguments: &[&str]) -> (Option<i32>, Value) {
    let (code, text) = run(&[arguments, &["--json"]].concat());
    let value = serde_json::from_str(&text);
    (
        code,
        value.unwrap_or_else(|error| panic!("{error}: {text}")),
    )
}

fn figure(figures: &Value, name: &str) -> u64 {
    figures[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {figures}"))
}

/// The names of the rules that were broken.
fn broken(figures: &Value) -> Vec<&str> {
    let findings = figures["broken"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap())
        .collect()
}

#[test]
fn half_a_minute_of_faults_breaks_no_rule() {
    let (code, figures) = json(&["--seconds", "30", "--seed", "1"]);
    assert_eq!(code, Some(0), "{figures:#}");
    assert_eq!(broken(&figures), [""; 0]);
    for zero in ["overlaps", "tokens_out_of_order", "fenced_lost"] {
        assert_eq!(figure(&figures, zero), 0);
    }
    // Something happened: leases of all styles, faults of most kinds, and late writes that only the fence stopped.
    assert!(figure(&figures, "windows") >= 100, "{figures:#}");
    assert!(figure(&figures, "stale_writes") >= 1, "{figures:#}");
    assert_eq!(
        figures["acquisitions_by_style"].as_object().unwrap().len(),
        7
    );
    assert!(
        figures["faults"].as_object().unwrap().len() >= 8,
        "{figures:#}"
    );
    // Processes were killed and replaced.
    assert!(figure(&figures, "processes") > 8, "{figures:#}");
}

#[test]
fn planted_mistakes_are_found_and_named() {
    for mistake in ["quorum-of-one", "grant-without-asking"] {
        let (code, figures) = json(&["--seconds", "6", "--plant", mistake]);
        assert_eq!(code, Some(1), "{mistake}: {figures:#}");
        assert_eq!(figures["planted"], mistake);
        assert!(broken(&figures).contains(&"one-holder"), "{figures:#}");
        assert!(figure(&figures, "overlaps") >= 1);
    }
}

/// With a table for people instead of JSON, and a name for the rule in it.
#[test]
fn an_interrupted_run_says_what_was_not_judged_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &["--seconds", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.starts_with("endure: 5 redis-servers"), "{line}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<_> = out.lines().map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:#?}");
    for text in [
        "        ok  no two windows of one resource overlap",
        "not judged  no acquisition gap",
        "verdict: as expected",
    ] {
        assert!(rest.iter().any(|line| line.contains(text)), "{rest:#?}");
    }
    assert!(files(&folder).is_empty(), "{:?}", files(&folder));
}

#[test]
fn a_killed_supervisor_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &["--seconds", "60"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    assert!(!files(&folder).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + PATIENCE;
    while !files(&folder).is_empty() {
        assert!(Instant::now() < until, "left behind: {:?}", files(&folder));
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_wrong_argument_is_an_error_of_use() {
    for arguments in [
        &["--seconds", "1"][..],
        &["--workers", "1"],
        &["--plant", "nothing"],
    ] {
        let (code, text) = run(arguments);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(arguments[0]), "{text}");
    }
}
