//! The process that cleans up when the supervisor cannot: killed without warning, it runs no destructor.
//!
//! The guard owns the temporary folder and knows the workers' process ids. It reads a pipe that only the supervisor can
//! write to; the end of that pipe, in whatever way it comes, means that the supervisor is gone. Then the guard kills what is
//! left and removes the folder. (The testkit's own guards kill the servers.)

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use super::{clock, error::Error};

/// Longer paths leave no room for the socket's name: the system's limit is about a hundred bytes.
const LONGEST_PARENT: usize = 60;
/// How often the folder's removal is tried: a server that is just being killed may still write into it.
const ATTEMPTS: usize = 100;

/// The arguments of the guard process: none.
#[derive(Clone, Debug, clap::Args)]
pub struct GuardOptions {}

/// The supervisor's end of the guard.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
    /// Its end makes the guard clean up, so it is open as long as the supervisor runs.
    pipe: Mutex<Option<ChildStdin>>,
    folder: PathBuf,
}

impl Guard {
    /// Starts the guard, which makes the temporary folder.
    pub(crate) fn start(program: &Path) -> Result<Self, Error> {
        let mut child = Command::new(program)
            .arg0("redlock-lab")
            .arg("guard")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for the supervisor alone.
            .process_group(0)
            .spawn()
            .map_err(Error::system("starting the guard"))?;
        let pipe = child.stdin.take();
        let mut folder = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said)
                .read_line(&mut folder)
                .map_err(Error::system("reading the guard's answer"))?;
        }
        let guard = Self {
            child,
            pipe: Mutex::new(pipe),
            folder: folder.trim_end_matches('\n').into(),
        };
        if guard.folder.is_dir() {
            return Ok(guard);
        }
        Err(Error::System {
            what: "making a temporary folder",
            source: std::io::Error::other(format!(
                "no folder in {}",
                std::env::temp_dir().display()
            )),
        })
    }

    /// The folder that everything of the run lies in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// This child is to be killed when the supervisor is gone.
    pub(crate) fn watch(&self, pid: u32) -> Result<(), Error> {
        self.tell("watch", pid)
            .map_err(Error::system("talking to the guard"))
    }

    /// This child is about to be reaped, after which its id may become somebody else's.
    pub(crate) fn forget(&self, pid: u32) {
        // A guard that is gone kills nobody.
        let _ = self.tell("forget", pid);
    }

    fn tell(&self, what: &str, pid: u32) -> std::io::Result<()> {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        pipe.as_mut().map_or(Ok(()), |pipe| {
            pipe.write_all(format!("{what} {pid}\n").as_bytes())
        })
    }
}

/// Lets the guard remove the folder, and waits for it.
impl Drop for Guard {
    fn drop(&mut self) {
        let mut pipe = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        drop(pipe.take());
        let _ = self.child.wait();
    }
}

/// The guard process: makes the folder, says where it is, and waits for the supervisor's end.
///
/// # Errors
/// When the folder can be neither made nor removed.
pub fn guard(_: &GuardOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("starting a runtime"))?;
    {
        // A handler that does nothing: the guard ends when the supervisor does, and not before.
        let _context = runtime.enter();
        let polite = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::terminate(),
        ];
        for kind in polite {
            drop(signal(kind).map_err(Error::system("handling signals"))?);
        }
    }
    let mut parent = std::env::temp_dir();
    if parent.as_os_str().len() > LONGEST_PARENT {
        parent = "/tmp".into();
    }
    let folder = tempfile::Builder::new()
        .prefix("redlock-lab-")
        .tempdir_in(parent)
        .map_err(Error::system("making a temporary folder"))?;
    let mut out = std::io::stdout();
    // Nobody may be there to read it any more; then the pipe's end is seen next.
    let _ = writeln!(out, "{}", folder.path().display()).and_then(|()| out.flush());
    let left = watched_at_the_end(std::io::stdin().lock());
    for pid in left.into_iter().filter_map(Pid::from_raw) {
        // A stopped process dies of it like any other. An error means that it is gone.
        let _ = kill_process(pid, Signal::KILL);
    }
    let path = folder.keep();
    runtime.block_on(remove(&path))
}

/// Reads to the end of the pipe; what is then still watched.
fn watched_at_the_end(pipe: impl BufRead) -> BTreeSet<i32> {
    let mut watched = BTreeSet::new();
    for line in pipe.lines().map_while(Result::ok) {
        let mut words = line.split(' ');
        let (what, pid) = (words.next(), words.next().and_then(|pid| pid.parse().ok()));
        match (what, pid) {
            (Some("watch"), Some(pid)) => drop(watched.insert(pid)),
            (Some("forget"), Some(pid)) => drop(watched.remove(&pid)),
            _ => {}
        }
    }
    watched
}

async fn remove(folder: &Path) -> Result<(), Error> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match std::fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => last = Some(error),
        }
        clock::sleep(Duration::from_millis(50)).await;
    }
    last.map_or(Ok(()), |source| {
        Err(Error::System {
            what: "removing the temporary folder",
            source,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_kills_only_what_was_not_forgotten() {
        let pipe = b"watch 11\nwatch 12\nforget 11\nwatch 13\nnonsense\nwatch x\n";
        let left: Vec<_> = watched_at_the_end(&pipe[..]).into_iter().collect();
        assert_eq!(left, [12, 13]);
    }
}
