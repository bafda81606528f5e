//! What kinds of plans are drawn: how often what, on whom, how long and how hard, as data.

use std::time::Duration;

use crate::plan::{ClusterFacts, Family, Hosts, Role};

/// The cluster that a profile is meant for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many nodes.
    pub nodes: usize,
    /// How many clients.
    pub clients: usize,
    /// The TTL that clients ask for, and `max_ttl`.
    pub ttl: Duration,
    /// The time that a segment usually takes from one host to another.
    pub latency: Duration,
    /// The step in which the world's network delivers.
    pub tick: Duration,
}

impl Shape {
    /// The names of the hosts.
    pub fn hosts(&self) -> Hosts {
        Hosts::numbered(self.nodes, self.clients)
    }
}

/// From the least to the most, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
}

const fn from_to(least: u64, most: u64) -> Bounds {
    Bounds { least, most }
}

/// Whom a fault may hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// One node by name.
    OneNode,
    /// One client by name.
    OneClient,
    /// Several nodes by name; where only one target fits, one of them.
    SomeNodes,
    /// Whoever plays a role.
    Role(Role),
}

/// How one kind of fault is drawn, if it is drawn at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Odds {
    /// The kind.
    pub family: Family,
    /// How many there are.
    pub count: Bounds,
    /// How long each lasts, in thousandths of the TTL. One in four lasts about as long as the TTL instead, if that is
    /// within these bounds: that is where things expire.
    pub duration_permille: Bounds,
    /// How hard it hits: of `slow` the most that is added, of `flap` the length of a cut and of a pause between two, and of
    /// `clock_step` the step, in thousandths of the TTL; of `lose` and `clock_drift` parts per million; of
    /// `crash` and `power_loss` how many in a hundred lose their disk. Nothing for others.
    pub size: Bounds,
}

/// Which plans are drawn. Each kind of fault is on with probability one half; in one of sixteen plans nothing
/// goes wrong, as a control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name on the command line.
    pub name: &'static str,
    /// The cluster.
    pub shape: Shape,
    /// Of a million segments, how many are late, by up to two fifths of the TTL; without, one in ten thousand is, by up to two
    /// seconds.
    pub late_ppm: Option<u32>,
    /// How many TTLs the wall clocks of clients are off at most; those of nodes are by a fifth of one. Nodes must agree for the
    /// order of tokens to survive what they forget; clients need not.
    pub client_wall_ttls: Option<u32>,
    /// In half of the seeds clients think for up to so many TTLs, so that now and then nobody comes for a while.
    pub patience_ttls: u32,
    /// After how many TTLs the world heals. Faults begin before.
    pub length_ttls: u32,
    /// The kinds that may be on.
    pub odds: Vec<Odds>,
    /// Whom faults of the lock's side hit: nodes.
    pub nodes: Vec<Pick>,
    /// Whom faults of the users' side hit: clients, and for links and pauses also the store.
    pub clients: Vec<Pick>,
}

impl Profile {
    /// The names of the published profiles.
    pub const NAMES: [&'static str; 6] = [
        "default",
        "network",
        "process_and_memory",
        "clocks",
        "tight",
        "late",
    ];

    /// A published profile by its name.
    ///
    /// - `default`: five nodes, three clients, a TTL of 1 s; everything.
    /// - `network`: the same with network faults only, but more of them.
    /// - `process_and_memory`: pauses, crashes, power losses, and what is done to Redis; three nodes that forget one after the
    ///   other, a TTL of 100 ms, clients whose wall clocks are ten TTLs off, and in half of the seeds few of them at work.
    /// - `clocks`: clock faults, and pauses to let them bite; three nodes, a TTL of 2 s.
    /// - `tight`: three nodes and a TTL of twenty round trips; everything.
    /// - `late`: three nodes, four clients whose wall clocks are a TTL off, a TTL of 100 ms; one segment in four is late by up to
    ///   40 ms, so that about one answer in three misses its deadline of 10 ms with no fault at all; everything, and machines
    ///   that stop for longer than a lease.
    pub fn named(name: &str) -> Option<Self> {
        let name = Self::NAMES.into_iter().find(|known| *known == name)?;
        let is_wanted = |family: Family| match name {
            "network" => is_network(family),
            "process_and_memory" => is_process(family) || is_redis(family),
            "clocks" => is_clock(family) || family == Family::Pause || family == Family::Hold,
            _ => true,
        };
        // Where fewer kinds are wanted there are more of each, so that about as much goes on.
        let most = match name {
            "network" | "clocks" => 7,
            "process_and_memory" => 8,
            _ => 3,
        };
        let odds = Family::ALL
            .into_iter()
            // No published world has replicas.
            .filter(|(family, _)| is_wanted(*family) && !family.needs_replicas())
            .map(|(family, _)| odds(family, most))
            .map(|odds| match (name, odds.family) {
                ("process_and_memory", Family::FlushAll) => Odds {
                    count: from_to(3, 12),
                    ..odds
                },
                ("late", Family::StopMachine) => Odds {
                    count: from_to(8, 24),
                    duration_permille: from_to(900, 2_000),
                    ..odds
                },
                _ => odds,
            })
            .collect();
        Some(Self {
            name,
            shape: shape(name),
            late_ppm: (name == "late").then_some(250_000),
            client_wall_ttls: match name {
                "process_and_memory" => Some(10),
                "late" => Some(1),
                _ => None,
            },
            patience_ttls: if name == "process_and_memory" { 8 } else { 0 },
            length_ttls: match name {
                "clocks" | "late" => 10,
                _ => 20,
            },
            odds,
            nodes: vec![
                Pick::OneNode,
                Pick::OneNode,
                Pick::SomeNodes,
                Pick::Role(Role::Minority),
                Pick::Role(Role::Majority),
                Pick::Role(Role::NodeOfHolder),
                Pick::Role(Role::QuorumOfHolder),
                Pick::Role(Role::Nodes),
            ],
            // Where answers are late, more can go wrong on the way to a lease than under it.
            clients: if name == "late" {
                vec![
                    Pick::OneClient,
                    Pick::OneClient,
                    Pick::Role(Role::Holder),
                    Pick::Role(Role::NextWaiter),
                    Pick::Role(Role::NextWaiter),
                ]
            } else {
                vec![
                    Pick::OneClient,
                    Pick::OneClient,
                    Pick::Role(Role::Holder),
                    Pick::Role(Role::Holder),
                    Pick::Role(Role::NextWaiter),
                    Pick::Role(Role::Clients),
                ]
            },
        })
    }

    /// When the world heals.
    pub fn heal(&self) -> Duration {
        self.shape.ttl * self.length_ttls
    }

    /// The cluster as it is before anything goes wrong, with the restart guard and a majority quorum.
    pub fn facts(&self) -> ClusterFacts {
        ClusterFacts::new(self.shape.hosts(), self.shape.ttl, self.heal())
    }
}

impl Default for Profile {
    /// The profile called `default`.
    fn default() -> Self {
        Self::named("default").expect("it is among the published ones")
    }
}

fn shape(name: &str) -> Shape {
    // Drift shows in whole milliseconds: long leases and short ticks for clocks.
    let (nodes, ttl_ms, latency_us, tick_us) = match name {
        "tight" => (3, 50, 1_000, 1_000),
        "clocks" => (3, 2_000, 500, 1_000),
        "process_and_memory" | "late" => (3, 100, 1_000, 1_000),
        _ => (5, 1_000, 1_000, 5_000),
    };
    Shape {
        nodes,
        clients: if name == "late" { 4 } else { 3 },
        ttl: Duration::from_millis(ttl_ms),
        latency: Duration::from_micros(latency_us),
        tick: Duration::from_micros(tick_us),
    }
}

const fn odds(family: Family, most: u64) -> Odds {
    let duration_permille = match family {
        Family::Crash | Family::PowerLoss => from_to(5, 2_500),
        Family::ClockDrift => from_to(500, 20_000),
        Family::StopMachine | Family::ClockFreeze => from_to(1, 1_500),
        _ => from_to(150, 4_500),
    };
    let size = match family {
        Family::Slow => from_to(1, 1_500),
        Family::Flap => from_to(5, 500),
        Family::ClockStep => from_to(1, 3_000),
        Family::ClockDrift => from_to(10, 200_000),
        Family::Lose => from_to(1_000, 500_000),
        Family::Crash | Family::PowerLoss => from_to(50, 50),
        _ => from_to(0, 0),
    };
    Odds {
        family,
        count: from_to(1, most),
        duration_permille,
        size,
    }
}

const fn is_network(family: Family) -> bool {
    matches!(
        family,
        Family::Hold
            | Family::Cut
            | Family::Slow
            | Family::Lose
            | Family::Reset
            | Family::Flap
            | Family::Ring
            | Family::Bridge
    )
}

const fn is_process(family: Family) -> bool {
    matches!(
        family,
        Family::Pause | Family::Suspend | Family::StopMachine | Family::Crash | Family::PowerLoss
    )
}

const fn is_clock(family: Family) -> bool {
    matches!(
        family,
        Family::ClockStep
            | Family::ClockDrift
            | Family::ClockFreeze
            | Family::Suspend
            | Family::StopMachine
    )
}

const fn is_redis(family: Family) -> bool {
    family.is_of_nodes()
}
