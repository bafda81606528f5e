//! The names of the assumptions, and what rests on each.

use std::fmt;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::Assumptions;

/// One of the assumptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Whoever asks for a free lock gets it before a quarantine is over.
    Progress,
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

    /// As files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientRate => "client_rate",
            Self::ClientStep => "client_step",
            Self::NodeRate => "node_rate",
            Self::NodeStep => "node_step",
            Self::ForgetfulVoters => "forgetful_voters",
            Self::QuarantinedNodes => "quarantined_nodes",
            Self::WallDisagreement => "wall_disagreement",
            Self::EffectDelay => "effect_delay",
        }
    }

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
            Self::QuarantinedNodes => &[Promise::Progress],
            Self::WallDisagreement => &[Promise::TokenOrder],
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

impl Promise {
    /// What it rests on, in the order of [`Assumption::ALL`].
    pub fn rests_on(self) -> Vec<Assumption> {
        let all = Assumption::ALL.into_iter();
        all.filter(|assumption| assumption.protects().contains(&self))
            .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_spell_it_as_its_name() {
        for assumption in Assumption::ALL {
            let spelled = serde_json::to_value(assumption).unwrap();
            assert_eq!(spelled, assumption.name());
        }
    }

    /// Nothing is assumed for nothing, and every promise rests on something.
    #[test]
    fn assumptions_and_promises_belong_together() {
        use Promise::{Exclusion, Progress, TokenOrder, UnfencedEffects};
        assert!(Assumption::ALL.iter().all(|one| !one.protects().is_empty()));
        let named = |promise: Promise| promise.rests_on().into_iter().map(Assumption::name);
        let clocks = ["client_rate", "client_step", "node_rate", "node_step"];
        assert!(named(Exclusion).eq(clocks.into_iter().chain(["forgetful_voters"])));
        assert!(named(TokenOrder).eq(["forgetful_voters", "wall_disagreement"]));
        let effects = clocks
            .into_iter()
            .chain(["forgetful_voters", "effect_delay"]);
        assert!(named(UnfencedEffects).eq(effects));
        assert!(named(Progress).eq(["quarantined_nodes"]));
    }
}
