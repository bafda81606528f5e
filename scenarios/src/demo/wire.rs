//! What supervisor and workers say to each other: one JSON value per line, over a Unix socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Moment;
pub(super) use super::store::{Ask, Reply, line};

/// How a worker uses its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(super) enum Style {
    /// Acquires, works, releases, and never looks whether the lease is still valid. Naive on purpose.
    Plain,
    /// Keeps its lease renewed and works longer, and is as naive.
    Renewed,
    /// Works in the body of `with`, which is cancelled when the lease is lost.
    With,
}

impl Style {
    /// The style of a worker, by its position.
    pub(super) const fn of(position: usize) -> Self {
        match position % 4 {
            1 => Self::Renewed,
            2 => Self::With,
            _ => Self::Plain,
        }
    }

    /// Whether such a worker writes without looking at its lease.
    pub(super) const fn is_naive(self) -> bool {
        !matches!(self, Self::With)
    }

    /// The name for people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Renewed => "keep_renewed",
            Self::With => "with",
        }
    }
}

/// From a worker to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromWorker {
    /// The first line of a connection: who is speaking.
    Hello {
        /// The worker's position.
        worker: usize,
    },
    /// Something happened; nobody answers.
    Event(Event),
    /// A question, to be answered with the same number.
    Ask {
        /// The question's number.
        id: u64,
        /// The question.
        ask: Ask,
    },
}

/// What happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// It wants the lease.
    Wanting,
    /// Its first attempt found the resource held.
    Contended,
    /// It holds a lease.
    Acquired {
        /// The fencing token.
        token: u64,
        /// When acquire had returned.
        at: Moment,
        /// When the lease ends unless it is renewed.
        deadline: Moment,
        /// What the call took.
        took: Duration,
        /// Whether the resource was free at the first attempt; none where that cannot be seen.
        at_once: Option<bool>,
    },
    /// Its lease was renewed.
    Renewed {
        /// When the lease ends now.
        deadline: Moment,
    },
    /// The lease is over, and the worker noticed.
    Lost {
        /// Whether its work was cancelled at that moment.
        cancelled: bool,
    },
    /// It is about to call release.
    Releasing {
        /// When.
        at: Moment,
    },
    /// Release returned.
    Released {
        /// What the call took.
        took: Duration,
    },
    /// It got no lease.
    Failed {
        /// Whether somebody else held the resource all the time.
        contended: bool,
        /// What the client said.
        message: String,
    },
}

/// From the supervisor to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ToWorker {
    /// The question's number.
    pub(super) id: u64,
    /// The answer.
    pub(super) reply: Reply,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_is_one_line() {
        let said = FromWorker::Event(Event::Failed {
            contended: false,
            message: "no quorum:\nnode-1 \"down\"".into(),
        });
        let line = line(&said);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(serde_json::from_slice::<FromWorker>(&line).unwrap(), said);
    }

    #[test]
    fn every_team_has_naive_workers_of_both_kinds() {
        let styles: Vec<_> = (0..2).map(Style::of).collect();
        assert_eq!(styles, [Style::Plain, Style::Renewed]);
        assert!(styles.into_iter().all(Style::is_naive));
        assert!(!Style::of(2).is_naive());
    }
}
