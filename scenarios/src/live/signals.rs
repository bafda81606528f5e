//! What ends a run before its time.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::Error;

/// Why a run ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interrupt {
    Signal(u8),
    /// Nobody reads our output any more.
    Output,
}

impl Interrupt {
    /// The exit code that shells give such an end: for lost output, that of SIGPIPE.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Signal(number) => 128 + number,
            Self::Output => 128 + 13,
        }
    }
}

impl From<io::Error> for Interrupt {
    fn from(_: io::Error) -> Self {
        Self::Output
    }
}

/// The signals that end a run in an orderly way.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, Error> {
        let on = |kind| signal(kind).map_err(Error::system("handling signals"));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Interrupt {
        Interrupt::Signal(tokio::select! {
            biased;
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            _ = self.hangup.recv() => 1,
        })
    }
}
