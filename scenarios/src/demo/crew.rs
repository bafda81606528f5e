//! The workers' processes, as the supervisor holds them.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use clap::ValueEnum;
use rustix::process::{Pid, Signal, kill_process};

use super::{error::Error, guard::Guard, wire::Style};

/// What all workers are started with.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) program: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) nodes: Vec<String>,
    pub(super) ttl: Duration,
    pub(super) max_ttl: Duration,
    pub(super) seed: u64,
}

/// A worker's process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Member {
    child: Child,
    pid: Pid,
    /// Its end tells the worker to finish.
    stdin: Option<ChildStdin>,
    output: PathBuf,
    guard: Arc<Guard>,
}

impl Member {
    /// Starts the worker at this position. It gets a process group of its own, so that Ctrl-C in a terminal reaches the
    /// supervisor alone.
    pub(super) fn start(
        position: usize,
        orders: &Orders,
        guard: &Arc<Guard>,
    ) -> Result<Self, Error> {
        let output = guard.folder().join(format!("worker-{position}.log"));
        let log = File::create(&output).map_err(Error::system("making a worker's log"))?;
        let style = Style::of(position).to_possible_value();
        let mut child = Command::new(&orders.program)
            .arg0("redlock-lab")
            .arg("worker")
            .args(["--position", &position.to_string()])
            .args([
                "--style",
                style.as_ref().map_or("plain", |style| style.get_name()),
            ])
            .args(["--ttl-ms", &orders.ttl.as_millis().to_string()])
            .args(["--max-ttl-ms", &orders.max_ttl.as_millis().to_string()])
            .args(["--seed", &orders.seed.to_string()])
            .arg("--socket")
            .arg(&orders.socket)
            .args(&orders.nodes)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(Error::system("starting a worker"))?;
        let member = Self {
            stdin: child.stdin.take(),
            pid: Pid::from_child(&child),
            child,
            output,
            guard: guard.clone(),
        };
        guard.watch(member.child.id())?;
        Ok(member)
    }

    /// Freezes the worker (SIGSTOP).
    pub(super) fn stop(&self) -> Result<(), Error> {
        kill_process(self.pid, Signal::STOP).map_err(Error::system("stopping a worker"))
    }

    /// Lets a frozen worker go on (SIGCONT).
    pub(super) fn cont(&self) -> Result<(), Error> {
        kill_process(self.pid, Signal::CONT).map_err(Error::system("continuing a worker"))
    }

    /// Asks the worker to finish: it lets go of its lease and ends.
    pub(super) fn finish(&mut self) {
        self.stdin = None;
    }

    /// The worker's last words, when it is no longer there.
    pub(super) fn ended(&mut self) -> Option<String> {
        // An error means that it was reaped already, which only happens on drop.
        let status = self.child.try_wait().ok().flatten()?;
        self.guard.forget(self.child.id());
        Some(last_words(&self.output).unwrap_or_else(|| status.to_string()))
    }
}

fn last_words(output: &Path) -> Option<String> {
    let text = std::fs::read_to_string(output).ok()?;
    text.lines().next_back().map(String::from)
}

impl Drop for Member {
    fn drop(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        self.guard.forget(self.child.id());
        let _ = self.child.wait();
    }
}
