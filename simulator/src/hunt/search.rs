//! Drawing cases until something is found.

use std::{
    fmt::Write as _,
    num::NonZeroUsize,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    case::{Case, Judged},
    planted::Planted,
    setting::setting,
    tally::{Tally, least_margin},
};
use crate::{
    checkers::{Checker, Verdict},
    network::lock,
    plan::{
        Assumption, Assumptions, Plan,
        draw::{Profile, draw, just_beyond, within},
    },
    random::{Purpose, below, stream},
};

/// Where plans are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Within all assumptions: whatever is violated is a bug.
    Within,
    /// Breaking exactly one assumption, by a little.
    JustBeyond(Assumption),
    /// Anything that the profile allows.
    Anywhere,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// How plans are drawn.
    pub profile: Profile,
    /// One case per seed.
    pub seeds: Range<u64>,
    /// Where.
    pub region: Where,
    /// The rule that is switched off, if any.
    pub planted: Option<Planted>,
    /// How many threads run cases; what is found does not depend on it.
    pub threads: NonZeroUsize,
    /// Stops at the first violation, by seed.
    pub stops_early: bool,
    /// Prefers plans near those whose safety margin was small: every other case takes windows from one of them.
    pub steers: bool,
}

/// A case that violates something.
#[derive(Debug)]
pub struct Found {
    /// The case.
    pub case: Case,
    /// What it violates; the first is what it is shrunk for.
    pub violates: Vec<Checker>,
    /// What the checkers saw, in sentences.
    pub evidence: Vec<String>,
}

/// What a search came to.
#[derive(Debug, Default)]
pub struct Hunted {
    /// What violates, by seed.
    pub found: Vec<Found>,
    /// What was seen.
    pub tally: Tally,
}

/// So many cases are drawn before any of them is judged: steering looks at whole batches, so that it does not depend on
/// the number of threads.
pub const BATCH: u64 = 32;
/// So many plans with small margins are remembered.
const POOL: usize = 8;

/// The plans that steering prefers: those of all batches before whose safety margins were the smallest.
#[derive(Clone, Debug, Default)]
pub struct Pool(Vec<(i64, Plan)>);

impl Pool {
    /// Adds the plans of a batch, in the order of their seeds, each with its least safety margin in nanoseconds.
    pub fn add(&mut self, batch: impl IntoIterator<Item = (i64, Plan)>) {
        self.0.extend(batch);
        self.0.sort_by_key(|(margin, _)| *margin);
        self.0.truncate(POOL);
    }
}

/// Searches.
pub fn hunt(hunt: &Hunt) -> Hunted {
    let mut hunted = Hunted::default();
    let mut pool = Pool::default();
    let mut from = hunt.seeds.start;
    while from < hunt.seeds.end {
        let until = from.saturating_add(BATCH).min(hunt.seeds.end);
        let cases: Vec<_> = (from..until)
            .filter_map(|seed| hunt.case(seed, &pool))
            .collect();
        let mut margins = Vec::new();
        for (case, judged) in run(cases, hunt.threads) {
            hunted.tally.join(&Tally::of(&case.plan, &judged));
            if let Some(margin) = least_margin(&judged) {
                margins.push((margin, case.plan.clone()));
            }
            hunted.found.extend(Found::new(case, &judged));
        }
        pool.add(margins);
        if hunt.stops_early && !hunted.found.is_empty() {
            hunted.found.truncate(1);
            break;
        }
        from = until;
    }
    hunted
}

impl Hunt {
    /// The case of one seed; `None` when no plan of that kind exists. The pool matters only to a search that steers.
    pub fn case(&self, seed: u64, pool: &Pool) -> Option<Case> {
        let pool = &pool.0;
        let config = setting(&self.profile, seed);
        let facts = config.cluster_facts(seed);
        let assumed = Assumptions::of(&config.redlock.drift(), &facts);
        let mut plan = match self.region {
            Where::Within => within(seed, &self.profile, &assumed, &facts),
            Where::JustBeyond(which) => just_beyond(seed, &self.profile, &assumed, &facts, which)?,
            Where::Anywhere => draw(seed, &self.profile),
        };
        if self.steers && !pool.is_empty() && seed % 2 == 1 {
            let crossed = cross(seed, &plan, pool);
            let keeps =
                self.region != Where::Within || assumed.violated_by(&crossed, &facts).is_empty();
            if keeps && crossed.check(&config.hosts()).is_ok() {
                plan = crossed;
            }
        }
        Some(Case {
            config,
            plan,
            seed,
            planted: self.planted.clone(),
        })
    }
}

/// The windows of a plan with a small margin, less one, and one of `plan`.
fn cross(seed: u64, plan: &Plan, pool: &[(i64, Plan)]) -> Plan {
    let mut random = stream(seed, Purpose::Plan, "cross", 0, 0);
    let mut pick =
        |count: usize| usize::try_from(below(&mut random, count as u64)).unwrap_or_default();
    let mut crossed = pool[pick(pool.len())].1.clone();
    if !crossed.windows.is_empty() {
        crossed.windows.remove(pick(crossed.windows.len()));
    }
    if !plan.windows.is_empty() {
        crossed
            .windows
            .push(plan.windows[pick(plan.windows.len())].clone());
    }
    crossed.windows.sort_by_key(|window| window.start);
    crossed
}

/// Runs cases on threads, and returns them in their order.
fn run(cases: Vec<Case>, threads: NonZeroUsize) -> Vec<(Case, Judged)> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads.get().min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let judged = case.judge();
                    lock(&done).push((case.seed, judged));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(seed, _)| *seed);
    cases
        .into_iter()
        .zip(done.into_iter().map(|(_, judged)| judged))
        .collect()
}

impl Found {
    /// `None` when nothing is violated.
    pub fn new(case: Case, judged: &Judged) -> Option<Self> {
        let violates: Vec<_> = judged.violates().into_iter().collect();
        if violates.is_empty() {
            return None;
        }
        let mut evidence: Vec<_> = judged.run.failure.iter().map(ToString::to_string).collect();
        for found in judged.report.violations() {
            if let Verdict::Violated(because) = &found.verdict {
                let broken = because.broken.iter().map(|one| format!("; {one}"));
                let broken: String = broken.collect();
                evidence.push(format!("{}: {}{broken}", found.checker, because.summary));
            }
        }
        Some(Self {
            case,
            violates,
            evidence,
        })
    }

    /// What happened, in words: the cluster, the faults in order, and who believed what when.
    pub fn story(&self) -> String {
        let mut text = String::new();
        let Case {
            config,
            plan,
            seed,
            planted,
        } = &self.case;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} nodes, {} clients, TTL {} ms, seed {seed}.",
            config.nodes, config.clients, config.redlock.ttl_ms
        );
        if let Some(planted) = planted {
            let _ = writeln!(text, "A rule is switched off: {planted}.");
        }
        if plan.windows.is_empty() {
            let _ = writeln!(text, "No fault at all.");
        }
        for window in &plan.windows {
            let _ = writeln!(text, "{window}");
        }
        for evidence in &self.evidence {
            let _ = writeln!(text, "{evidence}");
        }
        text
    }
}
