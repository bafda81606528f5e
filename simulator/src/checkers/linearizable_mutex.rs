//! The lock behaves like one mutex.
//!
//! *Definition.* The operations of a mutex are put into one order that keeps to real time and in which acquire and release
//! take turns. An acquisition takes effect between its invocation and its return. The hold ends when the window
//! does: at the deadline, or not before the invocation of the release. So the hold covers at least
//! the window, and an order exists exactly when windows are pairwise disjoint (let each acquisition act as it returns
//! and each release as it is invoked) and each lease whose window is empty has one instant outside
//! everybody else's window, between its invocation and its return: O(n log n).
//!
//! Acquisitions with unknown outcome are dropped, for they need not have happened; a release with unknown outcome
//! acts at its invocation, which is the earliest it can and never harms an order.
//!
//! *Source.* Herlihy and Wing 1990; Jepsen's mutex model. A brute-force search over all orders is the oracle of the
//! tests.
//!
//! *Assumes* clocks within bounds and nodes that remember.

use super::{
    Checker, Finding, tell,
    verdict::Violations,
    window_exclusion::{holds, overlaps},
};
use crate::{
    plan::Promise,
    truth::{Interval, Lease, Truth, WindowEnd},
};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    for leases in truth.by_resource().values() {
        let holds = holds(leases);
        overlaps(&holds, |older, newer, overlap| {
            violations.add(overlap.start, [older.returned, newer.returned], || {
                format!(
                    "no order of a mutex has both {} and {} on {:?}: both held at {}",
                    tell::lease(older),
                    tell::lease(newer),
                    older.resource,
                    overlap.start,
                )
            });
        });
        for lease in leases.iter().filter(|lease| lease.window.is_empty()) {
            if let Some(around) = covered(lease, &holds) {
                violations.add(lease.returned.at, [lease.invoked, lease.returned], || {
                    format!(
                        "no order of a mutex has {} on {:?}, acquired between {} and {}: somebody else held {around}",
                        tell::lease(lease),
                        lease.resource,
                        lease.invoked.at,
                        lease.returned.at,
                    )
                });
            }
        }
    }
    Finding::new(
        Checker::LinearizableMutex,
        violations.verdict(),
        &Promise::Exclusion.rests_on(),
    )
}

/// The hold of somebody else within which all instants lie at which a lease without a window can have been held: those of
/// its acquisition when its deadline had passed before it returned, else the instant of the return.
fn covered(lease: &Lease<'_>, holds: &[(Interval, &Lease<'_>)]) -> Option<Interval> {
    let last = lease.returned.at;
    let first = match lease.ended {
        WindowEnd::Deadline(_) => lease.invoked.at,
        _ => last,
    };
    // At its ends a hold has not begun yet, or is over: only what lies strictly inside is taken. When holds overlap
    // each other, so that the last to begin is not the one to look at, that was reported.
    let begun = holds.partition_point(|(hold, _)| hold.start < first);
    let (hold, other) = holds[..begun].last()?;
    let shares =
        other.client == lease.client && other.owner.is_some() && other.owner == lease.owner;
    (last < hold.end && !shares).then_some(*hold)
}
