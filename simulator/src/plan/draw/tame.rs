//! Faults that break an assumption, made so that they do not.

use std::time::Duration;

use super::stream::Stream;
use crate::{
    clock::{ClockName, Ppm},
    plan::{Assumptions, ClusterFacts, Fault, FaultWindow},
};

/// The same fault within the bounds, if there is such a one. Half of the time it is right at the bound: one step
/// more and it would be beyond.
pub(super) fn tame(
    window: &FaultWindow,
    assumed: &Assumptions,
    facts: &ClusterFacts,
    stream: &mut Stream,
) -> Option<FaultWindow> {
    let mut tamed = window.clone();
    let mut lasts_at_most = |tamed: &mut FaultWindow, most: Duration| {
        let longest = window.duration.map_or(most, |duration| duration.min(most));
        if longest < Duration::from_micros(1) {
            return None;
        }
        let is_at_bound = stream.one_in(2);
        let shorter = stream.duration(Duration::from_micros(1), longest);
        tamed.duration = Some(if is_at_bound { longest } else { shorter });
        Some(())
    };
    let may_hit_nodes = window.fault.target().is_some_and(|target| {
        let hit = facts.hosts.possibly(target);
        hit.iter().any(|host| facts.hosts.nodes.contains(host))
    });
    match &mut tamed.fault {
        Fault::ClockDrift { rate_error_ppm, .. } => {
            let most = if may_hit_nodes {
                assumed.node_rate_ppm
            } else {
                assumed.client_rate_ppm
            };
            *rate_error_ppm = bounded(*rate_error_ppm, most, stream)?;
        }
        Fault::ClockStep {
            by_micros, clocks, ..
        } => {
            let most = if may_hit_nodes {
                assumed.node_step
            } else {
                assumed.client_step
            };
            match bounded(*by_micros, i64::try_from(most.as_micros()).ok()?, stream) {
                Some(by) => *by_micros = by,
                // No step is allowed: the other way does no harm to nodes, one clock alone none to clients.
                None if may_hit_nodes => *by_micros = by_micros.saturating_neg(),
                None => *clocks = vec![one_of(clocks, stream)?],
            }
        }
        Fault::ClockFreeze { clocks, .. } => *clocks = vec![one_of(clocks, stream)?],
        Fault::StopMachine { .. } => lasts_at_most(&mut tamed, assumed.client_step)?,
        Fault::Crash { lose_data, .. } | Fault::PowerLoss { lose_data, .. } => {
            // Whoever is down for long enough may forget.
            *lose_data &= facts.restart_guard;
            tamed.duration = tamed.duration.max(Some(facts.max_ttl));
        }
        _ => lasts_at_most(&mut tamed, assumed.effect_delay? / 2)?,
    }
    Some(tamed)
}

fn one_of(clocks: &[ClockName], stream: &mut Stream) -> Option<ClockName> {
    stream.pick(clocks).copied()
}

/// Of the same sign and at most `most`; right there half of the time.
fn bounded(number: Ppm, most: Ppm, stream: &mut Stream) -> Option<Ppm> {
    let most = u64::try_from(most).ok().filter(|most| *most > 0)?;
    let is_at_bound = stream.one_in(2);
    let smaller = stream.range(1, most);
    let size = if is_at_bound { most } else { smaller };
    Some(i64::try_from(size).ok()? * number.signum())
}
