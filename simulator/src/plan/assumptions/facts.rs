//! What a cluster is like before anything goes wrong.

use std::{collections::BTreeMap, time::Duration};

use crate::{clock::Ppm, history::HostName, plan::Hosts, redis::Persistence};

/// What has to be known of a cluster to say which assumptions a plan breaks in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterFacts {
    /// The hosts.
    pub hosts: Hosts,
    /// How many nodes must grant.
    pub quorum: usize,
    /// The longest TTL that nodes accept, and the length of a quarantine.
    pub max_ttl: Duration,
    /// What of their memory nodes keep on disk. Nothing by default.
    pub persistence: Persistence,
    /// Whether nodes that restarted or were flushed are kept out for `max_ttl`. On by default.
    pub restart_guard: bool,
    /// Whether a node whose memory is full evicts lock keys. Off by default.
    pub evicts: bool,
    /// How late a holder may act after it looked at its lease, as the client declares it where the store does not fence; any
    /// delay by default.
    pub effect_delay: Option<Duration>,
    /// When the world heals.
    pub heal: Duration,
    /// How far the oscillators of hosts are off; hosts that are not named keep perfect time.
    pub rate_errors_ppm: BTreeMap<HostName, Ppm>,
    /// How far wall clocks are ahead as the world begins, in microseconds; 0 for hosts that are not named.
    pub wall_offsets_micros: BTreeMap<HostName, i64>,
}

impl ClusterFacts {
    /// A cluster with a majority quorum, the restart guard, no persistence, no eviction and perfect clocks.
    pub fn new(hosts: Hosts, max_ttl: Duration, heal: Duration) -> Self {
        Self {
            quorum: hosts.nodes.len() / 2 + 1,
            hosts,
            max_ttl,
            persistence: Persistence::None,
            restart_guard: true,
            evicts: false,
            effect_delay: None,
            heal,
            rate_errors_ppm: BTreeMap::new(),
            wall_offsets_micros: BTreeMap::new(),
        }
    }
}
