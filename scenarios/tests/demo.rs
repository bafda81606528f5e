//! The demonstration as its audience runs it: the built binary, real servers, and an eye on what it leaves behind.
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
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take that should take a moment.
const PATIENCE: Duration = Duration::from_secs(30);
const STOPPED_HOLDER: &str = "is stopped (SIGSTOP) with";
const KILLED_NODE: &str = "is killed (SIGKILL)";

/// A run of the binary in a temporary folder of its own.
struct Lab {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
    folder: TempDir,
    /// The child itself first; then all that descended from it when we looked.
    pids: BTreeSet<i32>,
}

impl Lab {
    fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redlock-lab"));
        command
            .arg("demo")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Self::command(folder.path());
        Self::spawn(command.args(arguments), folder)
    }

    fn spawn(command: &mut Command, folder: TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            seen: Vec::new(),
            folder,
            pids: BTreeSet::new(),
        }
    }

    /// Waits for a line with this text, and notes which processes there are now.
    fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.seen.last().is_some_and(|line| line.contains(text)) {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("{error}: no line with {text:?} in {:#?}", self.seen),
            }
        }
        self.pids.extend(family(self.child.id()));
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end; the exit code, and everything that was printed.
    fn end(&mut self) -> (Option<i32>, String) {
        let until = Instant::now() + PATIENCE;
        while let Ok(line) = self
            .lines
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line);
        }
        let code = self.child.wait().unwrap().code();
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (code, self.seen.join("\n") + &errors)
    }

    /// No process that was ours is there any more, and no file.
    fn assert_nothing_is_left(&self) {
        // Five servers, four workers, and the guard, at least.
        assert!(self.pids.len() >= 11, "only {:?}", self.pids);
        let until = Instant::now() + PATIENCE;
        loop {
            let processes: Vec<_> = self.pids.iter().filter(|pid| lives(**pid)).collect();
            let files: Vec<_> = fs::read_dir(self.folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .collect();
            if processes.is_empty() && files.is_empty() {
                return;
            }
            assert!(
                Instant::now() < until,
                "left behind: {processes:?} and {files:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A failed test leaves the cleaning up to the guard.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(from: ChildStdout) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

/// Whether a process exists and is not just waiting to be reaped.
fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// A process and all that descend from it.
fn family(root: u32) -> BTreeSet<i32> {
    let all = fs::read_dir("/proc").unwrap();
    let parents: BTreeMap<i32, i32> = all
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.1)))
        .collect();
    let mut family = BTreeSet::from([i32::try_from(root).unwrap()]);
    loop {
        let children: Vec<_> = parents
            .iter()
            .filter(|(pid, parent)| family.contains(parent) && !family.contains(pid))
            .map(|(pid, _)| *pid)
            .collect();
        if children.is_empty() {
            return family;
        }
        family.extend(children);
    }
}

/// The figure in a line of the table.
fn figure(output: &str, line: &str) -> u64 {
    let row = output
        .lines()
        .find(|row| row.starts_with(&format!("| {line}")));
    let cell = row
        .and_then(|row| row.split('|').nth(2))
        .unwrap_or_else(|| panic!("no line {line:?} in\n{output}"));
    cell.split_whitespace().next().unwrap().parse().unwrap()
}

/// The whole script of faults in eight seconds. It shows that the fence is put to the test each time, and holds.
#[test]
fn a_run_shows_what_it_promises_and_leaves_nothing_behind() {
    let mut lab = Lab::start(&["--seconds", "8", "--plain", "--seed", "7"]);
    lab.wait_for(STOPPED_HOLDER);
    lab.wait_for("goes on after");
    lab.wait_for("is restarted empty");
    lab.wait_for("is back without its memory: quarantined");
    lab.wait_for("is admitted and votes again");
    let (code, output) = lab.end();
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("verdict: as expected"), "{output}");
    assert_eq!(figure(&output, "overlaps of validity windows"), 0);
    assert_eq!(figure(&output, "fencing tokens out of order"), 0);
    assert_eq!(figure(&output, "lost updates, fenced counter"), 0);
    assert!(figure(&output, "acquisitions") >= 10, "{output}");
    assert!(figure(&output, "contentions") >= 1, "{output}");
    assert!(figure(&output, "losses") >= 2, "{output}");
    assert_eq!(figure(&output, "holders paused past their TTL"), 2);
    assert!(figure(&output, "stale writes refused") >= 2, "{output}");
    assert!(
        figure(&output, "lost updates, unfenced counter") >= 1,
        "{output}"
    );
    for line in [
        "acquire, free",
        "acquire, waited",
        "release",
        "takeover from a paused holder",
    ] {
        assert!(output.contains(&format!("| {line}")), "{output}");
    }
    assert!(!output.contains('\x1b'), "escapes in plain output");
    lab.assert_nothing_is_left();
}

/// In the worst of moments: one of its children is stopped.
#[test]
fn an_interrupted_run_shows_what_it_has_and_leaves_nothing_behind() {
    let mut lab = Lab::start(&["--seconds", "8"]);
    lab.wait_for(STOPPED_HOLDER);
    lab.signal(Signal::INT);
    let (code, output) = lab.end();
    assert_eq!(code, Some(130), "{output}");
    assert!(output.contains("interrupted after"), "{output}");
    assert!(figure(&output, "acquisitions") >= 1);
    assert_eq!(figure(&output, "overlaps of validity windows"), 0);
    lab.assert_nothing_is_left();
}

/// Killed without a chance to clean up, once with a stopped worker, and once with a node that is down and therefore has no
/// guard of its own.
#[test]
fn a_killed_supervisor_leaves_nothing_behind() {
    for moment in [STOPPED_HOLDER, KILLED_NODE] {
        let mut lab = Lab::start(&["--seconds", "6"]);
        lab.wait_for("no valid lease");
        lab.wait_for(moment);
        lab.signal(Signal::KILL);
        assert_eq!(lab.end().0, None);
        lab.assert_nothing_is_left();
    }
}

/// As in `redlock-lab | head -1`.
#[test]
fn a_run_whose_output_nobody_reads_ends_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Lab::command(folder.path())
        .args(["--seconds", "3600"])
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("lease: worker") {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0);
    }
    let pids = family(child.id());
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    assert!(pids.iter().all(|pid| !lives(*pid)));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn run(command: &mut Command) -> (Output, String) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, errors)
}

#[test]
fn a_missing_server_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Lab::command(folder.path());
    let (output, errors) = run(command
        .env("PATH", "")
        .env("REDLOCK_REDIS_SERVER", "/nowhere/redis-server"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("/nowhere/redis-server"), "{errors}");

    let mut command = Lab::command(folder.path());
    let (output, errors) = run(command.env("PATH", "").env_remove("REDLOCK_REDIS_SERVER"));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(
        errors.contains("redis-server was not found: install it with"),
        "{errors}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_argument_is_an_error_of_use() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["--seconds", "1"][..],
        &["--workers", "1"],
        &["--no-such-flag"],
    ] {
        let (output, errors) = run(Lab::command(folder.path()).args(arguments));
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let flag = arguments.iter().find(|argument| argument.starts_with("--"));
        assert!(errors.contains(flag.unwrap()), "{errors}");
    }
}

/// A folder to be the whole search path, with a package manager that runs this script, and a `sudo` that asks nothing.
fn path_with_apt_get(script: &str) -> TempDir {
    let bin = tempfile::tempdir().unwrap();
    for program in ["sh", "rm"] {
        symlink(which(program), bin.path().join(program)).unwrap();
    }
    for (name, script) in [("apt-get", script), ("sudo", "shift; exec \"$@\"")] {
        let file = bin.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file()).unwrap()
}

#[test]
fn a_missing_server_is_installed_where_that_needs_no_password() {
    let server = std::env::var_os("REDLOCK_REDIS_SERVER")
        .map_or_else(|| which("redis-server"), PathBuf::from);
    let ln = which("ln");
    let script = format!(
        "case \"$*\" in update*) ;; 'install -y -qq redis-server') {} -s {} \"$BIN/redis-server\" ;; *) exit 9 ;; esac",
        ln.display(),
        server.display()
    );
    let bin = path_with_apt_get(&script);
    let folder = tempfile::tempdir().unwrap();
    let mut command = Lab::command(folder.path());
    command
        .env("PATH", bin.path())
        .env("BIN", bin.path())
        .env_remove("REDLOCK_REDIS_SERVER")
        .args(["--seconds", "6"]);
    let mut lab = Lab::spawn(&mut command, folder);
    lab.wait_for("lease: worker");
    lab.signal(Signal::INT);
    let (code, output) = lab.end();
    assert_eq!(code, Some(130), "{output}");
    assert!(
        output.contains("redis-server is missing: installing it with"),
        "{output}"
    );
    lab.assert_nothing_is_left();
}

#[test]
fn a_failed_installation_says_why_and_what_to_do() {
    let bin = path_with_apt_get("echo 'E: no such network' >&2; exit 100");
    let folder = tempfile::tempdir().unwrap();
    let mut command = Lab::command(folder.path());
    let (output, errors) = run(command
        .env("PATH", bin.path())
        .env_remove("REDLOCK_REDIS_SERVER"));
    assert_eq!(output.status.code(), Some(2));
    let last = errors.lines().next_back().unwrap();
    assert!(
        last.contains("apt-get update failed (E: no such network)")
            && last.contains("apt-get install redis-server"),
        "{errors}"
    );
}
