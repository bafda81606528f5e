//! What is kept of a run for tables.

use std::{path::PathBuf, time::Duration};

use crate::{
    cli::{Ending, shell},
    run_folder::Mode,
    runs::Finished,
    scenario::{
        Contender, Outcome, Scenario,
        outcome::{Inconclusive, Judgement},
    },
};

/// A run that was made.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) scenario: String,
    pub(super) contender: Contender,
    pub(super) seed: u64,
    pub(super) mode: Mode,
    pub(super) expected: Option<Outcome>,
    pub(super) outcome: Result<Outcome, Inconclusive>,
    /// What the simulator came to, beside a live run.
    pub(super) simulated: Option<Result<Outcome, Inconclusive>>,
    /// The longest that somebody waited although nobody held the lock.
    pub(super) longest_gap: Duration,
    /// The least safety margin, in nanoseconds, where it is known.
    pub(super) least_margin_ns: Option<i64>,
    /// What the checkers saw, in sentences.
    pub(super) evidence: Vec<String>,
    /// What was done only nearly as the plan says.
    pub(super) notes: Vec<String>,
    /// Faults that could not be made while it was on.
    pub(super) not_made: Vec<String>,
    /// Where the run is kept.
    pub(super) kept: PathBuf,
}

impl Row {
    pub(super) fn new(
        scenario: &Scenario,
        contender: Contender,
        mode: Mode,
        finished: &Finished,
        kept: PathBuf,
    ) -> Self {
        let Judgement {
            outcome,
            report,
            longest_gap,
        } = &finished.judgement;
        let evidence = report.violations().filter_map(|finding| {
            let because = finding.verdict.evidence()?;
            Some(format!("{}: {}", finding.checker, because.summary))
        });
        Self {
            scenario: scenario.name.clone(),
            contender,
            seed: finished.replay.seed,
            mode,
            expected: match mode {
                Mode::Simulated => scenario.head.verdicts.get(&contender).copied(),
                Mode::Live => scenario.expected_live(contender),
            },
            outcome: outcome.clone(),
            simulated: None,
            longest_gap: *longest_gap,
            least_margin_ns: report.least_margin().and_then(|margin| margin.margin_ns),
            evidence: evidence.collect(),
            notes: Vec::new(),
            not_made: finished.not_made.clone(),
            kept,
        }
    }

    /// Whether it came out as the scenario says.
    pub(super) fn is_as_expected(&self) -> bool {
        self.expected.is_some() && self.outcome.as_ref().ok() == self.expected.as_ref()
    }

    /// Whether faults could not be made, so that nothing is known: it counts as skipped.
    pub(super) const fn is_not_made(&self) -> bool {
        matches!(self.outcome, Err(Inconclusive::NotMade(_)))
    }

    /// Whether it came to something else than the scenario says, or shows nothing although everything was done.
    pub(super) fn is_wrong(&self) -> bool {
        !self.is_as_expected() && !self.is_not_made()
    }

    /// How the command would end if this were its only run: a new violation is worse than a hazard that no longer shows.
    pub(super) fn ending(&self) -> Ending {
        if self.is_as_expected() {
            return Ending::AsExpected;
        }
        match &self.outcome {
            Err(Inconclusive::Failed(_)) => Ending::Safety,
            Err(Inconclusive::Vacuous(_) | Inconclusive::NotMade(_)) => Ending::Inconclusive,
            Ok(Outcome::Broken) => Ending::Safety,
            Ok(Outcome::Fenced) if self.expected != Some(Outcome::Broken) => Ending::Safety,
            Ok(Outcome::Stuck | Outcome::Deadlocked | Outcome::Unavailable) => Ending::Liveness,
            Ok(Outcome::Fenced | Outcome::Safe) => Ending::Inconclusive,
        }
    }

    /// What is not as expected, and how to look at it.
    pub(super) fn told(&self) -> String {
        let expected = self.expected.map_or("nothing", Outcome::name);
        let came = match &self.outcome {
            Ok(outcome) => outcome.to_string(),
            Err(why) => why.to_string(),
        };
        let mut text = format!(
            "{} with {}, seed {}: expected {expected}, came to {came}",
            self.scenario, self.contender, self.seed
        );
        for evidence in &self.evidence {
            text += &format!("\n    {evidence}");
        }
        for why in &self.not_made {
            text += &format!("\n    a fault could not be made: {why}");
        }
        text + &format!(
            "\n    look at it: redlock-lab explain {}",
            shell::quoted(&self.kept)
        )
    }
}
