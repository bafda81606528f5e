//! All that a run depends on.

use std::collections::BTreeSet;

use super::planted::{Planted, Sown};
use crate::{
    checkers::{Checker, Report, check_all},
    plan::{Plan, shrink},
    store::Fencing,
    world::{Replay, Run, WorldConfig},
};

/// A world, a plan, a seed: the same case has the same history, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The world.
    pub config: WorldConfig,
    /// The faults.
    pub plan: Plan,
    /// What everything random is drawn from.
    pub seed: u64,
    /// The rule that is switched off, if any.
    pub planted: Option<Planted>,
}

/// A case that was run and judged.
#[derive(Debug)]
pub struct Judged {
    /// What happened.
    pub run: Run,
    /// What the checkers say.
    pub report: Report,
}

/// A violation with as little around it as it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShrunkCase {
    /// It violates the same rule.
    pub case: Case,
    /// How many runs it took.
    pub runs: usize,
    /// Whether it is known that no single window can go: false when the budget ended first.
    pub is_minimal: bool,
}

impl Case {
    /// The world, the plan and the seed: without a rule of the client that is switched off, with one of the store.
    pub fn replay(&self) -> Replay {
        let mut config = self.config.clone();
        if self.planted.as_ref().is_some_and(Planted::is_of_store) {
            config.fencing = Fencing::Writes;
        }
        Replay {
            config,
            plan: self.plan.clone(),
            seed: self.seed,
        }
    }

    /// Runs and judges it.
    pub fn judge(&self) -> Judged {
        let replay = self.replay();
        let facts = replay.config.facts();
        let sown = Sown::new(self.planted.as_ref());
        let run = replay.run();
        drop(sown);
        let report = check_all(&run.history, &facts);
        Judged { run, report }
    }

    /// Makes the case smaller, with at most `budget` runs, as long as the rule of `checker` stays violated. `None` when the
    /// case does not violate it.
    pub fn shrink(&self, checker: Checker, budget: usize) -> Option<ShrunkCase> {
        self.shrink_while(budget, |case| case.judge().violates().contains(&checker))
    }

    /// The same, and `watch` is called before every run with the number of windows in it. When it returns false, no more runs
    /// are made: the smallest case so far is returned.
    pub fn shrink_watched(
        &self,
        checker: Checker,
        budget: usize,
        mut watch: impl FnMut(usize) -> bool,
    ) -> Option<ShrunkCase> {
        let mut goes_on = true;
        let shrunk = self.shrink_while(budget, |case| {
            goes_on = goes_on && watch(case.plan.windows.len());
            goes_on && case.judge().violates().contains(&checker)
        });
        let mut shrunk = shrunk?;
        shrunk.is_minimal &= goes_on;
        Some(shrunk)
    }

    /// Makes the case smaller as long as `keeps` says that it is still what it was. `None` when it is not to begin with.
    pub fn shrink_while(
        &self,
        budget: usize,
        mut keeps: impl FnMut(&Self) -> bool,
    ) -> Option<ShrunkCase> {
        let small = shrink::Case {
            plan: self.plan.clone(),
            nodes: self.config.nodes,
            clients: self.config.clients,
        };
        let grown = |small: &shrink::Case| {
            let mut case = self.clone();
            case.plan = small.plan.clone();
            case.config.nodes = small.nodes;
            case.config.clients = small.clients;
            case
        };
        let shrunk = shrink::shrink(small, budget, |small| {
            // Nothing is locked on no node; such a world cannot even be made.
            small.nodes > 0 && small.clients > 0 && keeps(&grown(small))
        })?;
        Some(ShrunkCase {
            case: grown(&shrunk.case),
            runs: shrunk.runs,
            is_minimal: shrunk.end == shrink::End::NoWindowCanGo,
        })
    }
}

impl Judged {
    /// The rules that are violated; a run that broke down violates `panics`.
    pub fn violates(&self) -> BTreeSet<Checker> {
        let mut violated: BTreeSet<_> = self
            .report
            .violations()
            .map(|found| found.checker)
            .collect();
        violated.remove(&Checker::Goals);
        if self.run.failure.is_some() {
            violated.insert(Checker::Panics);
        }
        violated
    }
}
