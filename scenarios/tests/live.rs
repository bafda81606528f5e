//! Scenarios of the catalogue on real servers, with the built program: what it says, and that nothing of it is left.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests panic as the tests themselves do"
)]

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// Somebody is stopped, keys are lost, a link is cut: each kind of fault once.
const SCENARIOS: [&str; 3] = [
    "paused-holder",
    "lock-key-lost-by-flushall",
    "late-blind-delete",
];
/// How long anything may take that should take a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder in which the program puts everything: what runs in it or has it on its command line is the program's.
struct Lab(TempDir);

impl Lab {
    fn new() -> Self {
        Self(TempDir::with_prefix("redlock-live-test-").unwrap())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redlock-lab"));
        command
            .args(["run", "--live", "--runs", "runs"])
            .args(arguments)
            .current_dir(self.0.path())
            .env("TMPDIR", self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.start(arguments).wait_with_output().unwrap()
    }

    /// The processes, by their ids and command lines.
    fn processes(&self) -> Vec<(PathBuf, String)> {
        let all = fs::read_dir("/proc").unwrap().map_while(Result::ok);
        all.filter_map(|process| Some((process.path(), self.ours(&process.path())?)))
            .collect()
    }

    /// The command line of a process that is ours. One that ends meanwhile is nobody's.
    fn ours(&self, process: &Path) -> Option<String> {
        let line = fs::read(process.join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let at = fs::read_link(process.join("cwd")).ok()?;
        let folder = self.0.path();
        (line.contains(folder.to_str()?) || at.starts_with(folder)).then_some(line)
    }

    #[track_caller]
    fn has_no_process_left(&self) {
        // Whoever was killed is there for a moment more.
        wait_until(|| self.processes().is_empty());
        assert_eq!(self.processes(), []);
    }

    /// What is in the folder besides the runs.
    fn left(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files.filter(|file| !file.ends_with("runs")).collect()
    }
}

/// Returns when it is so, or after a long time.
#[expect(
    clippy::disallowed_methods,
    reason = "a real program is waited for in real time"
)]
fn wait_until(is_so: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn three_scenarios_come_out_on_real_servers_as_in_the_simulator() {
    let lab = Lab::new();
    let arguments: Vec<_> = SCENARIOS.into_iter().chain(["--json"]).collect();
    let Output {
        status,
        stdout,
        stderr,
    } = lab.run(&arguments);
    let (out, err) = (
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    );
    assert_eq!(status.code(), Some(0), "{out}\n{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["live"]["as_expected"], 3, "{said}");
    assert_eq!(said["live"]["skipped"], 0, "{said}");
    let runs = said["runs"].as_array().unwrap();
    for scenario in SCENARIOS {
        let of: Vec<_> = runs
            .iter()
            .filter(|run| run["scenario"] == scenario)
            .collect();
        // What the hazard breaks, and what it does not.
        assert!(of.iter().any(|run| run["outcome"] == "broken"), "{said}");
        assert!(of.iter().any(|run| run["outcome"] != "broken"), "{said}");
        for run in of {
            assert_eq!(run["mode"], "live", "{run}");
            assert_eq!(run["as_expected"], true, "{run}");
            assert_eq!(run["outcome"], run["simulated"], "{run}");
            let kept = lab.0.path().join(run["run"].as_str().unwrap());
            assert!(kept.join("history.jsonl").is_file(), "{run}");
        }
    }
    lab.has_no_process_left();
    assert_eq!(lab.left(), Vec::<PathBuf>::new());
}

/// A redis-server that starts once in each folder, as one does whose machine does not come back.
const ONCE: &str = r#"#!/bin/sh
if [ -f "$1" ]; then
    mkdir "$(dirname "$1")/started" 2>/dev/null || { echo "it is broken"; exit 1; }
fi
exec SERVER "$@"
"#;

#[test]
fn a_fault_that_cannot_be_made_leaves_its_run_without_a_verdict() {
    let lab = Lab::new();
    let folder = TempDir::new().unwrap();
    let program = folder.path().join("once");
    let real = std::env::var("REDLOCK_REDIS_SERVER").unwrap_or("redis-server".to_owned());
    fs::write(&program, ONCE.replace("SERVER", &real)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = [
        "restart-with-complete-log",
        "--contender",
        "redlock",
        "--json",
    ];
    let mut command = lab.command(&arguments);
    let ran = command.env("REDLOCK_REDIS_SERVER", &program).output();
    let Output { status, stdout, .. } = ran.unwrap();
    let out = String::from_utf8(stdout).unwrap();
    assert_eq!(status.code(), Some(4), "{out}");
    let said: Value = serde_json::from_str(&out).unwrap();
    let run_of = &said["runs"][0];
    assert_eq!(run_of["outcome"], Value::Null, "{said}");
    assert_eq!(run_of["as_expected"], false, "{said}");
    let why = run_of["not_made"][0].as_str().unwrap();
    assert!(
        why.starts_with("starting node-") && why.contains("it is broken"),
        "{why}"
    );
    let skipped = said["skipped"][0].as_str().unwrap();
    assert!(
        skipped.contains("could not be made") && skipped.contains(why),
        "{skipped}"
    );
    let live = &said["live"];
    let counts = ["as_expected", "not_as_expected", "skipped"].map(|field| live[field].as_u64());
    assert_eq!(counts, [Some(0), Some(0), Some(1)], "{said}");
    let verdict = lab
        .0
        .path()
        .join(run_of["run"].as_str().unwrap())
        .join("verdict.json");
    let verdict: Value = serde_json::from_str(&fs::read_to_string(verdict).unwrap()).unwrap();
    assert_eq!(verdict["not_made"], run_of["not_made"]);
    assert_eq!(verdict["ending"], "inconclusive");
    lab.has_no_process_left();
}

#[test]
fn whoever_interrupts_leaves_nothing_behind() {
    let lab = Lab::new();
    let mut program = lab.start(&["paused-holder", "--json"]);
    let serves = |line: &str| line.contains("redis-server");
    wait_until(|| lab.processes().iter().any(|(_, line)| serves(line)));
    let id = rustix::process::Pid::from_child(&program);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let mut out = String::new();
    std::io::Read::read_to_string(program.stdout.as_mut().unwrap(), &mut out).unwrap();
    let status = program.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{out}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["ending"], "interrupted", "{said}");
    // Nothing was made to its end.
    assert_eq!(said["runs"].as_array().unwrap().len(), 0, "{said}");
    lab.has_no_process_left();
    assert_eq!(lab.left(), Vec::<PathBuf>::new());
}
