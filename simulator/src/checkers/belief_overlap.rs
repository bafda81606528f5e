//! Nobody who could have known better believes beside somebody else.
//!
//! *Definition.* A belief ([`crate::truth::Belief`]) is as long as the holder thought it held the lease; a paused
//! holder believes until it resumes. Violated when two beliefs of one resource overlap although the older believer has
//! been scheduled since its deadline, or had none. An overlap while the older one was not scheduled since its deadline is
//! legal: no lock with an end can prevent it, fencing tokens are for it. It is counted and told in the notes.
//!
//! *Source.* Kleppmann 2016, "How to do distributed locking" (the pause after the grant) and the reply to it: what
//! auto-release costs every lease.
//!
//! *Assumes* the same as window exclusion.

use super::{Checker, Finding, tell, verdict::Violations};
use crate::{
    plan::Promise,
    truth::{Interval, Lease, Truth},
};

const NOTES: usize = 5;

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    let (mut legal, mut notes) = (0, Vec::new());
    for mut leases in truth.by_resource().into_values() {
        leases.sort_by_key(|lease| (lease.belief.span, lease.id));
        let mut believing: Vec<&Lease<'_>> = Vec::new();
        for newer in leases {
            let start = newer.belief.span.start;
            believing.retain(|older| older.belief.span.end > start);
            for older in &believing {
                let Some(overlap) = older.belief.span.overlap(&newer.belief.span) else {
                    continue;
                };
                if same_hold(older, newer) {
                    continue;
                }
                if is_legal(older, overlap) {
                    legal += 1;
                    if notes.len() < NOTES {
                        notes.push(told(older, newer, overlap));
                    }
                } else {
                    violations.add(overlap.start, [older.returned, newer.returned], || {
                        told(older, newer, overlap)
                    });
                }
            }
            believing.push(newer);
        }
    }
    let verdict = violations.verdict();
    let mut finding = Finding::new(
        Checker::BeliefOverlap,
        verdict,
        &Promise::Exclusion.rests_on(),
    )
    .count("legal_overlaps", legal);
    finding.notes = notes;
    finding
}

fn same_hold(a: &Lease<'_>, b: &Lease<'_>) -> bool {
    a.client == b.client && a.owner.is_some() && a.owner == b.owner
}

fn is_legal(older: &Lease<'_>, overlap: Interval) -> bool {
    older
        .belief
        .unpolled
        .is_some_and(|unpolled| unpolled.start <= overlap.start && overlap.end <= unpolled.end)
}

fn told(older: &Lease<'_>, newer: &Lease<'_>, overlap: Interval) -> String {
    let since = match older.belief.unpolled {
        Some(unpolled) => format!(
            ", was not scheduled {unpolled}, and believed until {}",
            older.belief.span.end
        ),
        None if older.belief.span.end > older.window.end => {
            format!(", and believed until {}", older.belief.span.end)
        }
        None => String::new(),
    };
    format!(
        "{} on {:?} held from {} {}{since}; {} believed from {} on: both {overlap}",
        tell::lease(older),
        older.resource,
        older.window.start,
        tell::end(older),
        tell::lease(newer),
        newer.belief.span.start,
    )
}
