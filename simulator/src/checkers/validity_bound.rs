//! No window outlives its protection.
//!
//! *Definition.* A lease is protected while fewer than q nodes could vote for another owner
//! ([`crate::truth::Hold::protection`]). Violated when that ends before the window does: a near miss until somebody
//! else acquires, and the earliest sign of a wrong validity. The distance between the two ends is the safety margin
//! of the lease, recorded for all of them whatever the verdict.
//!
//! *Source.* The validity time of Redis, "Distributed Locks", steps 3 and 4, with drift in rates and steps of clocks.
//!
//! *Assumes* clocks within bounds and nodes that remember. Unknown when nobody looked at the nodes.

use super::{
    Checker, Finding, Verdict, tell,
    verdict::{NOT_OBSERVED, Violations},
};
use crate::{
    plan::Promise,
    truth::{Margin, Truth},
};

/// Runs the checker over margins that [`Truth::margins`] computed.
pub fn check(truth: &Truth<'_>, margins: &[Margin]) -> Finding {
    let mut violations = Violations::default();
    for margin in margins.iter().filter(|margin| margin.is_unsafe()) {
        let Some(lease) = truth.lease(&margin.lease) else {
            continue;
        };
        violations.add(margin.protected_until_ns, [lease.returned], || {
            let early = lease.window.end.since(margin.protected_until_ns);
            format!(
                "{} on {:?} held from {} {}, but from {} on a quorum was free to grant it to somebody else: {} too early",
                tell::lease(lease),
                lease.resource,
                lease.window.start,
                tell::end(lease),
                margin.protected_until_ns,
                tell::length(early),
            )
        });
    }
    let verdict = if !truth.facts.observes_nodes {
        Verdict::Unknown(NOT_OBSERVED.to_owned())
    } else if margins.is_empty() && !truth.leases.is_empty() {
        Verdict::Unknown("no lease has an owner token to look for on the nodes".to_owned())
    } else {
        violations.verdict()
    };
    Finding::new(
        Checker::ValidityBound,
        verdict,
        &Promise::Exclusion.rests_on(),
    )
    .count("margins", margins.len() as u64)
}
