//! Which assumptions a history shows broken.
//!
//! A checker judges the history as it is; the run may have gone beyond what the contender promises. What it broke
//! is named in the evidence, so that a violation within the assumptions (a bug) and one beyond them (a limit) look different.
//! Histories from elsewhere have no plan: everything here is read from clocks, keys, votes and effects. The bounds are those
//! that the contender's configuration declares ([`Facts::assumed`](crate::truth::Facts::assumed)).

mod clocks;
mod delays;
mod memory;

use super::verdict::Broken;
use crate::{plan::Assumption, time::TrueTime, truth::Truth};

/// Which of `assumptions` the run broke up to `until`, and how, in the order of `assumptions`.
pub(super) fn broken(
    truth: &Truth<'_>,
    assumptions: &[Assumption],
    until: TrueTime,
) -> Vec<Broken> {
    let mut found = clocks::clients(truth, until);
    found.extend(clocks::nodes(truth, until));
    found.extend(memory::forgetful_voters(truth, until));
    found.extend(memory::quarantined_nodes(truth, until));
    found.extend(memory::wall_disagreement(truth, until));
    found.extend(delays::effect_delay(truth, until));
    found.retain(|broken| assumptions.contains(&broken.assumption));
    found.sort_by_key(|broken| broken.assumption);
    found
}
