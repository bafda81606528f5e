//! What supervisor and workers say to each other: one JSON value per line, over a Unix socket.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{clock::Moment, gauge::Gauge};

/// How a hand uses a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Style {
    /// Acquires, works, releases.
    Plain,
    /// Keeps its lease renewed, and works past the first renewal.
    Renewed,
    /// Extends its lease by hand.
    Extended,
    /// Works in the body of `with`.
    With,
    /// Tries again and again, without waiting inside of the client.
    Polling,
    /// Drops its lease instead of releasing it.
    Dropped,
    /// Drops the acquisition in the middle.
    Cancelled,
}

/// From a worker to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromWorker {
    /// The first line of a connection: who is speaking.
    Hello {
        /// The number of the process.
        process: usize,
    },
    /// Something happened; nobody answers.
    Event {
        /// Which hand of the process.
        hand: usize,
        /// What happened.
        event: Event,
    },
    /// A question, to be answered with the same number.
    Ask {
        /// The question's number.
        id: u64,
        /// Which hand of the process.
        hand: usize,
        /// The question.
        ask: Ask,
    },
}

/// What happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// It has warmed up.
    Ready {
        /// What it used before it had a client.
        before: Gauge,
        /// What it used with an idle client.
        idle: Gauge,
    },
    /// It holds a lease.
    Acquired {
        /// Which resource.
        resource: usize,
        /// The fencing token.
        token: u64,
        /// When acquire had returned.
        at: Moment,
        /// When the lease ends unless it is prolonged.
        deadline: Moment,
        /// What the call took.
        took: Duration,
        /// What it is used for.
        style: Style,
    },
    /// Its lease was prolonged.
    Prolonged {
        /// When the lease ends now.
        deadline: Moment,
    },
    /// An extension by hand was not confirmed.
    NotExtended,
    /// The lease was over before its holder was done.
    Lost,
    /// It is about to call release, or to drop the lease. Written before that.
    Releasing {
        /// When.
        at: Moment,
    },
    /// It dropped an acquisition in the middle.
    Cancelled,
    /// It got no lease.
    Failed {
        /// Why.
        failure: Failure,
        /// What the client said.
        message: String,
    },
    /// All its hands have let go for the last time.
    Done {
        /// When.
        at: Moment,
    },
    /// The client is shut down and dropped.
    Final {
        /// What the worker used with the client shut down.
        idle: Gauge,
        /// What it used after the client was dropped.
        after: Gauge,
        /// How long the shutdown took.
        drained: Duration,
        /// What the client could not deliver; empty when everything was.
        undelivered: String,
    },
}

/// Why an acquisition failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// Somebody else held the resource all the time.
    Contended,
    /// Too few nodes could be reached, or may vote.
    Unavailable,
    /// The quorum came too late for the TTL.
    TooSlow,
    /// A mistake in the configuration: there is none.
    Misconfigured,
}

/// What a hand asks the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Read both counters of the resource.
    Read {
        /// Which resource.
        resource: usize,
        /// The reader's fencing token.
        token: u64,
    },
    /// The lease was looked at and is valid: may the write leave? The supervisor stops holders exactly here.
    MayWrite,
    /// Write both counters of the resource.
    Write {
        /// Which resource.
        resource: usize,
        /// The writer's fencing token.
        token: u64,
        /// The new value of the fenced counter.
        fenced: u64,
        /// The new value of the unfenced counter.
        unfenced: u64,
        /// The lease's end when it was last looked at, which was before this.
        deadline: Moment,
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

/// The answer to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    /// The values of both counters.
    Values {
        /// The fenced one.
        fenced: u64,
        /// The unfenced one.
        unfenced: u64,
    },
    /// The token is below the highest that the store has seen.
    Stale,
    /// Go ahead; or done.
    Done,
}
