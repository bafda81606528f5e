//! Faults that break nothing, around those that break an assumption, so that the break shows.

use std::time::Duration;

use super::beyond::{MEASURING, signed};
use crate::{
    clock::ClockName,
    history::HostName,
    plan::{Assumption, Assumptions, ClusterFacts, Fault, FaultWindow, Links, Role, Target},
};

/// Faults that break nothing, among which the faults that break `which` show.
pub(super) fn windows(
    which: Assumption,
    breaking: &[FaultWindow],
    assumed: &Assumptions,
    facts: &ClusterFacts,
) -> Vec<FaultWindow> {
    match which {
        Assumption::ClientRate
        | Assumption::ClientStep
        | Assumption::NodeRate
        | Assumption::NodeStep => {
            let mut around = clocks_at_their_bounds(which, breaking, assumed, facts);
            // One node that is wrong shows where quorums meet in it alone.
            let alone = hit(breaking, |_| true);
            if alone.iter().any(|name| is_node(name, facts)) {
                around.extend(apart_but_for(&alone, facts));
            }
            around
        }
        Assumption::ForgetfulVoters => apart_but_for(&hit(breaking, forgets), facts),
        Assumption::WallDisagreement => {
            let mut around = apart_but_for(&hit(breaking, forgets), facts);
            around.extend(proposals_apart(facts));
            around
        }
        Assumption::QuarantinedNodes | Assumption::EffectDelay => Vec::new(),
    }
}

const fn forgets(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::Crash { .. } | Fault::FlushAll { .. } | Fault::MemoryFull { .. }
    )
}

fn is_node(name: &str, facts: &ClusterFacts) -> bool {
    facts.hosts.nodes.iter().any(|node| &**node == name)
}

/// The hosts that those of the faults name.
fn hit(breaking: &[FaultWindow], kind: impl Fn(&Fault) -> bool) -> Vec<String> {
    let faults = breaking.iter().map(|window| &window.fault);
    let targets = faults.filter(|fault| kind(fault)).filter_map(Fault::target);
    targets
        .filter_map(|target| match target {
            Target::Host(name) => Some(name.clone()),
            Target::Role(_) => None,
        })
        .collect()
}

/// The first client reaches the quorum that `common` and the first of the other nodes are, the second that of `common` and the
/// last of them: what one did, only `common` can tell the other. Not from the very beginning: a cluster is deployed while all
/// nodes can be reached.
fn apart_but_for(common: &[String], facts: &ClusterFacts) -> Vec<FaultWindow> {
    let others: Vec<&HostName> = facts
        .hosts
        .nodes
        .iter()
        .filter(|node| !common.iter().any(|name| name.as_str() == &***node))
        .collect();
    let reached = facts.quorum.saturating_sub(common.len()).min(others.len());
    let (first, last) = (
        &others[reached..],
        &others[..others.len().saturating_sub(reached)],
    );
    let clients = facts.hosts.clients.iter();
    clients
        .zip([first, last])
        .filter(|(_, nodes)| !nodes.is_empty())
        .map(|(client, nodes)| FaultWindow {
            start: facts.max_ttl / 4,
            duration: None,
            fault: Fault::Cut {
                links: Links {
                    from: vec![Target::Host(client.to_string())],
                    to: nodes
                        .iter()
                        .map(|node| Target::Host(node.to_string()))
                        .collect(),
                    one_way: false,
                },
            },
        })
        .collect()
}

/// The wall clock of the first client far ahead, that of the second far behind: they propose tokens at both ends of what nodes
/// let through. No lease suffers, for each has two honest clocks left.
fn proposals_apart(facts: &ClusterFacts) -> Vec<FaultWindow> {
    let far = signed(facts.max_ttl);
    let clients = facts.hosts.clients.iter();
    clients
        .zip([far, -far])
        .map(|(client, by_micros)| FaultWindow {
            start: Duration::ZERO,
            duration: None,
            fault: Fault::ClockStep {
                target: Target::Host(client.to_string()),
                clocks: vec![ClockName::Wall],
                by_micros,
            },
        })
        .collect()
}

/// Every other clock right at its bound, around the first of the faults that break `which`: the bounds share one
/// allowance, and what one does not use up hides what the other takes too much.
fn clocks_at_their_bounds(
    which: Assumption,
    breaking: &[FaultWindow],
    assumed: &Assumptions,
    facts: &ClusterFacts,
) -> Vec<FaultWindow> {
    let Some(first) = breaking.first() else {
        return Vec::new();
    };
    // Two steps within one lease, while the drift that breaks goes on.
    let during = match first.fault {
        Fault::ClockDrift { .. } => first.start + facts.max_ttl,
        _ => first.start,
    };
    let drift = |role: Role, clocks: &[ClockName], rate_error_ppm| FaultWindow {
        start: Duration::ZERO,
        duration: None,
        fault: Fault::ClockDrift {
            target: role.into(),
            clocks: clocks.to_vec(),
            rate_error_ppm,
        },
    };
    let step = |role: Role, clocks: &[ClockName], by_micros| FaultWindow {
        start: during + facts.max_ttl / 4,
        duration: None,
        fault: Fault::ClockStep {
            target: role.into(),
            clocks: clocks.to_vec(),
            by_micros,
        },
    };
    let wall = &[ClockName::Wall];
    let all = [
        (
            Assumption::ClientRate,
            drift(Role::Clients, &MEASURING, -assumed.client_rate_ppm),
        ),
        (
            Assumption::NodeRate,
            drift(Role::Nodes, wall, assumed.node_rate_ppm),
        ),
        (
            Assumption::ClientStep,
            step(Role::Clients, &MEASURING, -signed(assumed.client_step)),
        ),
        (
            Assumption::NodeStep,
            step(Role::Nodes, wall, signed(assumed.node_step)),
        ),
    ];
    all.into_iter()
        .filter(|(assumption, _)| *assumption != which)
        .map(|(_, window)| window)
        .collect()
}
