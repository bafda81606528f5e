//! What a search saw: a search that saw nothing found nothing for a reason.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::case::Judged;
use crate::{
    checkers::{Checker, Verdict},
    history::{EventKind, Outcome},
    plan::Plan,
    truth::Goal,
};

/// Counts over many plans. Joining two is commutative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Plans run.
    pub plans: u64,
    /// Of these, in how many each goal was reached.
    pub reached: BTreeMap<Goal, u64>,
    /// How many plans have how many windows.
    pub windows: BTreeMap<usize, u64>,
    /// Acquisitions in all.
    pub acquired: u64,
    /// Of these, decided while a fault was active.
    pub under_fault: u64,
    /// In how many plans a checker could not tell; checkers that always could are left out.
    #[serde(default)]
    pub undecided: BTreeMap<Checker, u64>,
    /// The least safety margin of any lease, in nanoseconds.
    pub least_margin: Option<i64>,
}

impl Tally {
    /// What one plan's run shows.
    pub fn of(plan: &Plan, judged: &Judged) -> Self {
        let goals = &judged.report.goals;
        let acquired = judged.run.history.events().iter().filter(|event| {
            matches!(
                &event.kind,
                EventKind::Return {
                    outcome: Outcome::Acquired { .. },
                    ..
                }
            )
        });
        Self {
            plans: 1,
            reached: goals
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(goal, _)| (*goal, 1))
                .collect(),
            windows: [(plan.windows.len(), 1)].into(),
            acquired: acquired.count() as u64,
            under_fault: goals
                .get(&Goal::AcquiredUnderFault)
                .copied()
                .unwrap_or_default(),
            undecided: judged
                .report
                .findings
                .iter()
                .filter(|found| matches!(found.verdict, Verdict::Unknown(_)))
                .map(|found| (found.checker, 1))
                .collect(),
            least_margin: least_margin(judged),
        }
    }

    /// Adds what another search saw.
    pub fn join(&mut self, other: &Self) {
        self.plans += other.plans;
        for (goal, count) in &other.reached {
            *self.reached.entry(*goal).or_default() += count;
        }
        for (windows, count) in &other.windows {
            *self.windows.entry(*windows).or_default() += count;
        }
        for (checker, count) in &other.undecided {
            *self.undecided.entry(*checker).or_default() += count;
        }
        self.acquired += other.acquired;
        self.under_fault += other.under_fault;
        self.least_margin = match (self.least_margin, other.least_margin) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// The share of plans in which `goal` was reached, in percent.
    pub fn percent(&self, goal: Goal) -> u64 {
        self.reached.get(&goal).copied().unwrap_or_default() * 100 / self.plans.max(1)
    }

    /// The median number of windows of a plan.
    pub fn median_windows(&self) -> usize {
        let mut seen = 0;
        for (windows, count) in &self.windows {
            seen += count;
            if seen * 2 >= self.plans {
                return *windows;
            }
        }
        0
    }
}

pub(super) fn least_margin(judged: &Judged) -> Option<i64> {
    judged.report.least_margin()?.margin_ns
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} plans, {} windows in the median",
            self.plans,
            self.median_windows()
        )?;
        let share = self.under_fault * 100 / self.acquired.max(1);
        writeln!(
            f,
            "{} acquisitions, {share}% decided while a fault was active",
            self.acquired
        )?;
        if let Some(margin) = self.least_margin {
            writeln!(f, "least safety margin: {} µs", margin / 1_000)?;
        }
        for (checker, count) in &self.undecided {
            writeln!(f, "{count} plans in which {checker} could not be decided")?;
        }
        for goal in Goal::ALL {
            writeln!(f, "{:>4}% of plans: {goal:?}", self.percent(goal))?;
        }
        Ok(())
    }
}
