//! How a lock on one Redis is configured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Which commands make the lock. Releases are a DEL, whoever owns the key, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SingleRule {
    /// SET with an expiry time and nothing else, which always succeeds: no lock at all, and yet in print.
    BlindSet,
    /// GET, and SET with an expiry time if there is nothing.
    CheckThenSet,
    /// SETNX, and EXPIRE in a second round trip.
    SetThenExpire,
    /// EXPIRE on arrival, whoever has the key; then, until it works, GET, and SET NX with an expiry time if there is nothing.
    ExpireThenSet,
    /// SET NX PX with a random value that nobody looks at.
    BlindDelete,
    /// SET NX PX with a random value; release and extension are scripts that compare it first. The default.
    #[default]
    OwnerChecked,
}

impl SingleRule {
    /// All of them, from the weakest.
    pub const ALL: [Self; 6] = [
        Self::BlindSet,
        Self::CheckThenSet,
        Self::SetThenExpire,
        Self::ExpireThenSet,
        Self::BlindDelete,
        Self::OwnerChecked,
    ];

    /// Whether each acquisition has a value of its own, so that the value in the key tells whose it is. The other rules write
    /// the same in every acquisition: `1` in many texts, here a number of the client's.
    pub const fn has_owner_token(self) -> bool {
        matches!(self, Self::BlindDelete | Self::OwnerChecked)
    }
}

/// How a lock on one Redis is configured. Durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SingleSettings {
    /// The commands.
    pub rule: SingleRule,
    /// TTL of keys. Above 0.
    pub ttl_ms: u64,
    /// How long a waiter sleeps between two attempts: always the same. Above 0.
    pub poll_ms: u64,
    /// How long a call may take, with the connection if there is none; one that takes longer is given up, and its
    /// connection closed. Above 0.
    pub node_timeout_ms: u64,
    /// Whether the server has an asynchronous replica, and clients use whichever of the two is master.
    pub replica: bool,
}

impl Default for SingleSettings {
    fn default() -> Self {
        Self {
            rule: SingleRule::default(),
            ttl_ms: 2_000,
            poll_ms: 50,
            node_timeout_ms: 200,
            replica: false,
        }
    }
}

impl SingleSettings {
    /// The TTL of keys.
    pub const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// The time between two attempts.
    pub const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// The time-out of calls.
    pub const fn node_timeout(&self) -> Duration {
        Duration::from_millis(self.node_timeout_ms)
    }

    /// How many servers there are.
    pub const fn servers(&self) -> usize {
        if self.replica { 2 } else { 1 }
    }

    /// The key of a resource.
    pub fn key(resource: &str) -> String {
        format!("lock:{resource}")
    }
}
