//! Makes the runs on real servers, several at a time, each beside the simulator's verdict.

use std::{
    num::NonZeroUsize,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use simulator::world::Replay;

use super::{
    Options, Wanted,
    row::Row,
    stall::Stalls,
    work::{Made, Skipped, bar},
};
use crate::{
    cli::{Ending, Error, interrupt::Interrupt},
    live::setup,
    rig::{self, LiveRun},
    run_folder::Mode,
    runs::{Finished, at_once, simulate_all},
    scenario::{Contender, Outcome, Scenario, outcome::Inconclusive},
};

/// How many runs go on at the same time unless something else is asked for. A run mostly sleeps; with more of them, what two cores do
/// at the same moment begins to show in the times that scenarios leave between two steps.
const JOBS: NonZeroUsize = NonZeroUsize::new(3).expect("it is not zero");
/// A machine that lets one that sleeps wait for so long when it is due was busy with other things: that is half of what a node may take to
/// answer.
const STALL: Duration = Duration::from_millis(25);
/// How much earlier than clients what is there from the beginning comes: more than the machine is late as a rule.
const HEAD_START: Duration = Duration::from_millis(25);
/// How often a run is made again because of that.
const AGAIN: usize = 2;

/// Of the locks of a scenario, those that a live run shows unless others are asked for: the first that it breaks, and the lock as it is
/// shipped, without and with a resource that checks tokens.
pub(super) fn taught(scenario: &Scenario, contenders: &[Contender]) -> Vec<Contender> {
    let on_redis = || contenders.iter().copied().filter(|it| is_on_redis(*it));
    let broken = |it: &Contender| scenario.head.verdicts.get(it) == Some(&Outcome::Broken);
    let first = on_redis().find(broken);
    let shown = |it: &Contender| {
        Some(*it) == first || matches!(it, Contender::Redlock | Contender::RedlockFenced)
    };
    on_redis().filter(shown).collect()
}

const fn is_on_redis(contender: Contender) -> bool {
    contender.is_redlock() || contender.is_single()
}

/// A run that can be made.
struct Live<'a> {
    wanted: &'a Wanted<'a>,
    case: Replay,
    simulated: Option<Result<Outcome, Inconclusive>>,
}

/// Makes the runs on real servers. When somebody asks for the end, what is going on is stopped and cleaned up, and what was made before
/// is returned.
///
/// # Errors
///
/// When there is no redis-server, servers or workers cannot be started, or a run cannot be kept.
pub(super) fn live(
    scenarios: &[Scenario],
    wanted: &[Wanted<'_>],
    options: &Options,
    interrupt: &Interrupt,
) -> Result<Made, Error> {
    setup::ensure_server()?;
    let rig = rig::Options::default();
    let (mut runs, mut skipped) = (Vec::new(), without_redis(scenarios, wanted));
    for one in wanted {
        match one.case(&rig) {
            Ok(case) => runs.push(Live {
                wanted: one,
                case,
                simulated: None,
            }),
            Err(why) => skipped.push(why),
        }
    }
    simulate(&mut runs, interrupt);
    let rows = perform(&runs, options, &rig, interrupt)?;
    Ok(Made { rows, skipped })
}

/// Scenarios of which nothing is wanted, because none of their locks is on Redis.
fn without_redis(scenarios: &[Scenario], wanted: &[Wanted<'_>]) -> Vec<Skipped> {
    let none = scenarios.iter().filter(|scenario| {
        let mut locks = scenario.head.verdicts.keys();
        !locks.any(|it| is_on_redis(*it))
            && wanted.iter().all(|one| one.scenario.name != scenario.name)
    });
    none.map(|scenario| Skipped {
        scenario: scenario.name.clone(),
        contender: None,
        why: "none of its locks is on Redis".to_owned(),
    })
    .collect()
}

/// The simulator's verdicts, before anything is live: computing would take the live runs' time.
fn simulate(runs: &mut [Live<'_>], interrupt: &Interrupt) {
    let jobs: Vec<_> = runs.iter().map(|run| run.wanted.job()).collect();
    let bar = bar(jobs.len(), "simulating");
    let stop = AtomicBool::new(false);
    simulate_all(&jobs, at_once(), &stop, |place, finished| {
        bar.inc(1);
        runs[place].simulated = Some(finished.judgement.outcome);
        stop.store(interrupt.asked().is_some(), Ordering::Relaxed);
    });
    bar.finish_and_clear();
}

fn perform(
    runs: &[Live<'_>],
    options: &Options,
    rig: &rig::Options,
    interrupt: &Interrupt,
) -> Result<Vec<Row>, Error> {
    let bar = bar(runs.len(), "on real servers");
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut rows: Vec<Option<Row>> = vec![None; runs.len()];
    let mut failed = None;
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..options.jobs.unwrap_or(JOBS).get().min(runs.len()) {
            let (tell, next, stop) = (tell.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) && interrupt.asked().is_none() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(run) = runs.get(place) else { break };
                    // Nobody listens any more when the loop below panicked.
                    let _ = tell.send((place, run.perform(options, rig, interrupt)));
                }
            });
        }
        drop(tell);
        for (place, row) in told {
            bar.inc(1);
            match row {
                Ok(row) => rows[place] = Some(row),
                // It was cleaned up after, and the command ends because of the signal.
                Err(Error::Rig(rig::Error::Interrupted(_))) if interrupt.asked().is_some() => {}
                Err(error) => {
                    failed.get_or_insert(error);
                    stop.store(true, Ordering::Relaxed);
                }
            }
        }
    });
    bar.finish_and_clear();
    match failed {
        Some(error) => Err(error),
        None => Ok(rows.into_iter().flatten().collect()),
    }
}

/// A fault that begins when the first client does is there when the first client comes. In the simulator faults come first; here both
/// would race.
fn give_head_start(case: &mut Replay) {
    let clients = case.config.parts.iter().map(|part| part.start_ms);
    let Some(first) = clients.min().map(Duration::from_millis) else {
        return;
    };
    for window in &mut case.plan.windows {
        if window.start == first {
            window.start = window.start.saturating_sub(HEAD_START);
            window.duration = window.duration.map(|length| length + HEAD_START);
        }
    }
}

impl Wanted<'_> {
    /// What is to be performed, or why it cannot be.
    fn case(&self, rig: &rig::Options) -> Result<Replay, Skipped> {
        let skipped = |why: &str| Skipped {
            scenario: self.scenario.name.clone(),
            contender: Some(self.contender),
            why: why.to_owned(),
        };
        if !is_on_redis(self.contender) {
            return Err(skipped("it is not on Redis"));
        }
        if let Some(why) = &self.scenario.head.live.skip {
            return Err(skipped(why));
        }
        let mut case = self
            .scenario
            .case_at(self.contender, self.seed, rig::LIVE_TTL);
        give_head_start(&mut case);
        match &*rig::not_possible(&case, rig) {
            [] => Ok(case),
            reasons => Err(skipped(&reasons.join("; "))),
        }
    }
}

impl Live<'_> {
    /// Performs it. A run in which the machine itself stood still shows nothing if it comes to something else than expected, unless that is a
    /// violation: it is made again, and the row says so. So is one in which a fault could not be made.
    fn perform(
        &self,
        options: &Options,
        rig: &rig::Options,
        interrupt: &Interrupt,
    ) -> Result<Row, Error> {
        let mut disturbed = Vec::new();
        loop {
            let stalls = Stalls::watch();
            let run = rig::perform(&self.case, rig)?;
            let stall = stalls.longest().max(run.late);
            let mut row = self.row(run, options)?;
            let counts = row.is_as_expected()
                || row.ending() == Ending::Safety
                || (stall < STALL && !row.is_not_made())
                || disturbed.len() == AGAIN;
            if counts || interrupt.asked().is_some() {
                row.notes.append(&mut disturbed);
                return Ok(row);
            }
            let came = match &row.outcome {
                Ok(outcome) => outcome.to_string(),
                Err(why) => why.to_string(),
            };
            let stood_still = match row.is_not_made() {
                true => String::new(),
                false => format!("the machine stood still for {} ms, and ", stall.as_millis()),
            };
            disturbed.push(format!(
                "made again with {}: {stood_still}the run came to {came}",
                row.contender
            ));
        }
    }

    fn row(&self, run: LiveRun, options: &Options) -> Result<Row, Error> {
        let Wanted {
            scenario,
            contender,
            ..
        } = *self.wanted;
        let facts = scenario.facts(contender, &self.case, run.facts);
        let expected = scenario.expected_live(contender);
        let case = self.case.clone();
        let finished = Finished::judged(case, facts, run.history, run.not_made, expected);
        let kept = self.wanted.keep(&finished, Mode::Live, options)?;
        let mut row = self.wanted.row(&finished, Mode::Live, kept);
        row.simulated.clone_from(&self.simulated);
        row.notes = run.notes;
        Ok(row)
    }
}
