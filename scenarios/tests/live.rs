//! Scenarios of the catalogue on real servers, with the built program: what it says, and that nothing of it is left.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests panic as the tests themselves do"
)]

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
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

    fn start(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_redlock-lab"))
            .args(["run", "--live", "--runs", "runs"])
            .args(arguments)
            .current_dir(self.0.path())
            .env("TMPDIR", self.0.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
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
        let until = Instant::now() + PATIENCE;
        // Whoever was killed is there for a moment more.
        while !self.processes().is_empty() && Instant::now() < until {
            std::thread::yield_now();
        }
        assert_eq!(self.processes(), []);
    }

    /// What is in the folder besides the runs.
    fn left(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.0.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        files.filter(|file| !file.ends_with("runs")).collect()
    }
}
