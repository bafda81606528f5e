//! Errors, one enum per operation, each with what every node answered.

use std::time::Duration;

use crate::{
    protocol::{Reason, extend::Loss},
    report::Report,
};

/// Why a client could not be built. Nothing was sent to anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No node was configured.
    #[error(
        "no nodes: pass the URL of every Redis node to `nodes`, five independent masters for a start"
    )]
    NoNodes,
    /// More nodes than a cluster may have.
    #[error("{0} nodes are more than {max}, the most a cluster may have", max = crate::protocol::Quorum::MAX_NODES)]
    TooManyNodes(usize),
    /// A node's URL cannot be read. The URL itself is left out because it may hold a password.
    #[error(
        "node {index} has a URL that cannot be read ({problem}); expected redis://[user:password@]host[:port][/db], rediss://… for TLS, or unix:///path"
    )]
    InvalidUrl {
        /// Position of the node, counted from 1.
        index: usize,
        /// What is wrong with it, without secrets.
        problem: String,
    },
    /// Two nodes have one address.
    #[error(
        "nodes {first} and {second} are the same server, {name}: every node must be an independent server"
    )]
    DuplicateNode {
        /// Position of the first, counted from 1.
        first: usize,
        /// Position of the second, counted from 1.
        second: usize,
        /// Its address.
        name: String,
    },
    /// The quorum is not a majority of the nodes.
    #[error("a quorum of {asked} is not possible with {nodes} nodes: it must be a majority, {least} to {nodes}", least = nodes / 2 + 1)]
    InvalidQuorum {
        /// The quorum asked for.
        asked: usize,
        /// The number of nodes.
        nodes: usize,
    },
    /// The default TTL cannot be used.
    #[error(transparent)]
    Ttl(#[from] TtlError),
    /// `max_ttl` is out of range.
    #[error("max_ttl is {} ms; it must be between the TTL and {} days", .0.as_millis(), crate::config::LONGEST_MAX_TTL.as_secs() / 86_400)]
    InvalidMaxTtl(Duration),
    /// The key prefix is not usable.
    #[error("key prefix {0:?} cannot be used: 1 to 64 letters, digits, '.', '_' or '-'")]
    InvalidPrefix(String),
    /// A number is out of its range.
    #[error("{name} must be {least} to {most}, and is {asked}")]
    OutOfRange {
        /// The setting.
        name: &'static str,
        /// What it was set to.
        asked: u128,
        /// The smallest possible value.
        least: u128,
        /// The largest possible value.
        most: u128,
    },
}

/// Why a TTL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TtlError {
    /// Less than a millisecond.
    #[error("a TTL of {} µs is below 1 ms, the smallest that Redis keeps", .0.as_micros())]
    TooShort(Duration),
    /// The drift allowance and the smallest useful validity eat it up.
    #[error("a TTL of {} ms leaves no validity after the drift allowance and a min_validity of {} ms; use at least {} ms", .ttl.as_millis(), .min_validity.as_millis(), .least.as_millis())]
    BelowAllowance {
        /// The TTL asked for.
        ttl: Duration,
        /// The configured least validity.
        min_validity: Duration,
        /// The smallest TTL that would do, in whole milliseconds.
        least: Duration,
    },
    /// Longer than the cluster's maximum.
    #[error("a TTL of {} ms is above max_ttl ({} ms), on which the restart guard counts; raise max_ttl on every client or ask for less", .ttl.as_millis(), .max_ttl.as_millis())]
    AboveMax {
        /// The TTL asked for.
        ttl: Duration,
        /// The cluster's maximum.
        max_ttl: Duration,
    },
}

/// Why a resource name cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Zero bytes.
    #[error("the resource name is empty; name what the lock protects")]
    Empty,
    /// More bytes than travel well in every call.
    #[error("the resource name has {0} bytes; the most is {max}: use a hash of it", max = crate::protocol::key::LockKey::MAX_RESOURCE_BYTES)]
    TooLong(usize),
}

/// Why a lease could not be acquired. Whatever the reason, everything that the attempt may have left
/// on a node is being released.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// The resource name cannot be used.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The TTL cannot be used.
    #[error(transparent)]
    Ttl(#[from] TtlError),
    /// Another owner held the resource until the waiting time was over.
    #[error("still held by another owner after {} ms and {attempts} attempts ({report})", .waited.as_millis())]
    Contended {
        /// How long was waited.
        waited: Duration,
        /// How many attempts were made.
        attempts: u32,
        /// The last attempt.
        report: Box<Report>,
    },
    /// Too few nodes could be reached.
    #[error("no quorum: {report}")]
    NoQuorum {
        /// The last attempt.
        report: Box<Report>,
    },
    /// Too many nodes are in quarantine: they are new, restarted, or were flushed.
    #[error("too many nodes are quarantined for {} ms more, because they may have forgotten locks ({report}); on a cluster that never held a lock call `admit_new_cluster` once", .remaining.as_millis())]
    Quarantined {
        /// When a quorum of nodes votes again.
        remaining: Duration,
        /// The last attempt.
        report: Box<Report>,
    },
    /// A quorum granted, but only after the validity had run out.
    #[error("a quorum granted only after {} ms, and a TTL of {} ms is valid for {} ms: raise the TTL or look for the delay ({report})", .elapsed.as_millis(), .ttl.as_millis(), .validity.as_millis())]
    TooSlow {
        /// How long the attempt took.
        elapsed: Duration,
        /// The TTL asked for.
        ttl: Duration,
        /// What of it could have been relied on.
        validity: Duration,
        /// The last attempt.
        report: Box<Report>,
    },
    /// Nodes refused for a reason that waiting does not mend.
    #[error("misconfigured: {report}")]
    Misconfigured {
        /// The last attempt.
        report: Box<Report>,
    },
    /// The client was shut down.
    #[error("the client was shut down")]
    ShutDown,
    /// Nothing can run the client's tasks.
    #[error("called outside of a tokio runtime")]
    NoRuntime,
}

impl AcquireError {
    /// Whether somebody else holds the resource.
    pub const fn is_contended(&self) -> bool {
        matches!(self, Self::Contended { .. })
    }

    /// Whether too few nodes could be reached or may vote at the moment.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::NoQuorum { .. } | Self::Quarantined { .. })
    }

    /// Whether the quorum came too late for the TTL.
    pub const fn is_too_slow(&self) -> bool {
        matches!(self, Self::TooSlow { .. })
    }

    /// Whether the call or the configuration is at fault, so that trying again cannot help.
    pub const fn is_misconfigured(&self) -> bool {
        matches!(
            self,
            Self::Misconfigured { .. } | Self::Resource(_) | Self::Ttl(_) | Self::NoRuntime
        )
    }

    /// What every node answered to the last attempt.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Contended { report, .. }
            | Self::NoQuorum { report }
            | Self::Quarantined { report, .. }
            | Self::TooSlow { report, .. }
            | Self::Misconfigured { report } => Some(report),
            _ => None,
        }
    }
}

/// Why a lease was not extended.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtendError {
    /// The TTL cannot be used. The lease stands as it was.
    #[error(transparent)]
    Ttl(#[from] TtlError),
    /// The lease is over; it is never re-acquired by an extension.
    #[error("the lease is lost: {}", describe_loss(.0))]
    Lost(Loss),
    /// The lease was released.
    #[error("the lease was released")]
    Released,
    /// Fewer than a quorum of nodes confirmed in time. Nothing was shortened or deleted: the old
    /// deadline stands, and extending again before it is fine.
    #[error("not confirmed by a quorum, the old deadline stands with {} ms left ({report})", .remaining.as_millis())]
    Unknown {
        /// What is left of the lease.
        remaining: Duration,
        /// What every node last answered.
        report: Box<Report>,
    },
}

fn describe_loss(loss: &Loss) -> &'static str {
    match loss {
        Loss::Expired => "its deadline passed",
        Loss::TakenOver => "so many nodes no longer hold its key that another owner could have it",
    }
}

/// Why [`crate::Redlock::with`] did not return the body's value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WithError {
    /// The lease could not be acquired; the body never ran.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The lease was lost while the body ran, and the body was dropped at its last await.
    #[error("the lease was lost while the work was under way and the work was cancelled: {}", describe_loss(.0))]
    Lost(Loss),
}

/// Why a new cluster was not admitted.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// A node did not answer. All must, or a forgetful one could hide among those that do not.
    #[error(
        "node {node} did not answer ({reason}); a new cluster is admitted only when all its nodes answer"
    )]
    Unreachable {
        /// The node.
        node: String,
        /// What happened instead.
        reason: Reason,
    },
    /// A node has a guard record: this is not a new cluster, and it may hold locks.
    #[error(
        "node {node} already has a guard record, so this cluster is not new; nodes that restarted are admitted by themselves after max_ttl"
    )]
    NotNew {
        /// The node.
        node: String,
    },
    /// All looked new, then one refused. Those before it are admitted; the rest join after their
    /// quarantine.
    #[error(
        "node {node} refused ({reason}); the nodes before it are admitted, the others join after a quarantine of max_ttl"
    )]
    Refused {
        /// The node.
        node: String,
        /// Why.
        reason: Reason,
    },
}
