//! A child process that does not outlive us.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::Error;

/// Starts a guard in the background and becomes the program. The guard reads the pipe that we hold the other end of: the
/// end of that pipe without a word means that we died, in whatever way, and it kills the program, whose process id is this
/// shell's. A parent-death signal would do the same, but it fires when the *thread* that spawned the process ends, and test
/// harnesses end threads all the time.
const GUARDED: &str = r#"exec 3<&0
( trap '' HUP INT QUIT TERM; read -r _ <&3 || kill -KILL $$ ) </dev/null >/dev/null 2>&1 &
exec 3<&- </dev/null
exec "$@""#;

/// How long a polite request to end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running program and the pipe of its guard. Dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    /// Its end makes the guard kill, so it is open as long as the process shall live.
    guard: Option<ChildStdin>,
}

impl Process {
    /// Runs `program arguments…`, with both output streams going to the file `output`. It gets a process group of its own,
    /// so that Ctrl-C in a terminal reaches us and not the servers, some of which may be stopped.
    pub(crate) fn spawn(program: &Path, arguments: &[&Path], output: &File) -> Result<Self, Error> {
        let streams = || {
            output
                .try_clone()
                .map(Stdio::from)
                .map_err(Error::system("sharing the output file"))
        };
        let mut child = Command::new("sh")
            .args(["-c", GUARDED, "redlock-testkit"])
            .arg(program)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(streams()?)
            .stderr(streams()?)
            .process_group(0)
            .spawn()
            .map_err(Error::system("starting sh"))?;
        let guard = child.stdin.take();
        Ok(Self {
            pid: Pid::from_child(&child),
            child,
            guard,
        })
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
    /// stopped process dies of SIGKILL like any other. Errors mean that it is gone already.
    fn end(&mut self) {
        let _ = self.child.kill();
        if let Some(mut guard) = self.guard.take() {
            let _ = guard.write_all(b"done\n");
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
