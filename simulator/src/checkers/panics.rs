//! Nothing panics.
//!
//! *Definition.* Violated when a task of a host panicked. A panic is a broken invariant of the code under test, or of the
//! world; what the other checkers say of such a run is about a run that was cut short.
//!
//! *Source.* The rule of this project that a failing peer is a value and only a broken invariant is a panic.
//!
//! *Assumes* that the world reports the panics of the tasks it polls.

use super::{Checker, Finding, verdict::Violations};
use crate::{history::EventKind, truth::Truth};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    for event in truth.history.events() {
        if let EventKind::Panicked { message } = &event.kind {
            violations.add(event.at, [event], || {
                format!(
                    "a task of {} panicked at {}: {message}",
                    event.host, event.at
                )
            });
        }
    }
    Finding::new(Checker::Panics, violations.verdict(), &[])
}
