//! Makes the runs.

use std::{num::NonZeroUsize, path::PathBuf, sync::atomic::AtomicBool, thread, time::Duration};

use indicatif::ProgressBar;

use super::{Options, Wanted, row::Row};
use crate::{
    cli::{Error, interrupt::Interrupt, output::progress, shell},
    rig,
    run_folder::{FinishedRun, Mode, RunFolder},
    runs::{Finished, Job, simulate_all},
    scenario::{Contender, Outcome, Scenario, outcome::Inconclusive},
};

/// What was made.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// In the order in which it was wanted.
    pub(super) rows: Vec<Row>,
    /// What cannot be made, each with its reason.
    pub(super) skipped: Vec<String>,
}

/// The TTL of live runs.
const LIVE_TTL: Duration = Duration::from_secs(1);

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
    let threads = options
        .jobs
        .or_else(|| thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
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

/// Of the locks of a scenario, those that a live run shows unless others are asked for: the first that it breaks, and the lock as it is shipped,
/// without and with a resource that checks tokens.
pub(super) fn taught_live(scenario: &Scenario, contenders: &[Contender]) -> Vec<Contender> {
    let broken = |it: &&Contender| scenario.head.verdicts.get(it) == Some(&Outcome::Broken);
    let first = contenders.iter().find(broken).copied();
    let shown = |it: &Contender| {
        Some(*it) == first || matches!(it, Contender::Redlock | Contender::RedlockFenced)
    };
    contenders.iter().copied().filter(shown).collect()
}

/// Makes the runs on real servers, one after the other, each beside the simulator's.
///
/// # Errors
///
/// When servers or workers cannot be started, or a run cannot be kept.
pub(super) fn live(
    wanted: &[Wanted<'_>],
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Made, Error> {
    let bar = bar(wanted.len(), "on real servers");
    let mut made = Made::default();
    for one in wanted {
        if interrupt.asked().is_some() {
            break;
        }
        bar.set_message(format!("{} with {}", one.scenario.name, one.contender));
        one.live(options, &mut made)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(made)
}

fn bar(length: usize, what: &'static str) -> ProgressBar {
    progress(Some(u64::try_from(length).unwrap_or(u64::MAX)), what)
}

impl<'a> Wanted<'a> {
    fn job(&self) -> Job<'a> {
        Job {
            scenario: self.scenario,
            contender: self.contender,
            seed: self.seed,
        }
    }

    fn row(&self, finished: &Finished, mode: Mode, kept: PathBuf) -> Row {
        Row::new(self.scenario, self.contender, mode, finished, kept)
    }

    fn live(&self, options: &Options, made: &mut Made) -> Result<(), Error> {
        let name = &self.scenario.name;
        let mut skip = |why: &str| {
            let skipped = format!("{name} with {}: {why}", self.contender);
            made.skipped.push(skipped);
        };
        if let Some(why) = &self.scenario.head.live.skip {
            skip(why);
            return Ok(());
        }
        let case = self.scenario.case_at(self.contender, self.seed, LIVE_TTL);
        let rig = rig::Options::default();
        let impossible = rig::not_possible(&case, &rig);
        if !impossible.is_empty() {
            skip(&impossible.join("; "));
            return Ok(());
        }
        let run = rig::perform(&case, &rig).map_err(Error::from)?;
        let facts = self.scenario.facts(self.contender, &case, run.facts);
        let finished = Finished::judged(case, facts, run.history);
        let kept = self.keep(&finished, Mode::Live, options)?;
        let mut row = self.row(&finished, Mode::Live, kept);
        row.simulated = Some(self.job().simulate().judgement.outcome);
        row.notes = run.skipped;
        made.rows.push(row);
        Ok(())
    }

    fn keep(&self, finished: &Finished, mode: Mode, options: &Options) -> Result<PathBuf, Error> {
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
        };
        Ok(RunFolder::write(&options.runs, &run)?)
    }
}
