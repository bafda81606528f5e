//! Nobody removes, overwrites or extends a key that somebody else owns.
//!
//! *Definition.* A key on a node belongs to the client of the attempt whose owner token it holds. Violated when a command
//! of another client deletes an unexpired key or moves its expiry, or when another owner's value is written over an
//! unexpired key, whoever does it. Cutting a key of which more than a TTL is left is everybody's right: it proves that the node's
//! clock was stepped back. Flushes, evictions and restarts are the world's doing, not a client's.
//!
//! *Source.* Redis, "Distributed Locks": release compares the random value first. S06 of every lock that does not: a
//! late DEL frees the next holder's key.
//!
//! *Assumes* nothing. It needs to know whose command a change was (`by` of the event); a deletion in the middle of a
//! lease whose author is not known makes the verdict unknown, as does a run whose nodes nobody looked at.

use std::collections::BTreeMap;

use super::{
    Checker, Finding, Verdict,
    verdict::{NOT_OBSERVED, Violations},
};
use crate::{
    clock::ClockName,
    history::{Event, EventKind, NodeChange, Removal},
    truth::{Tenure, Truth},
};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    if !truth.facts.observes_nodes {
        let unknown = Verdict::Unknown(NOT_OBSERVED.to_owned());
        return Finding::new(Checker::OwnerOnlyRelease, unknown, &[]);
    }
    let mut violations = Violations::default();
    let mut unattributed = 0;
    let owners = clients_of_owners(truth);
    let mut last: BTreeMap<(&str, &str), &Tenure<'_>> = BTreeMap::new();
    for tenure in truth.keys.tenures() {
        let Some(client) = owners.get(tenure.owner) else {
            continue;
        };
        let before = last.insert((tenure.node, tenure.key), tenure);
        let extended_by = author(tenure.set)
            .filter(|by| by != client)
            .filter(|_| !before.is_some_and(|before| is_cut(truth, before, tenure)));
        if let Some(by) = extended_by {
            violations.add(tenure.set.at, [tenure.set], || {
                format!(
                    "{by} set or extended {:?} on {} for {client}'s owner token {} at {}",
                    tenure.key, tenure.node, tenure.owner, tenure.set.at,
                )
            });
        }
    }
    let mut holding: BTreeMap<(&str, &str), &Tenure<'_>> = BTreeMap::new();
    let mut tenures = truth.keys.tenures().iter().peekable();
    for event in truth.history.events() {
        while let Some(tenure) = tenures.next_if(|tenure| std::ptr::eq(tenure.set, event)) {
            let before = holding.insert((tenure.node, tenure.key), tenure);
            if let Some(before) = before
                .filter(|before| before.owner != tenure.owner && lived_until(truth, before, event))
            {
                violations.add(event.at, [before.set, event], || overwritten(before, event));
            }
        }
        if let EventKind::Crashed {
            data_lost: true, ..
        } = &event.kind
        {
            holding.retain(|(node, _), _| **node != *event.host);
        }
        let EventKind::Node {
            by,
            change: NodeChange::Removed { key, owner, why },
        } = &event.kind
        else {
            continue;
        };
        let place = (&*event.host, key.as_str());
        let Some(tenure) = holding.get(&place).filter(|now| now.owner == owner) else {
            continue;
        };
        let tenure = *tenure;
        holding.remove(&place);
        if !lived_until(truth, tenure, event) {
            continue;
        }
        match why {
            Removal::Overwritten => {
                violations.add(event.at, [tenure.set, event], || overwritten(tenure, event));
            }
            Removal::Deleted => match (by, owners.get(owner.as_str())) {
                (Some(by), Some(client)) if **by != **client => {
                    violations.add(event.at, [tenure.set, event], || {
                        format!(
                            "{by} deleted {key:?} on {} at {}, which held {client}'s owner token {owner} since {}",
                            event.host, event.at, tenure.set.at,
                        )
                    });
                }
                (None, _) => unattributed += u64::from(is_held(truth, owner, event)),
                _ => {}
            },
            _ => {}
        }
    }
    let verdict = if violations.is_empty() && unattributed > 0 {
        Verdict::Unknown(format!(
            "{unattributed} keys were deleted while their lease was held, and the history does not tell by whom"
        ))
    } else {
        violations.verdict()
    };
    Finding::new(Checker::OwnerOnlyRelease, verdict, &[])
}

/// Whether the key only lost what it cannot have: more than a TTL was left of it, because the node's clock had been stepped
/// back. Whoever notices cuts it.
fn is_cut(truth: &Truth<'_>, before: &Tenure<'_>, after: &Tenure<'_>) -> bool {
    let (Some(was), Some(is)) = (before.expires_wall_ms, after.expires_wall_ms) else {
        return false;
    };
    let wall = truth
        .hosts
        .host(after.node)
        .shows(ClockName::Wall, after.set.at);
    let ttl_ms = i64::try_from(truth.facts.ttl_ms).unwrap_or(i64::MAX);
    before.owner == after.owner && is < was && was.saturating_sub(wall / 1_000_000) > ttl_ms
}

fn overwritten(before: &Tenure<'_>, event: &Event) -> String {
    let by = author(event).map_or_else(String::new, |by| format!(" by {by}"));
    format!(
        "{:?} on {}, unexpired with owner token {} since {}, was overwritten{by} at {}",
        before.key, before.node, before.owner, before.set.at, event.at,
    )
}

fn author(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Node { by, .. } => by.as_deref(),
        _ => None,
    }
}

/// Whether the key that the event is about had not expired by then on the clock of its node.
fn lived_until(truth: &Truth<'_>, tenure: &Tenure<'_>, event: &Event) -> bool {
    let wall = truth
        .hosts
        .host(tenure.node)
        .shows(ClockName::Wall, event.at);
    tenure
        .expires_wall_ms
        .is_none_or(|when| wall < truth.facts.expiry.gone_from(when))
}

/// By owner token, the client that made it: that of the lease, of the attempt, or of the command that set it first.
fn clients_of_owners<'h>(truth: &Truth<'h>) -> BTreeMap<&'h str, &'h str> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for lease in &truth.leases {
        if let Some(owner) = lease.owner {
            owners.entry(owner).or_insert(lease.client);
        }
    }
    for event in truth.history.events() {
        if let EventKind::Attempt {
            owner: Some(owner), ..
        } = &event.kind
        {
            owners.entry(owner).or_insert(&event.host);
        }
    }
    for tenure in truth.keys.tenures() {
        if let Some(by) = author(tenure.set) {
            owners.entry(tenure.owner).or_insert(by);
        }
    }
    owners
}

fn is_held(truth: &Truth<'_>, owner: &str, event: &Event) -> bool {
    truth
        .leases
        .iter()
        .any(|lease| lease.owner == Some(owner) && lease.window.contains(event.at))
}
