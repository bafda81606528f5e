//! Grants can be put into an order in which tokens only grow.
//!
//! *Definition.* A mutex with fences is linearizable when its acquisitions have an order that keeps to real time and in
//! which each token is above all earlier ones. The tokens dictate the order, so it is enough that they differ and
//! that no acquisition that returned before another was *invoked* has the larger token: O(n log n).
//! Acquisitions with unknown outcome are dropped: they can have got any token.
//!
//! *Source.* The `FencedMutex` model of Jepsen's Hazelcast tests; Herlihy and Wing 1990 for linearizability. Exclusion
//! itself is [`super::linearizable_mutex`]'s: what is left here must hold also where leases overlap.
//!
//! *Assumes* nothing of clients' clocks, delays or pauses: it is checked in all plans. Only lost memory is an excuse, and, after
//! that, nodes' wall clocks that disagree.

use super::{
    Checker, Finding, Verdict,
    fencing::{ordered, unique},
    verdict::Violations,
};
use crate::{plan::Promise, truth::Truth};

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
        ordered(&fenced, |lease| lease.invoked, &mut violations);
    }
    let verdict = if tokens == 0 {
        Verdict::Unknown("no lease has a fencing token".to_owned())
    } else {
        violations.verdict()
    };
    Finding::new(
        Checker::FencedMutex,
        verdict,
        &Promise::TokenOrder.rests_on(),
    )
    .count("tokens", tokens)
}
