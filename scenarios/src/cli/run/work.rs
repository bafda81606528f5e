//! Makes the runs in the simulator, and keeps runs.

use std::{fmt, path::PathBuf, sync::atomic::AtomicBool};

use indicatif::ProgressBar;

use super::{Options, Wanted, row::Row};
use crate::{
    cli::{Error, interrupt::Interrupt, output::progress, shell},
    run_folder::{FinishedRun, Mode, RunFolder},
    runs::{Finished, Job, at_once, simulate_all},
    scenario::{Contender, outcome::Inconclusive},
};

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// In the order in which it was wanted.
    pub(super) rows: Vec<Row>,
    /// What cannot be made, and was not begun.
    pub(super) skipped: Vec<Skipped>,
}

/// What does not run on real servers.
#[derive(Clone, Debug)]
pub(super) struct Skipped {
    pub(super) scenario: String,
    /// None: no lock of this scenario does.
    pub(super) contender: Option<Contender>,
    pub(super) why: String,
}

impl Made {
    /// What cannot be made live, and then what could not be made as it ran.
    pub(super) fn skipped(&self) -> Vec<Skipped> {
        let rows = self.rows.iter();
        let not_made = rows.filter_map(|row| match &row.outcome {
            Err(why @ Inconclusive::NotMade(_)) => Some(Skipped {
                scenario: row.scenario.clone(),
                contender: Some(row.contender),
                why: why.to_string(),
            }),
            _ => None,
        });
        self.skipped.iter().cloned().chain(not_made).collect()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario)?;
        if let Some(contender) = self.contender {
            write!(f, " with {contender}")?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Makes the runs in the simulator, several at a time.
///
/// # Errors
///
/// When a run cannot be kept.
pub(super) fn simulated(
    wanted: &[Wanted<'_>],
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Made, Error> {
    let jobs: Vec<_> = wanted.iter().map(Wanted::job).collect();
    let threads = options.jobs.unwrap_or_else(at_once);
    let bar = bar(jobs.len(), "simulating");
    let stop = AtomicBool::new(false);
    let mut rows: Vec<Option<Row>> = vec![None; jobs.len()];
    let mut failed = None;
    simulate_all(&jobs, threads, &stop, |place, finished| {
        bar.inc(1);
        let wanted = &wanted[place];
        match wanted.keep(&finished, Mode::Simulated, options) {
            Ok(kept) => rows[place] = Some(wanted.row(&finished, Mode::Simulated, kept)),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
        if failed.is_some() || interrupt.asked().is_some() {
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    bar.finish_and_clear();
    match failed {
        Some(error) => Err(error),
        None => Ok(Made {
            rows: rows.into_iter().flatten().collect(),
            skipped: Vec::new(),
        }),
    }
}

pub(super) fn bar(length: usize, what: &'static str) -> ProgressBar {
    progress(Some(u64::try_from(length).unwrap_or(u64::MAX)), what)
}

impl<'a> Wanted<'a> {
    pub(super) fn job(&self) -> Job<'a> {
        Job {
            scenario: self.scenario,
            contender: self.contender,
            seed: self.seed,
        }
    }

    pub(super) fn row(&self, finished: &Finished, mode: Mode, kept: PathBuf) -> Row {
        Row::new(self.scenario, self.contender, mode, finished, kept)
    }

    /// Writes the run's folder.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn keep(
        &self,
        finished: &Finished,
        mode: Mode,
        options: &Options,
    ) -> Result<PathBuf, Error> {
        let live = match mode {
            Mode::Simulated => "",
            Mode::Live => " --live",
        };
        let asked = match &self.scenario.origin {
            Some(file) => shell::quoted(file),
            None => self.scenario.name.clone(),
        };
        let breakdown = match &finished.judgement.outcome {
            Err(why @ Inconclusive::Failed(_)) => Some(why.to_string()),
            _ => None,
        };
        let run = FinishedRun {
            scenario: self.scenario.name.clone(),
            contender: match mode {
                Mode::Simulated => self.contender.name().to_owned(),
                Mode::Live => format!("{}+live", self.contender),
            },
            mode,
            command: format!(
                "redlock-lab run {asked} --contender {} --seed {}{live}",
                self.contender, self.seed
            ),
            replay: finished.replay.clone(),
            facts: finished.facts.clone(),
            history: finished.history.clone(),
            report: finished.judgement.report.clone(),
            breakdown,
            not_made: finished.not_made.clone(),
        };
        Ok(RunFolder::write(&options.runs, &run)?)
    }
}
