//! Nodes that forgot, as the history has them: those that voted too early, and those that were out together.

use std::collections::{BTreeMap, BTreeSet};

use super::clocks::course;
use crate::{
    checkers::{tell, verdict::Broken},
    clock::ClockName,
    history::{Event, EventKind, NodeChange, Removal},
    plan::{Assumption, assumptions::course::nanos},
    time::TrueTime,
    truth::{Interval, Truth},
};

/// A node votes although a key that it lost would still be there.
struct Forgot<'h> {
    node: &'h str,
    /// From the loss to the time at which the key would have expired.
    matters: Interval,
    how: String,
}

/// Nodes that voted before what they had forgotten was over; more of them at once than the quorum tolerates.
pub(super) fn forgetful_voters(truth: &Truth<'_>, until: TrueTime) -> Vec<Broken> {
    let forgot = forgetful(truth, until);
    let allowed = truth.facts.assumed.forgetful_voters;
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for last in &forgot {
        let at = last.matters.start;
        let at_once = || forgot.iter().filter(|one| one.matters.contains(at));
        let nodes: BTreeSet<&str> = at_once().map(|one| one.node).collect();
        if nodes.len() <= allowed {
            continue;
        }
        for one in at_once() {
            if told.insert(one.node) {
                found.push(Broken {
                    assumption: Assumption::ForgetfulVoters,
                    how: one.how.clone(),
                });
            }
        }
    }
    found
}

/// A key that went away before its time breaks the assumption if the node voted again before that time.
fn forgetful<'h>(truth: &Truth<'h>, until: TrueTime) -> Vec<Forgot<'h>> {
    let mut found = Vec::new();
    let mut holding: BTreeMap<(&str, &str), Option<i64>> = BTreeMap::new();
    for event in truth.history.events() {
        if event.at > until {
            break;
        }
        let node: &str = &event.host;
        match &event.kind {
            EventKind::Node {
                change:
                    NodeChange::Set {
                        key,
                        expires_wall_ms,
                        ..
                    },
                ..
            } => {
                holding.insert((node, key), *expires_wall_ms);
            }
            EventKind::Node {
                change: NodeChange::Removed { key, why, .. },
                ..
            } => {
                let how = match why {
                    Removal::Evicted => "evicted",
                    Removal::Flushed => "flushed",
                    Removal::Lost => "lost in a restart",
                    _ => continue,
                };
                if let Some(expires) = holding.remove(&(node, key.as_str()))
                    && let Some(matters) = votes_within(truth, event, expires)
                {
                    let at = event.at;
                    found.push(Forgot {
                        node,
                        matters,
                        how: format!(
                            "a key on {node} was {how} at {at} before its time, and the node votes before that time is over"
                        ),
                    });
                }
            }
            EventKind::Crashed {
                data_lost: true, ..
            } => {
                let at = event.at;
                let lost = |(place, _): &(&(&str, &str), &mut Option<i64>)| place.0 == node;
                for (_, expires) in holding.iter_mut().filter(lost) {
                    if let Some(matters) = votes_within(truth, event, *expires) {
                        found.push(Forgot {
                            node,
                            matters,
                            how: format!(
                                "{node} lost its disk at {at} with a key on it, and votes before that key's time is over"
                            ),
                        });
                    }
                }
                holding.retain(|(at, _), _| *at != node);
            }
            _ => {}
        }
    }
    found
}

/// The time that a key had left which the node of `event` lost then, if the node votes again within it.
fn votes_within(truth: &Truth<'_>, event: &Event, expires: Option<i64>) -> Option<Interval> {
    let host = truth.hosts.host(&event.host);
    let due = match expires {
        None => TrueTime::MAX,
        Some(when) => {
            let local = truth.facts.expiry.gone_from(when);
            match host.clock(ClockName::Wall) {
                Some(wall) => wall
                    .first_reaching(event.at, local)
                    .unwrap_or(TrueTime::MAX),
                None => TrueTime::from_nanos(u64::try_from(local).unwrap_or_default()),
            }
        }
    };
    let lived = Interval::new(event.at, due);
    (!lived.is_empty() && host.voteless.end_from(event.at) < due).then_some(lived)
}

/// The first instant at which too many nodes that had voted before are kept out or down.
pub(super) fn quarantined_nodes(truth: &Truth<'_>, until: TrueTime) -> Option<Broken> {
    let allowed = truth.facts.assumed.quarantined_nodes;
    let mut voted: BTreeSet<&str> = BTreeSet::new();
    let mut out: BTreeSet<&str> = BTreeSet::new();
    for event in truth.history.events() {
        if event.at > until {
            break;
        }
        let EventKind::Node {
            change: NodeChange::Votes { votes },
            ..
        } = &event.kind
        else {
            continue;
        };
        let node: &str = &event.host;
        if *votes {
            voted.insert(node);
            out.remove(node);
        } else if voted.contains(node) {
            out.insert(node);
        }
        if out.len() > allowed {
            let names: Vec<_> = out.into_iter().collect();
            return Some(Broken {
                assumption: Assumption::QuarantinedNodes,
                how: format!(
                    "{} were out at once from {} on, {allowed} may be",
                    names.join(" and "),
                    event.at
                ),
            });
        }
    }
    None
}

/// Wall clocks of nodes that were too far apart, in a run in which some node forgot.
pub(super) fn wall_disagreement(truth: &Truth<'_>, until: TrueTime) -> Option<Broken> {
    let mut voted: BTreeSet<&str> = BTreeSet::new();
    let mut events = truth.history.events().iter();
    let forgot = events.find(|event| match &event.kind {
        EventKind::Crashed { data_lost, .. } => {
            *data_lost && truth.facts.nodes.contains(&event.host)
        }
        EventKind::Node { change, .. } => match change {
            NodeChange::Removed { why, .. } => {
                matches!(why, Removal::Evicted | Removal::Flushed | Removal::Lost)
            }
            NodeChange::Votes { votes: true } => {
                voted.insert(&event.host);
                false
            }
            NodeChange::Votes { votes: false } => voted.contains(&*event.host),
            _ => false,
        },
        _ => false,
    })?;
    if forgot.at > until {
        return None;
    }
    let errors = truth.facts.nodes.iter().filter_map(|node| {
        let (behind, ahead) = course(truth.hosts.host(node)).errors(until)?;
        Some((node, behind, ahead))
    });
    let errors: Vec<_> = errors.collect();
    let (slow, behind, _) = errors.iter().min_by_key(|(_, behind, _)| behind)?;
    let (fast, _, ahead) = errors.iter().max_by_key(|(_, _, ahead)| ahead)?;
    let apart = ahead - behind;
    let allowed = truth.facts.assumed.wall_disagreement;
    (apart > nanos(allowed)).then(|| {
        let apart = std::time::Duration::from_nanos(u64::try_from(apart).unwrap_or(u64::MAX));
        Broken {
            assumption: Assumption::WallDisagreement,
            how: format!(
                "the wall clock of {fast} was up to {} ahead of that of {slow}, and {} may have forgotten at {}; {} is allowed then",
                tell::length(apart),
                forgot.host,
                forgot.at,
                tell::length(allowed),
            ),
        }
    })
}
