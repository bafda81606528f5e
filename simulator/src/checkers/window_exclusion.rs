//! No two windows of one resource overlap.
//!
//! *Definition.* The window of a lease is from the return of its acquisition to the earliest of release invoked, loss
//! reported, and the deadline on the holder's own clocks in true time ([`Lease::window`]). Windows that touch do not
//! overlap, and those of one process that share an owner token (re-entry) are one hold.
//!
//! *Source.* Redis, "Distributed Locks", the safety argument; Gray and Cheriton 1989 for leases as such.
//!
//! *Assumes* clocks within bounds and nodes that remember; under these it holds for any delay, loss, reordering
//! and pause.

use std::collections::BTreeMap;

use super::{Checker, Finding, tell, verdict::Violations};
use crate::{
    plan::Promise,
    truth::{Interval, Intervals, Lease, Truth},
};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    for leases in truth.by_resource().values() {
        overlaps(&holds(leases), |older, newer, overlap| {
            violations.add(overlap.start, [older.returned, newer.returned], || {
                told(older, newer)
            });
        });
    }
    Finding::new(
        Checker::WindowExclusion,
        violations.verdict(),
        &Promise::Exclusion.rests_on(),
    )
    .count("leases", truth.leases.len() as u64)
}

fn told(older: &Lease<'_>, newer: &Lease<'_>) -> String {
    format!(
        "{} on {:?} held from {} {}; {} began at {} and held {}",
        tell::lease(older),
        older.resource,
        older.window.start,
        tell::end(older),
        tell::lease(newer),
        newer.window.start,
        tell::end(newer),
    )
}

/// The windows of one resource, with those of one hold merged, earliest first.
pub(super) fn holds<'a, 'h>(leases: &[&'a Lease<'h>]) -> Vec<(Interval, &'a Lease<'h>)> {
    let mut shared: BTreeMap<(&str, &str), Vec<&'a Lease<'h>>> = BTreeMap::new();
    let mut holds = Vec::new();
    for lease in leases {
        match lease.owner {
            Some(owner) => shared.entry((lease.client, owner)).or_default().push(lease),
            None => holds.push((lease.window, *lease)),
        }
    }
    for group in shared.into_values() {
        let merged = Intervals::union(group.iter().map(|lease| lease.window));
        holds.extend(merged.as_slice().iter().filter_map(|window| {
            let first = group
                .iter()
                .find(|lease| window.contains(lease.window.start))?;
            Some((*window, *first))
        }));
    }
    holds.retain(|(window, _)| !window.is_empty());
    holds.sort_by_key(|(window, lease)| (*window, lease.id));
    holds
}

/// Calls `found` for each hold that begins within an earlier one, with the earlier one that lasts longest: finds an
/// overlap if there is one, in O(n log n).
pub(super) fn overlaps<'a, 'h>(
    holds: &[(Interval, &'a Lease<'h>)],
    mut found: impl FnMut(&'a Lease<'h>, &'a Lease<'h>, Interval),
) {
    let mut longest: Option<(Interval, &Lease<'h>)> = None;
    for (window, lease) in holds {
        if let Some((before, older)) = longest
            && let Some(overlap) = before.overlap(window)
        {
            found(older, lease, overlap);
        }
        if longest.is_none_or(|(before, _)| before.end < window.end) {
            longest = Some((*window, lease));
        }
    }
}
