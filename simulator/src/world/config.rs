//! How a world is made.

use std::{rc::Rc, sync::Arc, time::Duration};

use redlock::Drift;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Ppm,
    contender::{ClonedGenerator, Contender, Redlock, RedlockSettings, Single, SingleSettings},
    history::HostName,
    host::Place,
    network::Latency,
    node,
    plan::{Assumptions, ClusterFacts, Hosts},
    random::{Purpose, below, stream},
    redis,
    store::Fencing,
    truth::{Facts, Progress},
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
    /// Clients use this lock on `node-1` instead of Redlock: with a replica, on `node-1` and `node-2`, its replica as the world
    /// begins. Other nodes stand by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub single: Option<SingleSettings>,
    /// What the protected store checks.
    pub fencing: Fencing,
    /// What clients do.
    pub workload: Workload,
    /// What single clients do instead: the first entry is that of `client-1`, and so on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Workload>,
    /// Length of the first phase, in milliseconds: the plan's faults fall.
    pub safety_ms: u64,
    /// Length of the second phase, in milliseconds, after the world healed.
    pub liveness_ms: u64,
    /// How much longer the second phase lasts at most, in milliseconds, as long as somebody waits for a resource that nobody has acquired in
    /// it. Recovery may then take three quarters of both together. Without, it may take ten TTLs, and a run that ends before does
    /// not tell.
    #[serde(skip_serializing_if = "crate::workload::is_zero")]
    pub recovery_ms: u64,
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
            single: None,
            fencing: Fencing::default(),
            workload: Workload::default(),
            parts: Vec::new(),
            safety_ms: 20_000,
            liveness_ms: 10_000,
            recovery_ms: 0,
            records_segments: false,
        }
    }
}

/// What locks allow for that know nothing of clocks.
const NO_ALLOWANCE: Drift = Drift {
    client_rate: redlock::Ppm(0),
    node_rate: redlock::Ppm(0),
    ..Drift::CUSTOMARY
};

impl WorldConfig {
    /// The names of its hosts.
    pub fn hosts(&self) -> Hosts {
        Hosts::numbered(self.nodes, self.clients)
    }

    /// What the client of that name does.
    pub fn workload_of(&self, client: &str) -> &Workload {
        let clients = self.hosts().clients;
        let place = clients.iter().position(|name| **name == *client);
        place
            .and_then(|place| self.parts.get(place))
            .unwrap_or(&self.workload)
    }

    /// The nodes that the clients' lock uses.
    fn lock_nodes(&self) -> Vec<HostName> {
        let mut nodes = self.hosts().nodes;
        if let Some(single) = &self.single {
            nodes.truncate(single.servers());
        }
        nodes
    }

    /// Whom a node follows as the world begins.
    pub(super) fn master_of(&self, node: &HostName) -> Option<redis::Master> {
        let nodes = self.lock_nodes();
        let (master, replicas) = nodes.split_first()?;
        let follows = self.single.is_some() && replicas.contains(node);
        follows.then(|| redis::Master {
            host: master.to_string(),
            port: node::PORT,
        })
    }

    /// Whether nodes only vote once the restart guard admitted them.
    pub(super) const fn is_guarded(&self) -> bool {
        self.single.is_none() && self.redlock.restart_guard
    }

    /// The lock that a client in `place` uses.
    ///
    /// # Errors
    ///
    /// What its builder says, in a line.
    pub fn contender(&self, place: &impl Place) -> Result<Rc<dyn Contender>, String> {
        let workload = self.workload_of(place.name());
        let nodes = self.lock_nodes();
        let url = |name: &HostName| format!("redis://{name}:{}", node::PORT);
        let mut runtime = place.runtime();
        if let Some(number) = workload.generator {
            runtime = Arc::new(ClonedGenerator::new(runtime, number));
        }
        let Some(single) = &self.single else {
            let known = nodes.iter().take(workload.nodes.unwrap_or(usize::MAX));
            let known = known.map(url);
            let redlock = Redlock::over(runtime, place.connector(), known, &self.redlock);
            return Ok(Rc::new(redlock.map_err(|error| error.to_string())?));
        };
        let urls = nodes.iter().map(url);
        let lock = Single::new(runtime, place.connector(), urls, single.clone());
        Ok(Rc::new(lock.map_err(|error| error.to_string())?))
    }

    /// How many nodes must grant.
    fn quorum(&self) -> usize {
        match &self.single {
            Some(_) => 1,
            None => self.redlock.quorum.unwrap_or(self.nodes / 2 + 1),
        }
    }

    /// What checkers must know of it.
    ///
    /// A lock on one Redis is a quorum of one. Of a master and its replica only a master votes: a replica is in the history as
    /// a node without a vote until it is promoted, and the old master as one until it is down or a replica itself. So the
    /// margin of a lease ends with the first moment at which any of the two could grant it to somebody else. Rules
    /// without owner tokens have no margins.
    pub fn facts(&self) -> Facts {
        let workloads = self.parts.iter().chain([&self.workload]);
        let count = workloads.map(|workload| workload.resources).max();
        let resources = (1..=count.unwrap_or_default()).map(|number| format!("r{number}"));
        if let Some(single) = &self.single {
            return Facts {
                quorum: 1,
                expiry: self.server.expiry,
                // It allows for nothing.
                assumed: Assumptions {
                    effect_delay: self.redlock.effect_delay(),
                    ..Assumptions::for_quorum(&NO_ALLOWANCE, 1, 1, single.ttl())
                },
                lock_keys: resources
                    .map(|resource| (resource.clone(), SingleSettings::key(&resource)))
                    .collect(),
                nodes: self.lock_nodes(),
                ..Facts::new(1, single.ttl())
            };
        }
        let usual = Facts::new(self.nodes, self.redlock.ttl());
        Facts {
            quorum: self.quorum(),
            expiry: self.server.expiry,
            max_ttl_ms: self.redlock.max_ttl_ms,
            assumed: Assumptions {
                effect_delay: self.redlock.effect_delay(),
                ..Assumptions::for_quorum(
                    &self.redlock.drift(),
                    self.nodes,
                    self.quorum(),
                    self.redlock.max_ttl(),
                )
            },
            lock_keys: resources
                .map(|resource| (resource.clone(), format!("redlock:lock:{resource}")))
                .collect(),
            nodes: self.lock_nodes(),
            progress: Progress {
                acquire_within_ms: self.acquire_within_ms(usual.progress.acquire_within_ms),
                gone_within_ms: Some(self.gone_within_ms()),
                ..usual.progress
            },
            ..usual
        }
    }

    fn acquire_within_ms(&self, usual: u64) -> u64 {
        match self.recovery_ms {
            0 => usual,
            // Before the end, so that the history tells.
            more => self.liveness_ms.saturating_add(more) / 4 * 3,
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
        let max_ttl = match &self.single {
            Some(single) => single.ttl(),
            None => self.redlock.max_ttl(),
        };
        let mut facts = ClusterFacts::new(hosts.clone(), max_ttl, self.safety());
        facts.quorum = self.quorum();
        facts.effect_delay = self.redlock.effect_delay();
        facts.persistence = self.server.persistence.clone();
        facts.restart_guard = self.is_guarded();
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

    /// Length of the whole run, if it recovers in time.
    pub const fn length(&self) -> Duration {
        Duration::from_millis(self.safety_ms.saturating_add(self.liveness_ms))
    }
}
