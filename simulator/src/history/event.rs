//! What can happen.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{ClockName, ClockSegment},
    time::TrueTime,
};

/// A host by its name: `node-1` …, `client-1` …, `store`; `world` for what no host did.
pub type HostName = Arc<str>;

/// Numbers the operations of one run, in the order of their invocations per host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub Arc<str>);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for OperationId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

/// Numbers the leases of one run: the operation that acquired it.
pub type LeaseId = OperationId;

/// Names an event of a history: `client-1#12`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId {
    /// The host that recorded it.
    pub host: HostName,
    /// Its number there.
    pub sequence: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.host, self.sequence)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, on true time.
    #[serde(rename = "at_ns")]
    pub at: TrueTime,
    /// Where.
    pub host: HostName,
    /// Orders the events of one host.
    pub sequence: u64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

impl Event {
    /// Its name.
    pub fn id(&self) -> EventId {
        EventId {
            host: Arc::clone(&self.host),
            sequence: self.sequence,
        }
    }

    /// What a history is ordered by.
    pub(super) fn key(&self) -> (TrueTime, &str, u64) {
        (self.at, &self.host, self.sequence)
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A clock of the host changed its course: also once per clock as the world begins.
    Clock {
        /// Which.
        clock: ClockName,
        /// From here on.
        #[serde(flatten)]
        segment: ClockSegment,
    },
    /// A fault of the plan began.
    FaultBegan {
        /// Its place in the plan, from 0.
        window: usize,
        /// What it is, in words.
        fault: String,
        /// The hosts that its targets turned out to be. A role that nobody plays resolves to nobody.
        hosts: Vec<HostName>,
    },
    /// A fault of the plan ended.
    FaultEnded {
        /// Its place in the plan, from 0.
        window: usize,
    },
    /// All faults were ended and all hosts are up: from here on the run must make progress.
    Healed,
    /// The host's process started.
    Started {
        /// How many times it started before.
        incarnation: u32,
    },
    /// The host's process is no longer scheduled.
    Paused,
    /// It is again.
    Resumed,
    /// The host's process died.
    Crashed {
        /// The whole machine did: nobody was told.
        power_lost: bool,
        /// Its disk was lost with it.
        data_lost: bool,
    },
    /// A task of the host panicked: the run has failed.
    Panicked {
        /// What it said.
        message: String,
    },
    /// A client began an operation.
    Invoke {
        /// Its number.
        operation: OperationId,
        /// What.
        #[serde(flatten)]
        what: Operation,
    },
    /// The operation ended.
    Return {
        /// Its number.
        operation: OperationId,
        /// How.
        #[serde(flatten)]
        outcome: Outcome,
    },
    /// One attempt of an acquisition was decided, or the publication of its fencing token was. For goals only: no
    /// checker of safety looks at it, because it is what the client says and not what happened.
    Attempt {
        /// The acquisition.
        operation: OperationId,
        /// The owner token of the attempt, in hexadecimal, when the contender has one.
        owner: Option<String>,
        /// Whether it won.
        won: bool,
        /// The nodes whose grant it had received.
        granted: Vec<HostName>,
        /// Its fencing token took a second round of messages: the nodes had answered different counters.
        published: bool,
    },
    /// The deadline of a lease moved on its holder's clocks. Also once as it is acquired: recorded right after the
    /// [`Outcome::Acquired`], at the same instant.
    Deadline {
        /// Which lease.
        lease: LeaseId,
        /// Until when.
        #[serde(flatten)]
        ends: Ends,
    },
    /// The holder was told that the lease is over, or asked and learnt it.
    BeliefEnded {
        /// Which lease.
        lease: LeaseId,
        /// Why.
        why: String,
    },
    /// A node's state changed.
    Node {
        /// The host whose command it was; `None` when it was nobody's (expiry, eviction, a restart) or the world
        /// does not know.
        by: Option<HostName>,
        /// How.
        #[serde(flatten)]
        change: NodeChange,
    },
    /// The protected store received an access.
    Store {
        /// The operation it belongs to.
        operation: OperationId,
        /// What it came to.
        #[serde(flatten)]
        access: StoreAccess,
    },
    /// A segment left the host. Recorded on request.
    Sent {
        /// To which host.
        to: HostName,
        /// The number of the connection on this link.
        connection: u64,
        /// The number of the segment on this connection and direction.
        segment: u64,
        /// Its length.
        bytes: usize,
        /// The latency that was drawn for it.
        latency_ns: u64,
    },
}

/// What a client can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "operation_kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Operation {
    /// Acquire a resource.
    Acquire {
        /// Which.
        resource: String,
    },
    /// Extend a lease.
    Extend {
        /// Which.
        lease: LeaseId,
        /// To how long from now.
        ttl_ms: u64,
    },
    /// Release a lease.
    Release {
        /// Which.
        lease: LeaseId,
    },
    /// Read the protected value under a lease.
    Read {
        /// Of which resource.
        resource: String,
        /// Under which lease.
        lease: LeaseId,
        /// The fencing token sent along.
        token: Option<u64>,
    },
    /// Write the protected value under a lease.
    Write {
        /// Of which resource.
        resource: String,
        /// Under which lease.
        lease: LeaseId,
        /// The fencing token sent along.
        token: Option<u64>,
        /// The value.
        value: u64,
    },
}

/// How an operation ended: `ok`, `fail` (it had no effect) or `info` (unknown).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// A lease was acquired.
    Acquired {
        /// The owner token in its keys, in hexadecimal, when the contender has one.
        owner: Option<String>,
        /// Its fencing token, when the contender has one.
        fencing_token: Option<u64>,
    },
    /// It was done.
    Ok {
        /// What was read.
        value: Option<u64>,
    },
    /// It was not done, and will not be.
    Fail {
        /// Why.
        error: String,
    },
    /// It may have been done, or may yet be.
    Info {
        /// Why nobody knows.
        error: String,
    },
}

/// A deadline as a host's clocks tell it: the lease is over as soon as any of the clocks given has counted
/// `left_ns` since it showed what is given here. It counts from the reading that the client began with (its `t1`),
/// not from the event that reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// The clocks that the holder looks at, and what they showed when it began to count.
    pub since_ns: Vec<(ClockName, u64)>,
    /// How much each may count.
    pub left_ns: u64,
}

/// How a node's state changed. Keys and values are text, with bytes outside printable ASCII escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeChange {
    /// A lock key was set, or its expiry moved.
    Set {
        /// The key.
        key: String,
        /// The owner token.
        owner: String,
        /// The node's wall clock at expiry, in milliseconds since 1970; `None` never.
        expires_wall_ms: Option<i64>,
    },
    /// A lock key went away.
    Removed {
        /// The key.
        key: String,
        /// The owner token it held.
        owner: String,
        /// Why.
        why: Removal,
    },
    /// A fencing counter changed.
    Counter {
        /// Which stripe.
        stripe: String,
        /// Its value.
        counter: u64,
    },
    /// Whether the node votes: a node that was never admitted, restarted, or is in quarantine does not.
    Votes {
        /// Whether it does from now on.
        votes: bool,
    },
}

/// Why a lock key went away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removal {
    /// It was deleted by a command.
    Deleted,
    /// Its time had come. Recorded when the server noticed; the instant follows from the clock.
    Expired,
    /// The server needed room.
    Evicted,
    /// FLUSHALL.
    Flushed,
    /// The server died and its disk did not have it.
    Lost,
    /// Another owner's value was written over it.
    Overwritten,
}

/// An access at the protected store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "access", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreAccess {
    /// A read was answered.
    Read {
        /// Of which resource.
        resource: String,
        /// The fencing token that came along.
        token: Option<u64>,
        /// What was answered.
        value: u64,
    },
    /// A write was applied.
    Written {
        /// Of which resource.
        resource: String,
        /// The fencing token that came along.
        token: Option<u64>,
        /// The value.
        value: u64,
    },
    /// The access was refused: a higher token had been seen.
    Refused {
        /// Of which resource.
        resource: String,
        /// The fencing token that came along.
        token: Option<u64>,
        /// The highest seen.
        highest: u64,
    },
}
