//! The seam between the client and its nodes: what a node is asked, and how it answers.
//!
//! Redis nodes ([`crate::redis`]) and in-memory nodes (feature `memory`) implement [`Node`].

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    preflight::Probe,
    protocol::{Answer, OwnerToken, key::LockKey},
};

/// One call to one node.
#[derive(Clone, Debug)]
pub struct Request {
    /// The resource's key and stripe.
    pub lock: Arc<LockKey>,
    /// The owner token of the attempt.
    pub owner: OwnerToken,
    /// What to do with them.
    pub verb: Verb,
}

/// The verbs that a node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Set the lock key if it is free. Answers `Granted`, `Contended`, `Quarantined`, `Refused` or
    /// `Unknown`. Executed at most once: never resent once it may have been written.
    Acquire {
        /// The TTL, in whole milliseconds.
        ttl: Duration,
        /// The fencing counter proposed: microseconds since 1970, or the highest counter seen plus
        /// one if that is larger. The node clamps it to its own time ± `max_ttl`/4.
        proposal: u64,
        /// On [`crate::Runtime::monotonic`]: a call that has not been written by then is not written at
        /// all, and answered `Refused(NotSent)`.
        expires: Duration,
    },
    /// Raise the fencing counter to at least `counter` while the key is still ours. Answers
    /// `Confirmed`, `NotOwner`, `Refused` or `Unknown`.
    Publish {
        /// The counter.
        counter: u64,
    },
    /// Prolong the key to `ttl` from now if that is longer than what is left, while it is still ours,
    /// and raise the fencing counter to at least `counter`. Answers `Confirmed` whenever the owner
    /// matches, `NotOwner`, `Refused` or `Unknown`.
    Extend {
        /// The TTL, in whole milliseconds.
        ttl: Duration,
        /// The lease's fencing counter; zero when the cluster does not fence.
        counter: u64,
    },
    /// Delete the key if it is still ours. Kept and resent over broken connections until the server
    /// answered or `give_up` has passed. Answers `Released`, `NotOwner`, or `Refused(Expired)` and the
    /// like when it could not be delivered.
    Release {
        /// On [`crate::Runtime::monotonic`]: by then the key has expired by itself.
        give_up: Duration,
    },
}

/// Receives a node's answer.
pub trait ReplySink: Send + Sync + 'static {
    /// The call tagged `tag` to node `node` was answered. Must not block.
    fn answered(self: Arc<Self>, node: usize, tag: ReplyTag, answer: Answer);
}

/// What a reply belongs to.
pub type ReplyTag = crate::protocol::claim::Call;

/// The way back for one answer. Dropping it unanswered answers `Unknown`: the task that served the
/// node is gone, and whether the call was written is anybody's guess.
pub struct Reply {
    to: Option<Arc<dyn ReplySink>>,
    node: usize,
    tag: ReplyTag,
    span: tracing::Span,
}

impl Reply {
    /// A way back to `sink`.
    pub fn new(sink: Arc<dyn ReplySink>, node: usize, tag: ReplyTag) -> Self {
        let span = tracing::Span::none();
        Self {
            to: Some(sink),
            node,
            tag,
            span,
        }
    }

    /// The same way back, traced: the call's span lasts from now until the answer.
    #[must_use]
    pub fn traced(mut self, span: tracing::Span) -> Self {
        self.span = span;
        self
    }

    /// Hands over the answer.
    pub fn send(mut self, answer: Answer) {
        self.answer(answer);
    }

    fn answer(&mut self, answer: Answer) {
        if let Some(sink) = self.to.take() {
            tracing::debug!(parent: &self.span, %answer, "answered");
            sink.answered(self.node, self.tag, answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.answer(Answer::Unknown(crate::protocol::Reason::NoRuntime));
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("node", &self.node)
            .field("tag", &self.tag)
            .finish_non_exhaustive()
    }
}

/// An independent server that holds lock keys.
///
/// Calls about one resource are executed in the order in which they were submitted. A node serves them from
/// a task of its own: a caller that goes away takes no call with it.
pub trait Node: Send + Sync + fmt::Debug + 'static {
    /// The name for reports, without secrets: usually the address.
    fn name(&self) -> &str;

    /// Takes over one call. Must not block; the answer goes to `reply`, once.
    fn submit(&self, request: Request, reply: Reply);

    /// Calls that look at the node or change its guard record: rare, and not on the path of locks.
    fn inspect(
        &self,
        inspection: Inspection,
    ) -> crate::runtime::BoxFuture<'static, Result<NodeFacts, crate::protocol::Reason>>;

    /// Asks about the server's configuration, for a preflight. A node that cannot be asked says
    /// nothing.
    fn probe(&self) -> crate::runtime::BoxFuture<'static, Result<Probe, crate::protocol::Reason>> {
        Box::pin(async { Ok(Probe::default()) })
    }
}

/// What to look at, or to change, in a node's guard record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inspection {
    /// Look, and change nothing.
    Look,
    /// Admit a node that has no guard record; refuse if it has one.
    AdmitNew,
    /// Replace the stored settings by this client's, un-admit the node and quarantine it for the
    /// larger of the old and the new `max_ttl`.
    ReplaceSettings,
}

/// What a node said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeFacts {
    /// The server's version.
    pub version: String,
    /// `run_id:master_replid`, which changes with every restart and failover.
    pub identity: String,
    /// Where the guard record stands.
    pub guard: GuardState,
}

impl NodeFacts {
    /// Facts as a node implementation reports them.
    pub const fn new(version: String, identity: String, guard: GuardState) -> Self {
        Self {
            version,
            identity,
            guard,
        }
    }
}

/// Where a node's guard record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuardState {
    /// No record: the node is new, was flushed, or restarted without its data.
    Absent,
    /// The node votes.
    Admitted,
    /// The node does not vote yet.
    Quarantined {
        /// How long it still lasts, as far as this client knows; `max_ttl` when it has yet to begin.
        remaining: Duration,
    },
    /// The record holds other settings than this client's.
    OtherSettings {
        /// The settings stored on the node, as text.
        stored: String,
    },
    /// The cluster neither fences nor guards: nodes keep no record.
    NotUsed,
}

impl fmt::Display for GuardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => {
                f.write_str("no guard record: new, flushed or restarted without its data")
            }
            Self::Admitted => f.write_str("admitted"),
            Self::Quarantined { remaining } => {
                write!(f, "quarantined for {} ms more", remaining.as_millis())
            }
            Self::OtherSettings { stored } => write!(f, "stores other settings: {stored}"),
            Self::NotUsed => f.write_str("no guard record needed"),
        }
    }
}
