//! A child process that does not outlive us.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::Error;

/// Waits for a word and becomes the program. Without the word, because we died before we could say it, nothing starts.
const STARTER: &str = r#"read -r word || exit 1; exec "$@" </dev/null"#;

/// Reads the id of a process from a pipe of which only we hold the other end, and then a word. The end of the pipe without
/// that word means that we died, in whatever way, and it kills the process and removes its folder. A parent-death signal
/// would kill as well, but it fires when the *thread* that spawned the process ends, and test harnesses end threads all the
/// time.
const GUARD: &str = r#"trap '' HUP INT QUIT TERM
read -r pid && { read -r word || { kill -KILL "$pid"; rm -rf "$1"; }; }"#;

/// How long a polite request to end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program and its guard. Dropping it kills and reaps both.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    guard: Child,
}

impl Process {
    /// Runs `program arguments…`, with both output streams going to the file `output`. Removing `folder` is the caller's
    /// business as long as we live.
    pub(crate) fn spawn(
        program: &Path,
        arguments: &[&Path],
        output: &File,
        folder: &Path,
    ) -> Result<Self, Error> {
        let streams = || {
            output
                .try_clone()
                .map(Stdio::from)
                .map_err(Error::system("sharing the output file"))
        };
        let mut starter = shell(STARTER);
        starter
            .arg(program)
            .args(arguments)
            .stdout(streams()?)
            .stderr(streams()?);
        let mut guard = shell(GUARD);
        guard
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut guard = guard.spawn().map_err(Error::system("starting sh"))?;
        let child = match starter.spawn() {
            Ok(child) => child,
            Err(error) => {
                // The end of its pipe ends the guard, which knows no process yet.
                let _ = guard.wait();
                return Err(Error::system("starting sh")(error));
            }
        };
        let mut process = Self {
            pid: Pid::from_child(&child),
            child,
            guard,
        };
        // The guard knows the process before that becomes the program.
        let id = format!("{}\n", process.id());
        tell(process.guard.stdin.as_mut(), &id).map_err(Error::system("telling the guard"))?;
        tell(process.child.stdin.take().as_mut(), "go\n")
            .map_err(Error::system("starting the program"))?;
        Ok(process)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the program still exists, stopped or not. Looks without reaping: a reaped id may belong to somebody else.
    pub(crate) fn is_alive(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(self.pid), options), Ok(None))
    }

    /// Freezes the program and returns once the kernel has stopped every thread of it.
    pub(crate) fn stop(&self) -> Result<(), Error> {
        self.signal(Signal::STOP)?;
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid), options)
            .map(drop)
            .map_err(Error::system("awaiting the stop"))
    }

    /// Lets a stopped program run again.
    pub(crate) fn cont(&self) -> Result<(), Error> {
        self.signal(Signal::CONT)
    }

    /// Asks the program to end and reaps it; kills it when it takes too long.
    pub(crate) fn terminate(mut self) -> Result<(), Error> {
        self.signal(Signal::TERM)?;
        self.cont()?;
        let asked = Instant::now();
        while self.is_alive() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(2));
        }
        self.end();
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        kill_process(self.pid, signal).map_err(Error::system("sending a signal"))
    }

    /// Kills, tells the guard that its work is done, and only then reaps: the guard never sees the id of somebody else. A
    /// stopped process dies of SIGKILL like any other. Errors mean that one of them is gone already.
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = tell(self.guard.stdin.take().as_mut(), "done\n");
        let _ = self.guard.wait();
        let _ = self.child.wait();
    }
}

/// A shell that runs a script and reads from us. It gets a process group of its own, so that Ctrl-C in a terminal reaches us
/// and not the servers, some of which may be stopped.
fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "redlock-testkit"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .process_group(0);
    command
}

fn tell(pipe: Option<&mut ChildStdin>, words: &str) -> std::io::Result<()> {
    pipe.map_or(Ok(()), |pipe| pipe.write_all(words.as_bytes()))
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
