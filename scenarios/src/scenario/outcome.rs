//! What came of a run, in one word.

use std::{collections::BTreeMap, fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulator::{
    TrueTime,
    checkers::{Checker, Report},
    history::{EventKind, History, NodeChange, StoreAccess},
    store::Fencing,
    truth::{Facts, Interval, Truth},
    world::{Replay, Run},
};

/// What a lock did in a scenario.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing was violated, and whoever waited got the lock as soon as it was free.
    Safe,
    /// Nothing was violated; for more than a fifth of a TTL somebody waited although nobody held the lock, and then it worked again.
    Unavailable,
    /// Nothing was violated; nobody got the lock any more, although everything was repaired. Or nobody ever could ask for it: the
    /// lock refused to go into service.
    Stuck,
    /// The same, and a key without an end stands in the way: only a person can remove it.
    Deadlocked,
    /// Two believed that they held the lock, or an old holder acted late, and the resource refused what came from the old one.
    Fenced,
    /// Two held the lock, or the resource took the write of an old holder after one of a new holder.
    Broken,
}

/// For longer than this part of a TTL nobody has the lock although somebody waits: that is no hand-over any more.
const NOTICEABLE: f64 = 0.2;

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Safe,
        Self::Unavailable,
        Self::Stuck,
        Self::Deadlocked,
        Self::Fenced,
        Self::Broken,
    ];

    /// As files spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unavailable => "unavailable",
            Self::Stuck => "stuck",
            Self::Deadlocked => "deadlocked",
            Self::Fenced => "fenced",
            Self::Broken => "broken",
        }
    }

    /// One letter, for tables.
    pub const fn letter(self) -> char {
        match self {
            Self::Safe => 'S',
            Self::Unavailable => 's',
            Self::Stuck => 'L',
            Self::Deadlocked => 'D',
            Self::Fenced => 'F',
            Self::Broken => 'X',
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A run that was judged.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What came of it; why it shows nothing, if it does not.
    pub outcome: Result<Outcome, Inconclusive>,
    /// What the checkers said.
    pub report: Report,
    /// The longest that somebody waited although nobody held the lock.
    pub longest_gap: Duration,
}

/// Why a run shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inconclusive {
    /// What it was to show never happened.
    Vacuous(String),
    /// The run itself went wrong.
    Failed(String),
    /// Of a live run: faults of its plan that could not be made while it was on, each with the reason.
    NotMade(Vec<String>),
}

impl fmt::Display for Inconclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vacuous(why) => write!(f, "vacuous: {why}"),
            Self::Failed(why) => write!(f, "the run failed: {why}"),
            Self::NotMade(reasons) => write!(f, "could not be made: {}", reasons.join("; ")),
        }
    }
}

impl Judgement {
    /// Of a run in the simulator.
    pub fn of_run(run: &Run, facts: &Facts) -> Self {
        let mut judged = Self::of(&run.history, facts, &run.replay);
        if let Some(failure) = &run.failure {
            judged.outcome = Err(Inconclusive::Failed(failure.to_string()));
        }
        judged
    }

    /// Of the history of `case`, wherever it ran.
    pub fn of(history: &History, facts: &Facts, case: &Replay) -> Self {
        let truth = Truth::new(history, facts);
        let report = simulator::checkers::check_truth(&truth);
        let gaps = Gaps::of(&truth, TrueTime::from(case.config.length()));
        let outcome = match vacuous(&report) {
            Some(why) => Err(Inconclusive::Vacuous(why)),
            None => Ok(outcome(&truth, &report, &gaps, case.config.fencing)),
        };
        Self {
            outcome,
            report,
            longest_gap: gaps.longest,
        }
    }
}

fn vacuous(report: &Report) -> Option<String> {
    let goals = report.finding(Checker::Goals);
    Some(goals.verdict.evidence()?.summary.clone())
}

fn outcome(truth: &Truth<'_>, report: &Report, gaps: &Gaps, fencing: Fencing) -> Outcome {
    let violated = |checker| report.finding(checker).verdict.is_violated();
    let lost = report
        .finding(Checker::EffectOrder)
        .counts
        .get("lost_updates");
    if violated(Checker::EffectOrder) || lost.is_some_and(|lost| *lost > 0) {
        return Outcome::Broken;
    }
    let two_holders = violated(Checker::WindowExclusion) || violated(Checker::BeliefOverlap);
    if two_holders && fencing == Fencing::Off {
        return Outcome::Broken;
    }
    if violated(Checker::Fencing) && fencing != Fencing::Off {
        return Outcome::Broken;
    }
    if two_holders || was_refused(truth.history) {
        return Outcome::Fenced;
    }
    if truth.acquisitions.is_empty() {
        return Outcome::Stuck;
    }
    if violated(Checker::Liveness) || gaps.for_ever {
        return if has_endless_key(truth) {
            Outcome::Deadlocked
        } else {
            Outcome::Stuck
        };
    }
    let noticeable = truth.facts.ttl().mul_f64(NOTICEABLE);
    if gaps.longest > noticeable {
        Outcome::Unavailable
    } else {
        Outcome::Safe
    }
}

fn was_refused(history: &History) -> bool {
    history.events().iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Store {
                access: StoreAccess::Refused { .. },
                ..
            }
        )
    })
}

/// Whether some node still has a lock key without an end.
fn has_endless_key(truth: &Truth<'_>) -> bool {
    let mut endless: BTreeMap<(&str, &str), bool> = BTreeMap::new();
    for event in truth.history.events() {
        let EventKind::Node { change, .. } = &event.kind else {
            continue;
        };
        match change {
            NodeChange::Set {
                key,
                expires_wall_ms,
                ..
            } => {
                endless.insert((&event.host, key), expires_wall_ms.is_none());
            }
            NodeChange::Removed { key, .. } => {
                endless.remove(&(&*event.host, &**key));
            }
            _ => {}
        }
    }
    let is_lock = |key: &str| truth.facts.lock_keys.values().any(|lock| lock == key);
    endless
        .into_iter()
        .any(|((_, key), endless)| endless && is_lock(key))
}

/// When somebody waited although nobody held the lock.
struct Gaps {
    longest: Duration,
    /// From the heal to the end somebody waited, and nobody, or one and the same, held the lock.
    for_ever: bool,
}

impl Gaps {
    /// Of a run that lasted until `end`. Its history may be over before: whoever asks in vain is not heard.
    fn of(truth: &Truth<'_>, end: TrueTime) -> Self {
        let last = truth.history.end();
        let end = end.max(last);
        let events = truth.history.events();
        let healed = events.iter().find(|event| event.kind == EventKind::Healed);
        let mut gaps = Self {
            longest: Duration::ZERO,
            for_ever: false,
        };
        let leases = truth.by_resource();
        for waiting in &truth.acquisitions {
            let leases = leases.get(waiting.resource).map_or(&[][..], Vec::as_slice);
            let windows: Vec<Interval> = leases.iter().map(|lease| lease.window).collect();
            let until = waiting.returned.map_or(end, |event| event.at);
            let wait = Interval::new(waiting.invoked.at, until);
            gaps.longest = gaps.longest.max(longest_outside(wait, &windows));
            let Some(healed) = healed.filter(|healed| wait.start <= healed.at) else {
                continue;
            };
            let since = Interval::new(healed.at, end);
            let by_nobody = longest_outside(since, &windows) == end.since(healed.at);
            let by_one = |window: &Interval| window.start <= healed.at && window.end >= last;
            gaps.for_ever |=
                waiting.returned.is_none() && (by_nobody || windows.iter().any(by_one));
        }
        gaps
    }
}

/// The longest part of `wait` that is in none of `windows`.
fn longest_outside(wait: Interval, windows: &[Interval]) -> Duration {
    let mut windows: Vec<_> = windows.iter().filter_map(|it| it.overlap(&wait)).collect();
    windows.sort_unstable();
    let (mut longest, mut from) = (Duration::ZERO, wait.start);
    for window in windows {
        longest = longest.max(window.start.since(from));
        from = from.max(window.end);
    }
    longest.max(wait.end.min(TrueTime::MAX).since(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(start: u64, end: u64) -> Interval {
        Interval::new(TrueTime::from_millis(start), TrueTime::from_millis(end))
    }

    #[test]
    fn a_gap_is_the_longest_part_of_a_wait_in_which_nobody_held() {
        let longest = |wait, windows: &[_]| longest_outside(wait, windows).as_millis();
        assert_eq!(longest(interval(10, 100), &[]), 90);
        assert_eq!(longest(interval(10, 100), &[interval(0, 100)]), 0);
        let windows = [interval(60, 70), interval(20, 50), interval(30, 40)];
        assert_eq!(longest(interval(10, 100), &windows), 30);
        assert_eq!(longest(interval(45, 65), &windows), 10);
    }

    #[test]
    fn names_are_those_of_files() {
        for outcome in Outcome::ALL {
            let written = serde_json::to_string(&outcome).unwrap();
            assert_eq!(written, format!("{:?}", outcome.name()));
        }
    }
}
