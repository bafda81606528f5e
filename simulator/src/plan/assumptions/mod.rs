//! What the promises of the lock rest on, and which of it a plan breaks.
//!
//! Redlock assumes nothing about delays, losses, order or pauses: they never make two windows overlap. It
//! assumes that clocks keep a *rate* within bounds and step little, and only in the directions that hurt (a node
//! that runs fast, a client whose clocks all run slow), and that nodes which forgot do not vote. [`Assumptions`]
//! are these bounds as values; [`Assumptions::violated_by`] compares them with what a plan does.
//!
//! The comparison errs on one side: a plan that may break an assumption, depending on who plays a role when,
//! counts as one that does. A plan that breaks none keeps within all of them, whatever happens.

mod clocks;
mod effects;
mod facts;
mod memory;

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use redlock::Drift;

pub use self::facts::ClusterFacts;
use super::Plan;
use crate::clock::Ppm;

/// Bounds within which the promises of the lock hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumptions {
    /// ρ_c: at least one of a client's three clocks (boot, raw, wall) runs at most this slow, all through a
    /// lease. That all of them run fast does no harm.
    pub client_rate_ppm: Ppm,
    /// σ_c: that clock steps back, or stands still, by at most this much in all during a lease. A forward step
    /// does no harm.
    pub client_step: Duration,
    /// ρ_s: no node's wall clock runs faster than this. That it runs slow, or stands still, does no harm.
    pub node_rate_ppm: Ppm,
    /// σ_s: no node's wall clock steps forward by more than this within one `max_ttl`. A backward step does no harm.
    pub node_step: Duration,
    /// How many nodes may forget keys within one `max_ttl` and go on voting. A quorum of `q` of `N` nodes
    /// tolerates `2q − N − 1`, which is 0 for a bare majority of an odd number.
    pub forgetful_voters: usize,
    /// How many nodes may be out at once because they forgot and the restart guard noticed, or because they
    /// were down for `max_ttl`. More of them make no windows overlap; the order of fencing tokens then rests on the nodes' clocks
    /// alone.
    pub quarantined_nodes: usize,
    /// How far the wall clocks of nodes are ever apart, from each other or from themselves at another time, as
    /// seen from true time. Once a node forgot its counters, tokens go on increasing because this and twice the
    /// clamp δ = `max_ttl`/4 stay below `max_ttl`. Clients' clocks do not matter: the nodes clamp what they propose.
    pub wall_disagreement: Duration,
    /// How late a holder may act after it looked at its lease: how long a client is stopped, or its write on its
    /// way to the store. `None` when any delay is allowed, which is right where the store checks fencing tokens.
    pub effect_delay: Option<Duration>,
}

/// One of the assumptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assumption {
    /// [`Assumptions::client_rate_ppm`]
    ClientRate,
    /// [`Assumptions::client_step`]
    ClientStep,
    /// [`Assumptions::node_rate_ppm`]
    NodeRate,
    /// [`Assumptions::node_step`]
    NodeStep,
    /// [`Assumptions::forgetful_voters`]
    ForgetfulVoters,
    /// [`Assumptions::quarantined_nodes`]
    QuarantinedNodes,
    /// [`Assumptions::wall_disagreement`]
    WallDisagreement,
    /// [`Assumptions::effect_delay`]
    EffectDelay,
}

/// What rests on assumptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// The windows of two holders do not overlap.
    Exclusion,
    /// Fencing tokens increase in the order of acquisition.
    TokenOrder,
    /// Without fencing, no write of an old holder is applied after one of a new holder.
    UnfencedEffects,
}

impl Assumption {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ClientRate,
        Self::ClientStep,
        Self::NodeRate,
        Self::NodeStep,
        Self::ForgetfulVoters,
        Self::QuarantinedNodes,
        Self::WallDisagreement,
        Self::EffectDelay,
    ];

    /// What no longer holds when it is broken.
    pub const fn protects(self) -> &'static [Promise] {
        match self {
            Self::ClientRate | Self::ClientStep | Self::NodeRate | Self::NodeStep => {
                &[Promise::Exclusion, Promise::UnfencedEffects]
            }
            Self::ForgetfulVoters => &[
                Promise::Exclusion,
                Promise::TokenOrder,
                Promise::UnfencedEffects,
            ],
            Self::QuarantinedNodes | Self::WallDisagreement => &[Promise::TokenOrder],
            Self::EffectDelay => &[Promise::UnfencedEffects],
        }
    }

    /// Whether it is about clocks.
    pub const fn is_of_clocks(self) -> bool {
        matches!(
            self,
            Self::ClientRate
                | Self::ClientStep
                | Self::NodeRate
                | Self::NodeStep
                | Self::WallDisagreement
        )
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientRate => "one of a client's clocks is not too slow",
            Self::ClientStep => {
                "one of a client's clocks does not step back or stand still too long"
            }
            Self::NodeRate => "no node's wall clock runs too fast",
            Self::NodeStep => "no node's wall clock steps forward too far",
            Self::ForgetfulVoters => "nodes that forgot do not vote",
            Self::QuarantinedNodes => "few nodes forget at once",
            Self::WallDisagreement => "the nodes' wall clocks agree",
            Self::EffectDelay => "a holder acts soon after it looked",
        })
    }
}

impl Assumptions {
    /// What a client with this drift allowance assumes of a cluster: rates and steps as in `drift`, as many
    /// forgetful voters as the quorum tolerates, fewer than a quorum out at once, wall clocks less than
    /// `max_ttl`/2 apart, and any delay.
    pub fn of(drift: &Drift, facts: &ClusterFacts) -> Self {
        let spare = (2 * facts.quorum).saturating_sub(facts.hosts.nodes.len());
        Self {
            client_rate_ppm: drift.client_rate.0.into(),
            client_step: drift.client_step,
            node_rate_ppm: drift.node_rate.0.into(),
            node_step: drift.node_step,
            forgetful_voters: spare.saturating_sub(1),
            quarantined_nodes: facts.quorum.saturating_sub(1),
            wall_disagreement: (facts.max_ttl / 2).saturating_sub(Duration::from_micros(1)),
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
