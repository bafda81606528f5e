//! A smaller case that fails in the same way: what remains is the explanation.
//!
//! Delta debugging over the plan and the cluster. Each candidate is run; it is kept if it still fails. First the whole
//! plan goes, then kinds of faults, then runs of windows from half of them down to one, then names in lists, then clients and nodes;
//! then times get shorter and numbers smaller by halves, and then numbers are rounded to fewer digits. All of this
//! again until nothing changes, and at the end every single window is tried once more.
//!
//! Deterministic: the same case, budget and failure give the same result. A candidate that is no valid plan
//! ([`Plan::check`]) is never run, and none is run twice.

mod candidates;
mod numbers;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{Family, Hosts, Plan};

/// What is made smaller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The faults.
    pub plan: Plan,
    /// How many nodes there are: `node-1` ….
    pub nodes: usize,
    /// How many clients there are: `client-1` ….
    pub clients: usize,
}

impl Case {
    fn hosts(&self) -> Hosts {
        Hosts::numbered(self.nodes, self.clients)
    }
}

/// How far shrinking came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Without any one of its windows, the case does not fail; nor did anything else make it smaller.
    NoWindowCanGo,
    /// The budget ended first: the case fails, but a smaller one may fail too.
    BudgetSpent,
}

/// The smallest case found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// It fails.
    pub case: Case,
    /// How many candidates were run, the case itself included.
    pub runs: usize,
    /// Whether it is known that no window can go.
    pub end: End,
}

/// Makes `case` smaller with at most `budget` runs of `still_fails`, which says whether a candidate fails in the
/// same way.
///
/// `None` when `case` itself does not fail, or the budget is zero.
pub fn shrink(
    case: Case,
    budget: usize,
    mut still_fails: impl FnMut(&Case) -> bool,
) -> Option<Shrunk> {
    if budget == 0 || !still_fails(&case) {
        return None;
    }
    let mut shrinking = Shrinking {
        best: case,
        runs: 1,
        budget,
        is_spent: false,
        tried: BTreeSet::new(),
        still_fails: &mut still_fails,
    };
    loop {
        let before = shrinking.best.clone();
        shrinking.families();
        shrinking.windows();
        shrinking.each(candidates::without_a_name);
        shrinking.hosts();
        shrinking.each(candidates::milder);
        shrinking.each(numbers::smaller);
        shrinking.each(numbers::rounder);
        // The proof: free of charge when the passes above tried all of it already.
        let window_went = shrinking.single_windows();
        if shrinking.is_spent || (!window_went && shrinking.best == before) {
            break;
        }
    }
    Some(Shrunk {
        end: if shrinking.is_spent {
            End::BudgetSpent
        } else {
            End::NoWindowCanGo
        },
        runs: shrinking.runs,
        case: shrinking.best,
    })
}

struct Shrinking<'a> {
    best: Case,
    runs: usize,
    budget: usize,
    /// Something was left to be tried when the budget was spent.
    is_spent: bool,
    /// What was run and did not fail.
    tried: BTreeSet<(usize, usize, String)>,
    still_fails: &'a mut dyn FnMut(&Case) -> bool,
}

impl Shrinking<'_> {
    /// Whether the candidate fails; it is the best one then.
    fn accept(&mut self, candidate: Case) -> bool {
        let name = (candidate.nodes, candidate.clients, candidate.plan.to_toml());
        if candidate == self.best
            || self.tried.contains(&name)
            || candidate.plan.check(&candidate.hosts()).is_err()
        {
            return false;
        }
        if self.runs == self.budget {
            self.is_spent = true;
            return false;
        }
        self.runs += 1;
        if (self.still_fails)(&candidate) {
            self.best = candidate;
            return true;
        }
        self.tried.insert(name);
        false
    }

    fn families(&mut self) {
        self.accept(Case {
            plan: Plan::default(),
            ..self.best.clone()
        });
        for (family, _) in Family::ALL {
            let mut candidate = self.best.clone();
            candidate
                .plan
                .windows
                .retain(|window| window.fault.family() != family);
            self.accept(candidate);
        }
    }

    /// Runs of windows, half of them at first.
    fn windows(&mut self) {
        let mut length = self.best.plan.windows.len() / 2;
        while length > 1 {
            let mut at = 0;
            while at < self.best.plan.windows.len() {
                if !self.accept_without(at, length) {
                    at += length;
                }
            }
            length /= 2;
        }
        self.single_windows();
    }

    /// Whether any went.
    fn single_windows(&mut self) -> bool {
        let before = self.best.plan.windows.len();
        let mut at = 0;
        while at < self.best.plan.windows.len() {
            if !self.accept_without(at, 1) {
                at += 1;
            }
        }
        self.best.plan.windows.len() < before
    }

    fn accept_without(&mut self, at: usize, length: usize) -> bool {
        let mut candidate = self.best.clone();
        let end = (at + length).min(candidate.plan.windows.len());
        candidate.plan.windows.drain(at..end);
        self.accept(candidate)
    }

    /// Clients one by one from the last, then nodes two at a time (an odd number stays odd), then one by one.
    fn hosts(&mut self) {
        for number in (1..=self.best.clients).rev() {
            self.accept(candidates::without_client(&self.best, number));
        }
        for number in (2..=self.best.nodes).rev() {
            if number <= self.best.nodes {
                let one_less = candidates::without_node(&self.best, number);
                self.accept(candidates::without_node(&one_less, number - 1));
            }
        }
        for number in (1..=self.best.nodes).rev() {
            self.accept(candidates::without_node(&self.best, number));
        }
    }

    /// Asks for candidates, best first, until none of them is accepted.
    fn each(&mut self, candidates: impl Fn(&Case) -> Vec<Case>) {
        while !self.is_spent {
            let found = candidates(&self.best);
            if !found.into_iter().any(|candidate| self.accept(candidate)) {
                return;
            }
        }
    }
}
