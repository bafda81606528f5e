//! The nodes that a plan makes forget, against the bounds on how many may.

use std::{collections::BTreeSet, time::Duration};

use super::{Assumption, Assumptions, ClusterFacts};
use crate::{
    history::HostName,
    plan::{Fault, FaultWindow, Plan, Role, Target},
    redis::Persistence,
};

/// Nodes that forget together, and how long that matters.
struct Loss {
    /// Those who certainly do.
    named: BTreeSet<HostName>,
    /// How many of the others may.
    unnamed: usize,
    from: Duration,
    until: Duration,
    /// They do not vote while what they forgot could still matter.
    is_covered: bool,
}

/// Whether any node forgets anything.
pub(super) fn anything_forgotten(plan: &Plan, facts: &ClusterFacts) -> bool {
    plan.windows
        .iter()
        .any(|window| loss(window, facts).is_some())
}

/// Too many nodes that forget.
pub(super) fn nodes(
    assumed: &Assumptions,
    plan: &Plan,
    facts: &ClusterFacts,
    violated: &mut Vec<Assumption>,
) {
    let losses: Vec<Loss> = plan
        .windows
        .iter()
        .filter_map(|window| loss(window, facts))
        .collect();
    let most = |covered: bool| most_at_once(&losses, covered, facts.hosts.nodes.len());
    if most(false) > assumed.forgetful_voters {
        violated.push(Assumption::ForgetfulVoters);
    }
    if most(true) > assumed.quarantined_nodes {
        violated.push(Assumption::QuarantinedNodes);
    }
}

/// The count is highest just after one of the losses.
fn most_at_once(losses: &[Loss], covered: bool, all: usize) -> usize {
    let kind = || losses.iter().filter(|loss| loss.is_covered == covered);
    kind()
        .map(|last| {
            let at_once = || kind().filter(|loss| loss.from <= last.from && last.from < loss.until);
            let named: BTreeSet<&HostName> = at_once().flat_map(|loss| &loss.named).collect();
            let unnamed: usize = at_once().map(|loss| loss.unnamed).sum();
            (named.len() + unnamed).min(all)
        })
        .max()
        .unwrap_or_default()
}

/// Whom a window makes forget, if anybody.
fn loss(window: &FaultWindow, facts: &ClusterFacts) -> Option<Loss> {
    if window.start >= facts.heal {
        return None;
    }
    let forgets = match &window.fault {
        Fault::Crash { lose_data, .. } | Fault::PowerLoss { lose_data, .. } => {
            // Whatever was answered is remembered by this one alone. A real server that appends every second loses up to two
            // seconds with its power, and as much when it is killed in the middle of a slow flush.
            *lose_data || facts.persistence != Persistence::AofAlways
        }
        Fault::FlushAll { .. } => true,
        Fault::MemoryFull { .. } => facts.evicts,
        _ => false,
    };
    if !forgets {
        return None;
    }
    let (named, unnamed) = who(window.fault.target()?, facts);
    if named.is_empty() && unnamed == 0 {
        return None;
    }
    let end = window.end().map_or(facts.heal, |end| end.min(facts.heal));
    let is_evicted = matches!(window.fault, Fault::MemoryFull { .. });
    // The guard notices a restart and a flush, not a single key that went.
    let guarded = facts.restart_guard && !is_evicted;
    let was_down_long = !is_evicted && end.saturating_sub(window.start) >= facts.max_ttl;
    let is_covered = guarded || was_down_long;
    let matters_from = if is_covered || is_evicted {
        end
    } else {
        window.start
    };
    Some(Loss {
        named,
        unnamed,
        from: window.start,
        until: matters_from.saturating_add(facts.max_ttl),
        is_covered,
    })
}

fn who(target: &Target, facts: &ClusterFacts) -> (BTreeSet<HostName>, usize) {
    let nodes = &facts.hosts.nodes;
    match target {
        Target::Role(Role::NodeOfHolder) => (BTreeSet::new(), 1),
        Target::Role(Role::QuorumOfHolder) => (BTreeSet::new(), nodes.len()),
        _ => {
            let hit = facts.hosts.possibly(target).into_iter();
            (hit.filter(|host| nodes.contains(host)).collect(), 0)
        }
    }
}
