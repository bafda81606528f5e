//! What one must know of a run besides its history.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use redlock::Drift;
use serde::{Deserialize, Serialize};

use crate::{history::HostName, plan::Assumptions, redis::ExpiryRule};

/// What the world knew when it was built. Part of the manifest of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The nodes; N is their number.
    pub nodes: Vec<HostName>,
    /// q: how many nodes make an owner.
    pub quorum: usize,
    /// The TTL of the leases, for margins in percent and for the bounds of [`Facts::progress`]. Milliseconds.
    pub ttl_ms: u64,
    /// From which millisecond on a node takes a key for gone.
    pub expiry: ExpiryRule,
    /// The longest TTL that nodes accept, and the length of a quarantine. Milliseconds.
    pub max_ttl_ms: u64,
    /// What the contender's promises rest on, as its configuration declares it.
    pub assumed: Assumptions,
    /// The lock key of each resource. A resource that is missing here has every key that holds its owner tokens:
    /// enough for contenders with one token per attempt.
    pub lock_keys: BTreeMap<String, String>,
    /// Whether the history tells what became of keys and votes on the nodes. On real servers nobody sees that as it
    /// happens; what can only be judged from it is then unknown, or left out: [`crate::checkers`] say which. True by default.
    #[serde(default = "observed")]
    pub observes_nodes: bool,
    /// What must happen once the world has healed.
    pub progress: Progress,
    /// What must have happened at some time, or the run shows nothing.
    pub goals: BTreeSet<Goal>,
}

const fn observed() -> bool {
    true
}

impl Facts {
    /// `nodes` nodes named `node-1` …, a majority as quorum, keys as Redis up to 7.4 expires them, the TTL as `max_ttl`, the customary
    /// allowance for clocks, progress within ten TTLs, no goals.
    pub fn new(nodes: usize, ttl: Duration) -> Self {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        Self {
            nodes: (1..=nodes)
                .map(|node| format!("node-{node}").into())
                .collect(),
            quorum: nodes / 2 + 1,
            ttl_ms,
            expiry: ExpiryRule::After,
            max_ttl_ms: ttl_ms,
            assumed: Assumptions::for_quorum(&Drift::CUSTOMARY, nodes, nodes / 2 + 1, ttl),
            lock_keys: BTreeMap::new(),
            observes_nodes: true,
            progress: Progress {
                acquire_within_ms: ttl_ms.saturating_mul(10),
                wait_at_most_ms: ttl_ms.saturating_mul(10),
            },
            goals: BTreeSet::new(),
        }
    }

    /// The TTL.
    pub const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// The longest TTL that nodes accept.
    pub const fn max_ttl(&self) -> Duration {
        Duration::from_millis(self.max_ttl_ms)
    }

    /// How many nodes must be unable to vote for somebody else so that nobody else can reach a quorum: N − q + 1.
    pub fn blocking(&self) -> usize {
        (self.nodes.len() + 1).saturating_sub(self.quorum)
    }
}

/// What must happen after [`crate::history::EventKind::Healed`], in milliseconds of true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Somebody acquires at most this long after the heal.
    pub acquire_within_ms: u64,
    /// Nobody who tries to acquire all the time waits longer than this.
    pub wait_at_most_ms: u64,
}

/// Something that a run is about. A run in which it never happens has shown nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Somebody tried to acquire a resource that somebody else held or tried to acquire.
    Contention,
    /// A lease ended on its holder's clocks while the holder was paused.
    ExpiryWhilePaused,
    /// A node that held the key of a lease died and was back before the lease was over.
    RestartInsideTtl,
    /// A node set the key of an attempt that had been decided already.
    LateGrant,
    /// At some instant two owners held keys of one resource and neither held a quorum.
    SplitVote,
    /// A node set the key of an attempt, and the client decided it without that node's grant.
    LostReply,
    /// A fencing token took a second round of messages.
    PublishRound,
    /// A node that had voted stopped voting while it was up.
    Quarantine,
    /// A lease was acquired while a fault was active.
    AcquiredUnderFault,
    /// The protected store refused an access.
    StoreRefusal,
    /// A lease was extended.
    Extension,
}

impl Goal {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Contention,
        Self::ExpiryWhilePaused,
        Self::RestartInsideTtl,
        Self::LateGrant,
        Self::SplitVote,
        Self::LostReply,
        Self::PublishRound,
        Self::Quarantine,
        Self::AcquiredUnderFault,
        Self::StoreRefusal,
        Self::Extension,
    ];

    /// Whether it is seen on the nodes, and not by clients or the store.
    pub const fn is_of_nodes(self) -> bool {
        matches!(
            self,
            Self::RestartInsideTtl
                | Self::LateGrant
                | Self::SplitVote
                | Self::LostReply
                | Self::Quarantine
        )
    }

    /// As files spell it, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Contention => "contention",
            Self::ExpiryWhilePaused => "expiry_while_paused",
            Self::RestartInsideTtl => "restart_inside_ttl",
            Self::LateGrant => "late_grant",
            Self::SplitVote => "split_vote",
            Self::LostReply => "lost_reply",
            Self::PublishRound => "publish_round",
            Self::Quarantine => "quarantine",
            Self::AcquiredUnderFault => "acquired_under_fault",
            Self::StoreRefusal => "store_refusal",
            Self::Extension => "extension",
        }
    }
}
