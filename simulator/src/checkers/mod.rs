//! What must hold in a run, judged from its history.
//!
//! [`check_all`] computes the [`Truth`] of a history and runs every checker over it; the [`Report`] is what a run's
//! `verdict.json` holds. Each checker is one function in a file of its own, whose documentation gives the definition, its
//! source and what it assumes. A [`Verdict`] is ok, violated with the [`Evidence`], or unknown; none of them depends
//! on how the history came about. What a run broke of a checker's assumptions is named with its violation
//! and does not change the verdict.
//!
//! In reading order: the intervals of leases against each other ([`window_exclusion`], [`belief_overlap`],
//! [`linearizable_mutex`]) and against the nodes ([`validity_bound`]); effects and tokens ([`effect_order`], [`fencing`],
//! [`fenced_mutex`]); the nodes' keys ([`owner_only_release`]); progress ([`liveness`]); whether the code
//! broke ([`panics`]) and the run showed anything ([`goals`]).

pub mod belief_overlap;
pub mod effect_order;
pub mod fenced_mutex;
pub mod fencing;
pub mod goals;
pub mod linearizable_mutex;
pub mod liveness;
pub mod owner_only_release;
pub mod panics;
pub mod validity_bound;
pub mod window_exclusion;

mod assumptions;
mod report;
mod tell;
mod verdict;

pub use self::{
    report::{Checker, Finding, Report},
    verdict::{Broken, Evidence, Verdict},
};
pub use crate::plan::Assumption;
use crate::{
    history::History,
    truth::{Facts, Truth},
};

/// Runs all checkers. The same history and facts give the same report, byte for byte.
pub fn check_all(history: &History, facts: &Facts) -> Report {
    check_truth(&Truth::new(history, facts))
}

/// The same, for a truth that was computed already.
pub fn check_truth(truth: &Truth<'_>) -> Report {
    let margins = truth.margins();
    let goals = goals::reached(truth);
    let mut findings = vec![
        window_exclusion::check(truth),
        belief_overlap::check(truth),
        validity_bound::check(truth, &margins),
        effect_order::check(truth),
        fencing::check(truth),
        owner_only_release::check(truth),
        linearizable_mutex::check(truth),
        fenced_mutex::check(truth),
        liveness::check(truth),
        panics::check(truth),
        goals::check(truth, &goals),
    ];
    for finding in &mut findings {
        if let Verdict::Violated(evidence) = &mut finding.verdict {
            evidence.broken = assumptions::broken(truth, &finding.assumes, evidence.at);
        }
    }
    Report {
        findings,
        margins,
        goals,
    }
}
