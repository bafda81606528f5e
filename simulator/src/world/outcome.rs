//! What came of a run.

use std::fmt;

use super::replay::Replay;
use crate::{
    history::{EventKind, History, HostName, Outcome},
    time::TrueTime,
};

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// Everything that happened.
    pub history: History,
    /// Why the run itself went wrong, if it did: then its history says nothing.
    pub failure: Option<Failure>,
    /// Since when no client succeeded with anything although something waits, if that is how the second phase went from
    /// its beginning to its end. The history is what happened all the same; a checker judges it.
    pub stuck: Option<TrueTime>,
    /// Who waited for what as it ended, and which hosts, clocks, nodes and links were not whole, a line each.
    pub waiting: String,
    /// All that it takes to run it again.
    pub replay: Replay,
}

/// How a run itself can go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// A program on a host panicked.
    Panic {
        /// On which host.
        host: HostName,
        /// What it said.
        message: String,
    },
    /// The tasks of a host woke themselves or each other without end, so that time stood still. Only tasks that
    /// yield are noticed: one that computes for ever within one poll hangs the run.
    Spinning {
        /// Which host.
        host: HostName,
        /// When.
        at: TrueTime,
    },
    /// The world broke down.
    World(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { host, message } => write!(f, "{host} panicked: {message}"),
            Self::Spinning { host, at } => write!(
                f,
                "{host} spins: its tasks went on and on at {at} without waiting for anything"
            ),
            Self::World(message) => write!(f, "the world broke down: {message}"),
        }
    }
}

/// How it ended; if it failed or got stuck also who waited for what, and the file to run it again with
/// ([`Replay::read`]).
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, end) = (self.history.events().len(), self.history.end());
        match (&self.failure, self.stuck) {
            (Some(failure), _) => writeln!(f, "{failure}")?,
            (None, Some(since)) => writeln!(
                f,
                "nobody got anywhere from {since}, when the world healed, to the end"
            )?,
            (None, None) => return write!(f, "{events} events until {end}"),
        }
        writeln!(f, "after {events} events, at {end}")?;
        for line in self.waiting.lines() {
            writeln!(f, "  {line}")?;
        }
        write!(f, "to run it again:\n\n{}", self.replay)
    }
}

/// When the world healed, unless some client succeeded with something after that.
pub(super) fn no_success_since_heal(history: &History) -> Option<TrueTime> {
    let events = history.events();
    let healed = events
        .iter()
        .rposition(|event| event.kind == EventKind::Healed)?;
    let succeeded = events[healed..].iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Return {
                outcome: Outcome::Acquired { .. } | Outcome::Ok { .. },
                ..
            }
        )
    });
    (!succeeded).then_some(events[healed].at)
}
