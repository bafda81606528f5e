//! What all checkers say of one run.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{Assumption, Verdict};
use crate::truth::{Goal, Margin};

/// Names a checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checker {
    /// [`super::window_exclusion`].
    WindowExclusion,
    /// [`super::belief_overlap`].
    BeliefOverlap,
    /// [`super::validity_bound`].
    ValidityBound,
    /// [`super::effect_order`].
    EffectOrder,
    /// [`super::fencing`].
    Fencing,
    /// [`super::owner_only_release`].
    OwnerOnlyRelease,
    /// [`super::linearizable_mutex`].
    LinearizableMutex,
    /// [`super::fenced_mutex`].
    FencedMutex,
    /// [`super::liveness`].
    Liveness,
    /// [`super::panics`].
    Panics,
    /// [`super::goals`].
    Goals,
}

impl Checker {
    /// All of them, in the order in which they report.
    pub const ALL: [Self; 11] = [
        Self::WindowExclusion,
        Self::BeliefOverlap,
        Self::ValidityBound,
        Self::EffectOrder,
        Self::Fencing,
        Self::OwnerOnlyRelease,
        Self::LinearizableMutex,
        Self::FencedMutex,
        Self::Liveness,
        Self::Panics,
        Self::Goals,
    ];

    /// As files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WindowExclusion => "window_exclusion",
            Self::BeliefOverlap => "belief_overlap",
            Self::ValidityBound => "validity_bound",
            Self::EffectOrder => "effect_order",
            Self::Fencing => "fencing",
            Self::OwnerOnlyRelease => "owner_only_release",
            Self::LinearizableMutex => "linearizable_mutex",
            Self::FencedMutex => "fenced_mutex",
            Self::Liveness => "liveness",
            Self::Panics => "panics",
            Self::Goals => "goals",
        }
    }
}

impl fmt::Display for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one checker says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub checker: Checker,
    /// Its verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What it rests on.
    pub assumes: Vec<Assumption>,
    /// What it counted besides, by name.
    pub counts: BTreeMap<String, u64>,
    /// What is worth telling people although it is no violation; the first few.
    pub notes: Vec<String>,
}

impl Finding {
    pub(super) fn new(checker: Checker, verdict: Verdict, assumes: &[Assumption]) -> Self {
        Self {
            checker,
            verdict,
            assumes: assumes.to_vec(),
            counts: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn count(mut self, what: &str, count: u64) -> Self {
        self.counts.insert(what.to_owned(), count);
        self
    }
}

/// What all checkers say: `verdict.json` of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// One per checker, in the order of [`Checker::ALL`].
    pub findings: Vec<Finding>,
    /// The safety margins of all leases that have an owner token, in the order in which they were acquired.
    pub margins: Vec<Margin>,
    /// How often each goal was reached, declared or not.
    pub goals: BTreeMap<Goal, u64>,
}

impl Report {
    /// What one checker says.
    ///
    /// # Panics
    ///
    /// When the report was read from a file that lacks it.
    pub fn finding(&self, checker: Checker) -> &Finding {
        let found = self.findings.iter().find(|found| found.checker == checker);
        match found {
            Some(finding) => finding,
            None => panic!("the report says nothing of {checker}"),
        }
    }

    /// Whether no checker found a violation.
    pub fn is_ok(&self) -> bool {
        self.violations().next().is_none()
    }

    /// The findings that are violations.
    pub fn violations(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.verdict.is_violated())
    }

    /// The smallest safety margin, the earliest of several; `None` when no lease has one. Leases that were released count only
    /// when they were unsafe: their margin is nothing but the way of the release to the nodes.
    pub fn least_margin(&self) -> Option<&Margin> {
        let telling = self.margins.iter().filter_map(|margin| {
            let ns = margin.margin_ns?;
            (ns < 0 || margin.ended != "released").then_some((ns, margin))
        });
        telling.min_by_key(|(ns, _)| *ns).map(|(_, margin)| margin)
    }
}

/// A line per checker.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{:<19} {}", finding.checker, finding.verdict)?;
        }
        Ok(())
    }
}
