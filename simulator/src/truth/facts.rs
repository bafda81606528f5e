//! What one must know of a run besides its history.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{clock::Ppm, history::HostName};

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
    /// How wrong clocks may be for the contender's promise to stand.
    pub clocks: ClockBounds,
    /// The lock key of each resource. A resource that is missing here has every key that holds its owner tokens:
    /// enough for contenders with one token per attempt.
    pub lock_keys: BTreeMap<String, String>,
    /// What must happen once the world has healed.
    pub progress: Progress,
    /// What must have happened at some time, or the run shows nothing.
    pub goals: BTreeSet<Goal>,
}

impl Facts {
    /// `nodes` nodes named `node-1` …, a majority as quorum, keys as Redis up to 7.4 expires them, the customary
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
            clocks: ClockBounds::CUSTOMARY,
            lock_keys: BTreeMap::new(),
            progress: Progress {
                acquire_within_ms: ttl_ms.saturating_mul(10),
                wait_at_most_ms: ttl_ms.saturating_mul(10),
                gone_within_ms: None,
            },
            goals: BTreeSet::new(),
        }
    }

    /// The TTL.
    pub const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// How many nodes must be unable to vote for somebody else so that nobody else can reach a quorum: N − q + 1.
    pub fn blocking(&self) -> usize {
        (self.nodes.len() + 1).saturating_sub(self.quorum)
    }
}

/// When a key with the expiry `when` (milliseconds on the node's wall clock) is gone, `now` being the clock's
/// whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryRule {
    /// `now > when`: Redis up to 7.4. The key lives through the millisecond `when`.
    After,
    /// `now >= when`: later servers, whose active expiry may delete the key as that millisecond begins.
    At,
}

impl ExpiryRule {
    /// What the wall clock shows, in nanoseconds since 1970, from which on the key is gone.
    pub fn gone_from(self, when_ms: i64) -> i64 {
        let whole = match self {
            Self::After => when_ms.saturating_add(1),
            Self::At => when_ms,
        };
        whole.saturating_mul(1_000_000)
    }
}

/// How wrong clocks may be: the ρ and σ of the contender's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockBounds {
    /// How slow the best of a client's clocks may run.
    pub client_slow_ppm: Ppm,
    /// How fast a node's wall clock may run.
    pub node_fast_ppm: Ppm,
    /// How far all of a client's clocks may step back together, in nanoseconds.
    pub client_step_ns: u64,
    /// How far a node's wall clock may step forward during one TTL, in nanoseconds.
    pub node_step_ns: u64,
}

impl ClockBounds {
    /// What 1% and 2 ms allow.
    pub const CUSTOMARY: Self = Self {
        client_slow_ppm: 5_026,
        node_fast_ppm: 5_026,
        client_step_ns: 0,
        node_step_ns: 0,
    };
}

impl From<&redlock::protocol::Drift> for ClockBounds {
    fn from(drift: &redlock::protocol::Drift) -> Self {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self {
            client_slow_ppm: drift.client_rate.0.into(),
            node_fast_ppm: drift.node_rate.0.into(),
            client_step_ns: nanos(drift.client_step),
            node_step_ns: nanos(drift.node_step),
        }
    }
}

/// What must happen after [`crate::history::EventKind::Healed`], and to keys at any time, in milliseconds of true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Somebody acquires at most this long after the heal.
    pub acquire_within_ms: u64,
    /// Nobody who tries to acquire all the time waits longer than this.
    pub wait_at_most_ms: u64,
    /// A key is gone from a node this long after its owner let go of it or its attempt failed, where no fault has
    /// touched either; `None` where nothing is promised.
    #[serde(default)]
    pub gone_within_ms: Option<u64>,
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
