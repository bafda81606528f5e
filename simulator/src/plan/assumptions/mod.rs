//! What the promises of the lock rest on, and which of it a plan breaks.
//!
//! Redlock assumes nothing about delays, losses, order or pauses: they never make two windows overlap. It
//! assumes that clocks keep a *rate* within bounds and step little, and only in the directions that hurt (a node
//! that runs fast, a client whose clocks all run slow), and that nodes which forgot do not vote. [`Assumptions`]
//! are these bounds as values, which follow from how the client is configured; [`Assumptions::violated_by`] compares
//! them with what a plan does, and [`crate::checkers`] with what a history tells. Both name an [`Assumption`], and each says
//! which [`Promise`] rests on it.
//!
//! The comparison with a plan errs on one side: a plan that may break an assumption, depending on who plays a role when,
//! counts as one that does. A plan that breaks none keeps within all of them, whatever happens.

mod assumption;
mod clocks;
pub(crate) mod course;
mod effects;
mod facts;
mod memory;
mod nanoseconds;

#[cfg(test)]
mod tests;

use std::time::Duration;

use redlock::Drift;
use serde::{Deserialize, Serialize};

pub use self::{
    assumption::{Assumption, Promise},
    facts::ClusterFacts,
};
use super::Plan;
use crate::clock::Ppm;

/// Bounds within which the promises of the lock hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assumptions {
    /// ρ_c: at least one of a client's three clocks (boot, raw, wall) runs at most this slow, all through a
    /// lease. That all of them run fast does no harm.
    pub client_rate_ppm: Ppm,
    /// σ_c: that clock steps back, or stands still, by at most this much in all during a lease. A forward step
    /// does no harm.
    #[serde(rename = "client_step_ns", with = "nanoseconds")]
    pub client_step: Duration,
    /// ρ_s: no node's wall clock runs faster than this. That it runs slow, or stands still, does no harm.
    pub node_rate_ppm: Ppm,
    /// σ_s: no node's wall clock steps forward by more than this within one `max_ttl`. A backward step does no harm.
    #[serde(rename = "node_step_ns", with = "nanoseconds")]
    pub node_step: Duration,
    /// How many nodes may forget keys within one `max_ttl` and go on voting. A quorum of `q` of `N` nodes
    /// tolerates `2q − N − 1`, which is 0 for a bare majority of an odd number.
    pub forgetful_voters: usize,
    /// How many nodes may be out at once because they forgot and the restart guard noticed, or because they
    /// were down for `max_ttl`. More of them make no windows overlap and leave tokens in order, but nobody acquires until
    /// enough of them are back.
    pub quarantined_nodes: usize,
    /// How far the wall clocks of nodes are ever apart, from each other or from themselves at another time, as
    /// seen from true time. Once a node forgot its counters, tokens go on increasing because this and twice the
    /// clamp δ = `max_ttl`/4 stay below `max_ttl`. Clients' clocks do not matter: the nodes clamp what they propose.
    #[serde(rename = "wall_disagreement_ns", with = "nanoseconds")]
    pub wall_disagreement: Duration,
    /// How late a holder may act after it looked at its lease: how long a client is stopped, or its write on its
    /// way to the store. `None` when any delay is allowed, which is right where the store checks fencing tokens.
    #[serde(rename = "effect_delay_ns", default, with = "nanoseconds::optional")]
    pub effect_delay: Option<Duration>,
}

impl Assumptions {
    /// What a client with this drift allowance assumes of a cluster: rates and steps as in `drift`, as many
    /// forgetful voters as the quorum tolerates, fewer than a quorum out at once, wall clocks less than
    /// `max_ttl`/2 apart, and the delay of effects that the client declares.
    pub fn of(drift: &Drift, facts: &ClusterFacts) -> Self {
        Self {
            effect_delay: facts.effect_delay,
            ..Self::for_quorum(drift, facts.hosts.nodes.len(), facts.quorum, facts.max_ttl)
        }
    }

    /// The same for `quorum` of `nodes` nodes, and any delay.
    pub fn for_quorum(drift: &Drift, nodes: usize, quorum: usize, max_ttl: Duration) -> Self {
        Self {
            client_rate_ppm: drift.client_rate.0.into(),
            client_step: drift.client_step,
            node_rate_ppm: drift.node_rate.0.into(),
            node_step: drift.node_step,
            forgetful_voters: (2 * quorum).saturating_sub(nodes).saturating_sub(1),
            quarantined_nodes: quorum.saturating_sub(1),
            wall_disagreement: (max_ttl / 2).saturating_sub(Duration::from_micros(1)),
            effect_delay: None,
        }
    }

    /// Which assumptions the plan breaks, or may break, in such a cluster; none when it keeps within all.
    /// In the order of [`Assumption::ALL`].
    pub fn violated_by(&self, plan: &Plan, facts: &ClusterFacts) -> Vec<Assumption> {
        let mut violated = Vec::new();
        clocks::clients(self, plan, facts, &mut violated);
        clocks::nodes(self, plan, facts, &mut violated);
        memory::nodes(self, plan, facts, &mut violated);
        effects::clients(self, plan, facts, &mut violated);
        violated.sort_unstable();
        violated.dedup();
        violated
    }
}
