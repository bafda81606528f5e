//! How late a plan can make a holder act, against the bound for stores without fencing.

use std::time::Duration;

use super::{Assumption, Assumptions, ClusterFacts};
use crate::{
    history::HostName,
    plan::{Fault, FaultWindow, Plan, ResolvedFault, Role, resolve},
};

/// Clients that are stopped, or whose writes are under way, for longer than allowed.
///
/// Delays that touch are one delay: a write may be held as its sender resumes.
pub(super) fn clients(
    assumed: &Assumptions,
    plan: &Plan,
    facts: &ClusterFacts,
    violated: &mut Vec<Assumption>,
) {
    let Some(allowed) = assumed.effect_delay else {
        return;
    };
    for client in &facts.hosts.clients {
        let mut delays: Vec<(Duration, Duration)> = plan
            .windows
            .iter()
            .filter_map(|window| delay(window, client, facts))
            .collect();
        delays.sort_unstable();
        let mut merged: Option<(Duration, Duration)> = None;
        for (from, to) in delays {
            let joined = match merged {
                Some((start, end)) if from <= end => (start, end.max(to)),
                _ => (from, to),
            };
            merged = Some(joined);
            if joined.1.saturating_sub(joined.0) > allowed {
                violated.push(Assumption::EffectDelay);
            }
        }
    }
}

/// From when to when a window can delay what `client` does to the store.
fn delay(
    window: &FaultWindow,
    client: &HostName,
    facts: &ClusterFacts,
) -> Option<(Duration, Duration)> {
    let end = window.end().map_or(facts.heal, |end| end.min(facts.heal));
    let length = end.saturating_sub(window.start);
    if length.is_zero() {
        return None;
    }
    let store = &facts.hosts.store;
    let late = match &window.fault {
        Fault::Pause { target } | Fault::Suspend { target } | Fault::StopMachine { target } => {
            let stopped = facts.hosts.possibly(target);
            let is_hit = stopped.contains(client) || stopped.contains(store);
            is_hit.then_some(length)?
        }
        fault if !is_on_the_way(fault, client, facts) => return None,
        // One write is late by that much, whenever it leaves in the window.
        Fault::Slow { extra_max, .. } => return Some((window.start, window.start + *extra_max)),
        Fault::Hold { .. } => length,
        // A segment that was dropped waits for its retransmission, whose interval doubles: up to as long again.
        _ => length * 2,
    };
    Some((window.start, window.start.saturating_add(late)))
}

/// Whether a fault may hit the link from the client to the store.
fn is_on_the_way(fault: &Fault, client: &HostName, facts: &ClusterFacts) -> bool {
    if fault.target().is_some() || matches!(fault, Fault::Reset { .. }) {
        return false;
    }
    let possibly = |role: Role| facts.hosts.possibly(&role.into());
    let store = &facts.hosts.store;
    if let Fault::Ring { hosts } = fault {
        // Who is whose neighbour depends on who plays the roles.
        let members: Vec<HostName> = hosts
            .iter()
            .flat_map(|target| facts.hosts.possibly(target))
            .collect();
        return members.contains(client) && members.contains(store);
    }
    match resolve(fault, &possibly) {
        ResolvedFault::Links { links, .. } => links
            .iter()
            .any(|link| link.from == *client && link.to == *store),
        _ => false,
    }
}
