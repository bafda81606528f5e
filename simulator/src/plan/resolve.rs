//! A fault with its targets found: what is to be done to which hosts and links.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use super::{
    fault::{Fault, Links},
    target::{Role, Target},
};
use crate::{
    clock::{ClockName, Ppm},
    history::HostName,
};

/// One direction of the link between two hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DirectedLink {
    /// Who sends.
    pub from: HostName,
    /// Who receives.
    pub to: HostName,
}

/// What happens to links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFault {
    /// [`Fault::Hold`]
    Hold,
    /// [`Fault::Cut`], and what [`Fault::Flap`], [`Fault::Ring`] and [`Fault::Bridge`] come to.
    Cut,
    /// [`Fault::Slow`]
    Slow {
        /// The least that is added.
        extra_min: Duration,
        /// The most that is added.
        extra_max: Duration,
    },
    /// [`Fault::Lose`]
    Lose {
        /// Of a million segments, how many.
        loss_ppm: u32,
    },
    /// [`Fault::Reset`], at once.
    Reset,
}

/// What happens to processes and machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessFault {
    /// [`Fault::Pause`]
    Pause,
    /// [`Fault::Suspend`]
    Suspend,
    /// [`Fault::StopMachine`]
    StopMachine,
    /// [`Fault::Crash`]
    Crash {
        /// The disk is empty when it starts again.
        lose_data: bool,
    },
    /// [`Fault::PowerLoss`]
    PowerLoss {
        /// The disk is empty when it starts again.
        lose_data: bool,
    },
}

/// What happens to clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFault {
    /// [`Fault::ClockStep`], at once.
    Step {
        /// Forward, or back when negative.
        by_micros: i64,
    },
    /// [`Fault::ClockDrift`]
    Drift {
        /// By how much more the rate is off.
        rate_error_ppm: Ppm,
    },
    /// [`Fault::ClockFreeze`]
    Freeze,
}

/// What happens to Redis servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// [`Fault::FlushAll`], at once.
    FlushAll,
    /// [`Fault::ScriptFlush`], at once.
    ScriptFlush,
    /// [`Fault::ClientPause`]
    ClientPause,
    /// [`Fault::ReadOnly`]
    ReadOnly,
    /// [`Fault::MemoryFull`]
    MemoryFull,
    /// [`Fault::Failover`], at once.
    Failover {
        /// The old master is to become a replica.
        repoint: bool,
    },
}

/// A fault whose targets are known by name, each once and in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedFault {
    /// On links.
    Links {
        /// On which.
        links: Vec<DirectedLink>,
        /// What.
        fault: LinkFault,
    },
    /// On processes and machines.
    Process {
        /// On which hosts.
        hosts: Vec<HostName>,
        /// What.
        fault: ProcessFault,
    },
    /// On clocks.
    Clocks {
        /// Of which hosts.
        hosts: Vec<HostName>,
        /// On which of their clocks.
        clocks: Vec<ClockName>,
        /// What.
        fault: ClockFault,
    },
    /// On Redis servers.
    Nodes {
        /// On which.
        hosts: Vec<HostName>,
        /// What.
        fault: NodeFault,
    },
}

impl ResolvedFault {
    /// Everybody whom it hits, in order: for links, both ends.
    pub fn hosts(&self) -> Vec<HostName> {
        match self {
            Self::Process { hosts, .. }
            | Self::Clocks { hosts, .. }
            | Self::Nodes { hosts, .. } => hosts.clone(),
            Self::Links { links, .. } => {
                let ends = links.iter().flat_map(|link| [&link.from, &link.to]);
                let ends: BTreeSet<&HostName> = ends.collect();
                ends.into_iter().cloned().collect()
            }
        }
    }

    /// Whether nobody is hit: the role was played by nobody.
    pub const fn is_empty(&self) -> bool {
        match self {
            Self::Process { hosts, .. }
            | Self::Clocks { hosts, .. }
            | Self::Nodes { hosts, .. } => hosts.is_empty(),
            Self::Links { links, .. } => links.is_empty(),
        }
    }
}

/// Who plays which part as a fault begins.
pub type Playing<'a> = &'a dyn Fn(Role) -> Vec<HostName>;

/// Finds the targets of a fault. `playing` is asked, as the fault begins, for each role that it names; a role
/// that nobody plays hits nobody.
///
/// A ring cuts every link between two of its members that are not neighbours; a bridge cuts every link
/// between its two sides. A host has no link to itself.
pub fn resolve(fault: &Fault, playing: Playing<'_>) -> ResolvedFault {
    if let Some((links, fault)) = on_links(fault, playing) {
        return ResolvedFault::Links {
            links: links.into_iter().collect(),
            fault,
        };
    }
    let hosts = fault
        .target()
        .map(|target| sorted(one(target, playing)))
        .unwrap_or_default();
    match fault {
        Fault::ClockStep {
            clocks, by_micros, ..
        } => on_clocks(
            hosts,
            clocks,
            ClockFault::Step {
                by_micros: *by_micros,
            },
        ),
        Fault::ClockDrift {
            clocks,
            rate_error_ppm,
            ..
        } => on_clocks(
            hosts,
            clocks,
            ClockFault::Drift {
                rate_error_ppm: *rate_error_ppm,
            },
        ),
        Fault::ClockFreeze { clocks, .. } => on_clocks(hosts, clocks, ClockFault::Freeze),
        _ => match on_node(fault) {
            Ok(fault) => ResolvedFault::Nodes { hosts, fault },
            Err(fault) => ResolvedFault::Process { hosts, fault },
        },
    }
}

fn on_clocks(hosts: Vec<HostName>, clocks: &[ClockName], fault: ClockFault) -> ResolvedFault {
    let clocks: BTreeSet<ClockName> = clocks.iter().copied().collect();
    ResolvedFault::Clocks {
        hosts,
        clocks: clocks.into_iter().collect(),
        fault,
    }
}

/// What is done to a server, or else to its process.
fn on_node(fault: &Fault) -> Result<NodeFault, ProcessFault> {
    match fault {
        Fault::FlushAll { .. } => Ok(NodeFault::FlushAll),
        Fault::ScriptFlush { .. } => Ok(NodeFault::ScriptFlush),
        Fault::ClientPause { .. } => Ok(NodeFault::ClientPause),
        Fault::ReadOnly { .. } => Ok(NodeFault::ReadOnly),
        Fault::MemoryFull { .. } => Ok(NodeFault::MemoryFull),
        Fault::Failover { repoint, .. } => Ok(NodeFault::Failover { repoint: *repoint }),
        Fault::Suspend { .. } => Err(ProcessFault::Suspend),
        Fault::StopMachine { .. } => Err(ProcessFault::StopMachine),
        Fault::Crash { lose_data, .. } => Err(ProcessFault::Crash {
            lose_data: *lose_data,
        }),
        Fault::PowerLoss { lose_data, .. } => Err(ProcessFault::PowerLoss {
            lose_data: *lose_data,
        }),
        _ => Err(ProcessFault::Pause),
    }
}

fn on_links(fault: &Fault, playing: Playing<'_>) -> Option<(BTreeSet<DirectedLink>, LinkFault)> {
    let between = |links: &Links| directed(links, playing);
    Some(match fault {
        Fault::Hold { links } => (between(links), LinkFault::Hold),
        Fault::Cut { links } | Fault::Flap { links, .. } => (between(links), LinkFault::Cut),
        Fault::Slow {
            links,
            extra_min,
            extra_max,
        } => (
            between(links),
            LinkFault::Slow {
                extra_min: *extra_min,
                extra_max: *extra_max,
            },
        ),
        Fault::Lose { links, loss_ppm } => (
            between(links),
            LinkFault::Lose {
                loss_ppm: *loss_ppm,
            },
        ),
        Fault::Reset { links } => (between(links), LinkFault::Reset),
        Fault::Ring { hosts } => (ring(&all(hosts, playing)), LinkFault::Cut),
        Fault::Bridge { left, right, .. } => {
            let (left, right) = (all(left, playing), all(right, playing));
            (pairs(&left, &right, false), LinkFault::Cut)
        }
        _ => return None,
    })
}

fn one(target: &Target, playing: Playing<'_>) -> Vec<HostName> {
    match target {
        Target::Host(name) => vec![name.as_str().into()],
        Target::Role(role) => playing(*role),
    }
}

fn sorted(hosts: Vec<HostName>) -> Vec<HostName> {
    let hosts: BTreeSet<HostName> = hosts.into_iter().collect();
    hosts.into_iter().collect()
}

/// In the order of the list, each once.
fn all(targets: &[Target], playing: Playing<'_>) -> Vec<HostName> {
    let mut hosts = Vec::new();
    for target in targets {
        for host in one(target, playing) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

fn directed(links: &Links, playing: Playing<'_>) -> BTreeSet<DirectedLink> {
    let (from, to) = (all(&links.from, playing), all(&links.to, playing));
    pairs(&from, &to, links.one_way)
}

fn pairs(from: &[HostName], to: &[HostName], one_way: bool) -> BTreeSet<DirectedLink> {
    let mut links = BTreeSet::new();
    for sender in from {
        for receiver in to.iter().filter(|receiver| *receiver != sender) {
            let (from, to) = (sender.clone(), receiver.clone());
            if !one_way {
                links.insert(DirectedLink {
                    from: to.clone(),
                    to: from.clone(),
                });
            }
            links.insert(DirectedLink { from, to });
        }
    }
    links
}

fn ring(members: &[HostName]) -> BTreeSet<DirectedLink> {
    let mut links = BTreeSet::new();
    for (one, from) in members.iter().enumerate() {
        for (other, to) in members.iter().enumerate() {
            let apart = one.abs_diff(other);
            if apart > 1 && apart < members.len() - 1 {
                links.insert(DirectedLink {
                    from: from.clone(),
                    to: to.clone(),
                });
            }
        }
    }
    links
}
