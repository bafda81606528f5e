//! Runs scenarios in the simulator, several at a time.

use std::{
    num::NonZeroUsize,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use simulator::{history::History, truth::Facts, world::Replay};

use crate::scenario::{
    Contender, Outcome, Scenario,
    outcome::{Inconclusive, Judgement},
};

/// How many runs of the simulator can go on at the same time: one for each processor that this process may use.
pub fn at_once() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A run that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The lock.
    pub contender: Contender,
    /// What everything random is drawn from.
    pub seed: u64,
}

/// A run that was made.
#[derive(Debug)]
pub struct Finished {
    /// All that it takes to make it again.
    pub replay: Replay,
    /// What was known of it.
    pub facts: Facts,
    /// What happened.
    pub history: History,
    /// What came of it.
    pub judgement: Judgement,
    /// Faults that could not be made while it was on, each with the reason; none in the simulator.
    pub not_made: Vec<String>,
}

impl Job<'_> {
    /// What the scenario says must come of it.
    pub fn expected(&self) -> Option<Outcome> {
        self.scenario.head.verdicts.get(&self.contender).copied()
    }

    /// Makes the run in the simulator.
    pub fn simulate(&self) -> Finished {
        let replay = self.scenario.case(self.contender, self.seed);
        let facts = self
            .scenario
            .facts(self.contender, &replay, replay.config.facts());
        let run = replay.run();
        let judgement = Judgement::of_run(&run, &facts);
        Finished {
            replay,
            facts,
            history: run.history,
            judgement,
            not_made: Vec::new(),
        }
    }
}

impl Finished {
    /// A run that was made elsewhere. Where faults could not be made it says nothing about the scenario, so that it is neither as expected nor
    /// anything else; except that two holders where no two are expected are two holders.
    pub fn judged(
        replay: Replay,
        facts: Facts,
        history: History,
        not_made: Vec<String>,
        expected: Option<Outcome>,
    ) -> Self {
        let mut judgement = Judgement::of(&history, &facts, &replay);
        let is_expected = |two: Outcome| expected == Some(Outcome::Broken) || expected == Some(two);
        let is_news = match judgement.outcome {
            Ok(two @ (Outcome::Broken | Outcome::Fenced)) => !is_expected(two),
            _ => false,
        };
        if !not_made.is_empty() && !is_news {
            judgement.outcome = Err(Inconclusive::NotMade(not_made.clone()));
        }
        Self {
            replay,
            facts,
            history,
            judgement,
            not_made,
        }
    }

    /// Whether it came out as the scenario says.
    pub fn is_as(&self, expected: Option<Outcome>) -> bool {
        expected.is_some() && self.judgement.outcome.as_ref().ok() == expected.as_ref()
    }

    /// What came of it, in a word or a line.
    pub fn told(&self) -> String {
        match &self.judgement.outcome {
            Ok(outcome) => outcome.to_string(),
            Err(why) => why.to_string(),
        }
    }
}

/// Makes all `jobs` on `threads` threads, and hands each finished one to `done` with its place in the list, in the order in which they finish. Jobs that have
/// not begun when `stop` is set are not made.
pub fn simulate_all(
    jobs: &[Job<'_>],
    threads: NonZeroUsize,
    stop: &AtomicBool,
    mut done: impl FnMut(usize, Finished),
) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        for _ in 0..threads.get().min(jobs.len()) {
            let (tell, next) = (tell.clone(), &next);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(job) = jobs.get(place) else { break };
                    // Nobody listens any more when the loop below panicked.
                    let _ = tell.send((place, job.simulate()));
                }
            });
        }
        drop(tell);
        for (place, finished) in told {
            done(place, finished);
        }
    });
}
