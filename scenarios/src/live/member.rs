//! A worker's process, as the supervisor holds it.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use super::{error::Error, guard::Guard};

/// A worker's process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Member {
    child: Child,
    pid: Pid,
    /// Its end tells the worker to finish.
    stdin: Option<ChildStdin>,
    output: PathBuf,
    guard: Arc<Guard>,
}

impl Member {
    /// Starts `program` with these arguments; what it prints on its standard error goes to a file of this name. It gets a
    /// process group of its own, so that Ctrl-C in a terminal reaches the supervisor alone.
    pub(crate) fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        log: &str,
        guard: &Arc<Guard>,
    ) -> Result<Self, Error> {
        let output = guard.folder().join(log);
        let log = File::create(&output).map_err(Error::system("making a worker's log"))?;
        let mut child = Command::new(program)
            .arg0("redlock-lab")
            .args(arguments)
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
    pub(crate) fn stop(&self) -> Result<(), Error> {
        kill_process(self.pid, Signal::STOP).map_err(Error::system("stopping a worker"))
    }

    /// Freezes the worker, and returns once the kernel has stopped every thread of it, or it is gone.
    pub(crate) fn freeze(&self) -> Result<(), Error> {
        self.stop()?;
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid), options)
            .map(drop)
            .map_err(Error::system("awaiting that a worker stops"))
    }

    /// Lets a frozen worker go on (SIGCONT).
    pub(crate) fn cont(&self) -> Result<(), Error> {
        kill_process(self.pid, Signal::CONT).map_err(Error::system("continuing a worker"))
    }

    /// Asks the worker to finish: it lets go of its lease and ends.
    pub(crate) fn finish(&mut self) {
        self.stdin = None;
    }

    /// The worker's last words, when it is no longer there.
    pub(crate) fn ended(&mut self) -> Option<String> {
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
