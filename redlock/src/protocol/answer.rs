//! What a node can say, and what it means for a vote.

use std::{fmt, sync::Arc, time::Duration};

/// What one node answered to one call.
///
/// Three classes matter. A *vote* ([`Answer::Granted`], [`Answer::Confirmed`]) was received. A
/// *refusal* certainly left no key of ours behind. Everything else is [`Answer::Unknown`]: the call
/// may have been applied, or may yet be, so it is never a vote and is always sent a release.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The lock key was free and is ours now; `counter` is the node's fencing counter after the
    /// grant (zero when the cluster does not fence).
    Granted {
        /// The node's fencing counter for the stripe.
        counter: u64,
    },
    /// Another owner holds the key, for `remaining` longer unless it is released or extended.
    Contended {
        /// What is left of the holder's TTL, when the node said so.
        remaining: Option<Duration>,
    },
    /// The node may have forgotten keys (it restarted, was flushed, or is new) and does not vote
    /// until this much time has passed.
    Quarantined {
        /// How long the quarantine still lasts, as far as this client knows: the larger of what the
        /// node's clock asks for and what the client has yet to measure. Shorter if another client
        /// began to measure earlier.
        remaining: Duration,
    },
    /// An extension or a publication was applied to a key that is still ours.
    Confirmed,
    /// The key is not ours: it expired or was deleted (`gone`), or somebody else holds it.
    NotOwner {
        /// Whether no key exists at all.
        gone: bool,
        /// Whether the node kept its identity since it granted: then nothing but an expiry, an
        /// eviction or a deletion by hand explains the loss.
        same_identity: bool,
    },
    /// Our key was deleted.
    Released,
    /// Refused, or never sent: certainly not applied.
    Refused(Reason),
    /// Sent and not answered in time, answered with an error that does not say whether anything was
    /// written, or answered with something that cannot be read.
    Unknown(Reason),
}

/// Why a node gave no vote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No reply within the call's decision deadline.
    #[error("timed out after {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The decision deadline passed, or the attempt was over, before the call was written.
    #[error("not sent in time")]
    NotSent,
    /// The connection broke while the call was under way.
    #[error("the connection broke: {0}")]
    ConnectionLost(Arc<str>),
    /// The address could not be connected to.
    #[error("cannot connect: {0}")]
    Connect(Arc<str>),
    /// TCP connected, but the handshake was not answered in time.
    #[error("accepted the connection but did not finish the handshake within {} ms", .0.as_millis())]
    HandshakeTimeout(Duration),
    /// Waiting to reconnect after this failure.
    #[error("down: {0}")]
    Down(Arc<Reason>),
    /// Earlier calls are unanswered for too long: no new acquisitions until they are.
    #[error("stalled: its oldest call is unanswered for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// Too many calls are in flight to this node.
    #[error("busy: {0} calls in flight, the most allowed")]
    Busy(usize),
    /// The user name or password was refused.
    #[error("refused the credentials ({0}); check user and password in the node's URL")]
    Credentials(Arc<str>),
    /// The server's ACL forbids a command that the client needs.
    #[error("forbids a command that the lock needs ({0}); see the list of commands in the manual")]
    Forbidden(Arc<str>),
    /// Something answered, but it does not speak the Redis protocol.
    #[error("is not a Redis server ({0})")]
    NotRedis(Arc<str>),
    /// The port speaks TLS and the URL says it does not.
    #[error("speaks TLS on this port; use rediss:// in its URL")]
    TlsExpected,
    /// The URL says TLS and the handshake failed.
    #[error("the TLS handshake failed ({0}); if this is not a TLS port use redis:// in its URL")]
    Tls(Arc<str>),
    /// The server is older than the client supports.
    #[error("runs Redis {0}; 6.2 or later is needed")]
    TooOld(Arc<str>),
    /// The server is a member of a Redis Cluster.
    #[error("runs in cluster mode; Redlock needs independent masters")]
    ClusterMode,
    /// The server is a replica.
    #[error("is a replica of another server; Redlock needs independent masters")]
    Replica,
    /// The server has replicas: a failover there and back would lose keys unnoticed.
    #[error(
        "has {0} replica(s), so a failover there and back could lose keys unnoticed; remove them, or build all clients with strict_identity"
    )]
    HasReplicas(u64),
    /// The server deletes keys when memory runs out, and lock keys first: they have a TTL.
    #[error(
        "has maxmemory-policy {0}, which deletes lock keys when memory runs out; set it to noeviction"
    )]
    Evicts(Arc<str>),
    /// The server is loading its data set.
    #[error("is loading its data set")]
    Loading,
    /// Two configured nodes are one server.
    #[error("is the same server as node {0}; every node must be an independent server")]
    SameServer(Arc<str>),
    /// The node's guard record holds other cluster settings than this client.
    #[error("{0}")]
    Settings(Arc<str>),
    /// The TTL exceeds the maximum stored on the node.
    #[error("a TTL of {} ms is above the node's maximum of {} ms", .asked.as_millis(), .max.as_millis())]
    TtlAboveMax {
        /// The TTL that was asked for.
        asked: Duration,
        /// The node's stored maximum.
        max: Duration,
    },
    /// The lock key exists but is not a lock: another type, or without a TTL.
    #[error("its key for this resource is not a lock ({0}); something else writes to this prefix")]
    ForeignKey(Arc<str>),
    /// The guard record holds something that this client did not write.
    #[error("its guard record cannot be read ({0})")]
    DamagedGuard(Arc<str>),
    /// The fencing counter would pass 2^53 − 1.
    #[error("its fencing counter is exhausted")]
    CounterExhausted,
    /// The connection's identity is not the server's: the server changed under the connection.
    #[error("the server behind the connection changed; reconnecting")]
    IdentityChanged,
    /// Redis refused the command before executing it.
    #[error("refused: {0}")]
    Server(Arc<str>),
    /// Redis reported an error after which the state of the key is unknown.
    #[error("failed: {0}")]
    Failed(Arc<str>),
    /// The reply has a shape that the call cannot have.
    #[error("sent a reply that cannot be read: {0}")]
    Unreadable(Arc<str>),
    /// A release could not be delivered before the key's TTL ended it.
    #[error("never reached; the key has expired by itself")]
    Expired,
    /// The task that served this node is gone with its runtime.
    #[error("the client's runtime is gone")]
    NoRuntime,
    /// A fault scripted in an in-memory node.
    #[error("scripted: {0}")]
    Scripted(Arc<str>),
}

impl Reason {
    /// Whether this is a mistake in the configuration rather than a failure that may pass: waiting
    /// does not mend it.
    pub fn is_misconfiguration(&self) -> bool {
        match self {
            Self::Down(inner) => inner.is_misconfiguration(),
            Self::Credentials(_)
            | Self::Forbidden(_)
            | Self::NotRedis(_)
            | Self::TlsExpected
            | Self::Tls(_)
            | Self::TooOld(_)
            | Self::ClusterMode
            | Self::Replica
            | Self::HasReplicas(_)
            | Self::Evicts(_)
            | Self::SameServer(_)
            | Self::Settings(_)
            | Self::TtlAboveMax { .. }
            | Self::ForeignKey(_)
            | Self::DamagedGuard(_)
            | Self::CounterExhausted => true,
            _ => false,
        }
    }
}

impl Answer {
    /// Whether the call certainly left no key of ours on the node.
    pub const fn leaves_nothing(&self) -> bool {
        matches!(
            self,
            Self::Contended { .. } | Self::Quarantined { .. } | Self::Refused(_)
        )
    }

    /// Whether the node turned out to be the same server as another configured node.
    pub fn is_same_server(&self) -> bool {
        match self {
            Self::Refused(Reason::Down(reason)) => matches!(**reason, Reason::SameServer(_)),
            answer => matches!(answer, Self::Refused(Reason::SameServer(_))),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted { counter: 0 } => f.write_str("granted"),
            Self::Granted { counter } => write!(f, "granted (counter {counter})"),
            Self::Contended { remaining: None } => f.write_str("held by another owner"),
            Self::Contended {
                remaining: Some(left),
            } => {
                write!(f, "held by another owner for {} ms more", left.as_millis())
            }
            Self::Quarantined { remaining } => write!(
                f,
                "quarantined for {} ms more (it may have forgotten locks)",
                remaining.as_millis()
            ),
            Self::Confirmed => f.write_str("confirmed"),
            Self::NotOwner { gone: true, .. } => f.write_str("our key is gone"),
            Self::NotOwner { gone: false, .. } => f.write_str("held by another owner"),
            Self::Released => f.write_str("released"),
            Self::Refused(reason) | Self::Unknown(reason) => reason.fmt(f),
        }
    }
}
