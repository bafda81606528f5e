//! What happened, to the supervisor.

use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    sync::{Mutex, PoisonError},
};

use simulator::{TrueTime, history::EventKind};

use super::super::{
    watch::Watch,
    wire::{FromWorker, line},
};

/// Writes lines at once and not by a task: what was said before a command goes out is with the kernel by then, also when the
/// process is killed right after.
#[derive(Debug)]
pub(super) struct Reporter {
    socket: Mutex<UnixStream>,
    watch: Watch,
}

impl Reporter {
    pub(super) const fn new(socket: UnixStream, watch: Watch) -> Self {
        Self {
            socket: Mutex::new(socket),
            watch,
        }
    }

    /// Records an event of this host, now.
    pub(super) fn record(&self, kind: EventKind) {
        // The instant is taken inside of the lock, so that the order of lines is that of time.
        self.tell(|at_ns| FromWorker::Event { at_ns, kind });
    }

    pub(super) fn say(&self, said: &FromWorker) {
        self.tell(|_| said.clone());
    }

    fn tell(&self, said: impl FnOnce(TrueTime) -> FromWorker) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let written = line(&said(self.watch.now())).and_then(|line| socket.write_all(&line));
        if written.is_err() {
            // Nobody is left to work for.
            std::process::exit(0);
        }
    }
}
