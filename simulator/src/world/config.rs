//! How a world is made.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Ppm,
    contender::RedlockSettings,
    network::Latency,
    plan::{ClusterFacts, Hosts, Persistence},
    random::{Purpose, below, stream},
    redis,
    store::Fencing,
    truth::{ExpiryRule, Facts, Progress},
    workload::Workload,
};

/// How wrong the clocks of a world's hosts are without any fault: drawn for each host between minus and plus this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClockErrors {
    /// Rate error of all clocks of a host, in parts per million.
    pub rate_error_ppm: u32,
    /// Difference of a wall clock from true time, in microseconds.
    pub wall_offset_us: u32,
    /// The same for clients, where theirs are worse than those of nodes and store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_wall_offset_us: Option<u32>,
}

/// 50 ppm, the tolerance of quartz; 5 ms, what a time daemon leaves.
impl Default for ClockErrors {
    fn default() -> Self {
        Self {
            rate_error_ppm: 50,
            wall_offset_us: 5_000,
            client_wall_offset_us: None,
        }
    }
}

/// Everything about a world but its plan and its seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorldConfig {
    /// Number of Redis nodes.
    pub nodes: usize,
    /// Number of client hosts.
    pub clients: usize,
    /// Length of a tick, in milliseconds: the network delivers at ticks, and faults begin and end at them.
    pub tick_ms: u64,
    /// Latency of every link, in each direction.
    pub latency: Latency,
    /// How the Redis servers are set up.
    pub server: redis::Config,
    /// How wrong clocks are.
    pub clocks: ClockErrors,
    /// How the clients are configured.
    pub redlock: RedlockSettings,
    /// What the protected store checks.
    pub fencing: Fencing,
    /// What clients do.
    pub workload: Workload,
    /// Length of the first phase, in milliseconds: the plan's faults fall.
    pub safety_ms: u64,
    /// Length of the second phase, in milliseconds, after the world healed.
    pub liveness_ms: u64,
    /// Whether the history has every segment that was sent.
    pub records_segments: bool,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            nodes: 5,
            clients: 3,
            tick_ms: 1,
            latency: Latency::default(),
            server: redis::Config::default(),
            clocks: ClockErrors::default(),
            redlock: RedlockSettings::default(),
            fencing: Fencing::default(),
            workload: Workload::default(),
            safety_ms: 20_000,
            liveness_ms: 10_000,
            records_segments: false,
        }
    }
}

impl WorldConfig {
    /// The names of its hosts.
    pub fn hosts(&self) -> Hosts {
        Hosts::numbered(self.nodes, self.clients)
    }

    /// What checkers must know of it.
    pub fn facts(&self) -> Facts {
        let names = self.hosts();
        let usual = Facts::new(self.nodes, self.redlock.ttl());
        let resources = (1..=self.workload.resources).map(|number| format!("r{number}"));
        Facts {
            quorum: self.redlock.quorum.unwrap_or(self.nodes / 2 + 1),
            expiry: match self.server.expiry {
                redis::ExpiryRule::After => ExpiryRule::After,
                redis::ExpiryRule::At => ExpiryRule::At,
            },
            clocks: (&self.redlock.drift()).into(),
            lock_keys: resources
                .map(|resource| (resource.clone(), format!("redlock:lock:{resource}")))
                .collect(),
            nodes: names.nodes,
            progress: Progress {
                gone_within_ms: Some(self.gone_within_ms()),
                ..usual.progress
            },
            ..usual
        }
    }

    /// How long it takes at most, with nothing wrong, until a client has answered something that a node did: there and back.
    fn gone_within_ms(&self) -> u64 {
        let tail_us = match self.latency.tail_ppm {
            0 => 0,
            _ => self.latency.tail_max_us,
        };
        let one_way_ms = self.latency.max_us.saturating_add(tail_us).div_ceil(1_000);
        // Rounded up to a tick on each way, and a tick for whoever acts.
        one_way_ms
            .saturating_add(self.tick_ms * 2)
            .saturating_mul(2)
    }

    /// How wrong the clocks of `host` are in the world of this seed: rate error in parts per million, and by how many
    /// microseconds its wall clock is ahead as the world begins.
    pub fn clock_error(&self, seed: u64, host: &str) -> (Ppm, i64) {
        let mut random = stream(seed, Purpose::Host, host, u64::MAX, 0);
        let mut draw = |most: u32| {
            let drawn = below(&mut random, u64::from(most) * 2 + 1);
            i64::try_from(drawn).unwrap_or_default() - i64::from(most)
        };
        let rate = draw(self.clocks.rate_error_ppm);
        let offset_us = match self.clocks.client_wall_offset_us {
            Some(offset_us) if self.hosts().clients.iter().any(|client| **client == *host) => {
                offset_us
            }
            _ => self.clocks.wall_offset_us,
        };
        (rate, draw(offset_us))
    }

    /// What must be known of the world of this seed to say which of the lock's assumptions a plan breaks.
    pub fn cluster_facts(&self, seed: u64) -> ClusterFacts {
        let hosts = self.hosts();
        let max_ttl = Duration::from_millis(self.redlock.max_ttl_ms);
        let mut facts = ClusterFacts::new(hosts.clone(), max_ttl, self.safety());
        facts.quorum = self.redlock.quorum.unwrap_or(facts.quorum);
        facts.persistence = match self.server.persistence {
            redis::Persistence::None => Persistence::None,
            redis::Persistence::Rdb { .. } => Persistence::Rdb,
            redis::Persistence::AofEverysec => Persistence::AofEverySec,
            redis::Persistence::AofAlways => Persistence::AofAlways,
        };
        facts.restart_guard = self.redlock.restart_guard;
        facts.evicts = self.server.maxmemory_policy != redis::MaxmemoryPolicy::Noeviction;
        for name in hosts.all() {
            let (rate, offset) = self.clock_error(seed, name);
            facts.rate_errors_ppm.insert(name.clone(), rate);
            facts.wall_offsets_micros.insert(name.clone(), offset);
        }
        facts
    }

    /// Length of the first phase.
    pub const fn safety(&self) -> Duration {
        Duration::from_millis(self.safety_ms)
    }

    /// Length of the whole run.
    pub const fn length(&self) -> Duration {
        Duration::from_millis(self.safety_ms.saturating_add(self.liveness_ms))
    }
}
