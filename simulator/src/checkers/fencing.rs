//! Fencing tokens are unique, grow in the order of acquisition, and the store keeps to them.
//!
//! *Definition.* Violated when two acquisitions of one resource get equal tokens; when one that returned before the
//! other's winning attempt had started ([`crate::truth::Lease::started`]) has the larger one; or when the store answers or
//! applies an access with a token below the highest it has let in. Acquisitions that ran at the same time may get
//! their tokens in any order.
//!
//! *Source.* Kleppmann 2016 for the token, Burrows 2006 (Chubby's sequencer) for the store that checks it; that reads
//! must carry it too, because the first access of a new holder seals the store for the older ones.
//!
//! *Assumes* nothing of time. It rests on nodes that remember their counters, or quarantine and clocks that
//! agree when they do not; [`super::fenced_mutex`] is the weaker property that is left to a client alone.

use std::collections::BTreeMap;

use super::{Checker, Finding, Verdict, tell, verdict::Violations};
use crate::{
    history::{Event, EventKind, StoreAccess},
    plan::Promise,
    truth::{Lease, Truth},
};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    let mut tokens = 0;
    for leases in truth.by_resource().values() {
        let fenced: Vec<_> = leases
            .iter()
            .filter_map(|lease| Some((lease.token?, *lease)))
            .collect();
        tokens += fenced.len() as u64;
        unique(&fenced, &mut violations);
        ordered(&fenced, |lease| lease.started, &mut violations);
    }
    let checked = store(truth, &mut violations);
    let verdict = if tokens == 0 && checked == 0 {
        Verdict::Unknown("nothing carried a fencing token".to_owned())
    } else {
        violations.verdict()
    };
    Finding::new(Checker::Fencing, verdict, &Promise::TokenOrder.rests_on())
        .count("tokens", tokens)
        .count("accesses", checked)
}

/// No two have one token, unless they are one hold that was re-entered.
pub(super) fn unique(fenced: &[(u64, &Lease<'_>)], violations: &mut Violations) {
    let mut seen: BTreeMap<u64, &Lease<'_>> = BTreeMap::new();
    for (token, lease) in fenced {
        let Some(first) = seen.insert(*token, lease) else {
            continue;
        };
        if first.client == lease.client && first.owner.is_some() && first.owner == lease.owner {
            continue;
        }
        violations.add(lease.returned.at, [first.returned, lease.returned], || {
            format!(
                "{} and {}, acquired at {} and {}, have the same token on {:?}",
                tell::lease(first),
                tell::lease(lease),
                first.returned.at,
                lease.returned.at,
                lease.resource,
            )
        });
    }
}

/// None that returned before another one's `start` has the larger token.
pub(super) fn ordered<'h>(
    fenced: &[(u64, &Lease<'h>)],
    start: impl Fn(&Lease<'h>) -> &'h Event,
    violations: &mut Violations,
) {
    // Leases come in the order of their returns.
    let mut by_start: Vec<_> = fenced.to_vec();
    by_start.sort_by_key(|(_, lease)| (start(lease).at, lease.id));
    let mut returned = fenced.iter().peekable();
    let mut highest: Option<(u64, &Lease<'h>)> = None;
    for (token, lease) in by_start {
        let started = start(lease);
        while let Some((before, older)) =
            returned.next_if(|(_, older)| older.returned.at < started.at)
        {
            if highest.is_none_or(|(highest, _)| highest < *before) {
                highest = Some((*before, older));
            }
        }
        // Equal ones are `unique`'s.
        if let Some((before, older)) = highest
            && before > token
        {
            violations.add(lease.returned.at, [older.returned, started, lease.returned], || {
                format!(
                    "{} on {:?} was acquired at {}; {} started after that, at {}, and has the smaller token",
                    tell::lease(older),
                    lease.resource,
                    older.returned.at,
                    tell::lease(lease),
                    started.at,
                )
            });
        }
    }
}

/// Returns how many accesses carried a token.
fn store(truth: &Truth<'_>, violations: &mut Violations) -> u64 {
    let mut highest: BTreeMap<&str, (u64, &Event)> = BTreeMap::new();
    let mut checked = 0;
    for event in truth.history.events() {
        let EventKind::Store { access, .. } = &event.kind else {
            continue;
        };
        let (resource, token, what) = match access {
            StoreAccess::Read {
                resource, token, ..
            } => (resource, *token, "answered a read"),
            StoreAccess::Written {
                resource, token, ..
            } => (resource, *token, "applied a write"),
            StoreAccess::Refused { .. } => {
                checked += 1;
                continue;
            }
        };
        let Some(token) = token else { continue };
        checked += 1;
        match highest.get(resource.as_str()) {
            Some((seen, first)) if token < *seen => {
                violations.add(event.at, [*first, event], || {
                    format!(
                        "the store {what} of {resource:?} with token {token} at {}, although it had let in token {seen} at {}",
                        event.at, first.at,
                    )
                });
            }
            Some((seen, _)) if token == *seen => {}
            _ => {
                highest.insert(resource, (token, event));
            }
        }
    }
    checked
}
