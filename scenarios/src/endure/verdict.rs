//! The rules, and whether the run kept them.

use std::time::Duration;

use super::{
    ledger::{Ledger, Usage},
    options::{HANDS, Options, PATIENCE},
    windows::Window,
};

/// How many violations of one rule are told in full.
const TOLD: usize = 5;
/// How much more memory a worker may use in the end than with an idle client at the start. Runtime and allocator keep what
/// the busiest moment needed, less than a megabyte in runs of any length; a leak of a kilobyte per acquisition passes this
/// bound within half an hour.
pub(super) const MEMORY_KIB: u64 = 4096;
/// Shorter runs need not have seen everything.
const LONG: Duration = Duration::from_secs(20);

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rule {
    OneHolder,
    TokensIncrease,
    FencedLosesNothing,
    UnfencedLosesOnlyToLateWrites,
    NoLongGap,
    NothingLeft,
    ResourcesReturn,
    NoTrouble,
    NotVacuous,
}

impl Rule {
    pub(super) const ALL: [Self; 9] = [
        Self::OneHolder,
        Self::TokensIncrease,
        Self::FencedLosesNothing,
        Self::UnfencedLosesOnlyToLateWrites,
        Self::NoLongGap,
        Self::NothingLeft,
        Self::ResourcesReturn,
        Self::NoTrouble,
        Self::NotVacuous,
    ];

    /// The rule as a sentence.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::OneHolder => "no two windows of one resource overlap",
            Self::TokensIncrease => "fencing tokens increase",
            Self::FencedLosesNothing => "the fenced store loses no update",
            Self::UnfencedLosesOnlyToLateWrites => {
                "the unfenced counter loses updates only inside a pause that crossed a deadline"
            }
            Self::NoLongGap => {
                "no acquisition gap is longer than TTL + 2 s while a quorum is up and admitted"
            }
            Self::NothingLeft => {
                "after the last release the nodes hold no lock key within the node deadline plus 1 s"
            }
            Self::ResourcesReturn => {
                "descriptors, threads, tasks and memory return to where they started"
            }
            Self::NoTrouble => "workers and client end in order",
            Self::NotVacuous => "the run put the rules to the test",
        }
    }

    /// Whether breaking it is a violation of safety.
    pub(super) const fn is_safety(self) -> bool {
        matches!(
            self,
            Self::OneHolder
                | Self::TokensIncrease
                | Self::FencedLosesNothing
                | Self::UnfencedLosesOnlyToLateWrites
        )
    }
}

/// A rule, and what broke it.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Finding {
    pub(super) rule: Rule,
    pub(super) evidence: Vec<String>,
}

/// What the run showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) broken: Vec<Finding>,
}

impl Verdict {
    pub(super) fn is_unsafe(&self) -> bool {
        self.broken.iter().any(|finding| finding.rule.is_safety())
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match (self.is_unsafe(), self.broken.is_empty()) {
            (true, _) => 1,
            (false, true) => 0,
            (false, false) => 3,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.code() {
            0 => "as expected",
            1 => "SAFETY VIOLATED",
            _ => "RULES BROKEN",
        }
    }
}

/// Judges the run. One that was interrupted is judged by its safety alone.
pub(super) fn judge(
    ledger: &Ledger,
    processes: &[usize],
    options: &Options,
    interrupted: bool,
) -> Verdict {
    let rules = Rule::ALL.into_iter();
    let broken = rules
        .filter(|rule| rule.is_safety() || !interrupted)
        .filter_map(|rule| {
            let evidence = evidence(rule, ledger, processes, options);
            (!evidence.is_empty()).then(|| Finding {
                rule,
                evidence: shortened(evidence),
            })
        });
    Verdict {
        broken: broken.collect(),
    }
}

fn shortened(mut evidence: Vec<String>) -> Vec<String> {
    let count = evidence.len();
    evidence.truncate(TOLD);
    if count > TOLD {
        evidence.push(format!("and {} more", count - TOLD));
    }
    evidence
}

fn evidence(rule: Rule, ledger: &Ledger, processes: &[usize], options: &Options) -> Vec<String> {
    let name = Name {
        processes,
        started: ledger.started,
    };
    match rule {
        Rule::OneHolder => name.pairs(ledger, |ledger| &ledger.overlaps, "overlap"),
        Rule::TokensIncrease => name.pairs(ledger, |ledger| &ledger.disorder, "out of order"),
        Rule::FencedLosesNothing => per_resource(ledger, |resource| {
            let lost = resource.fenced.counter.lost();
            (lost > 0).then(|| format!("{lost} acknowledged updates are gone"))
        }),
        Rule::UnfencedLosesOnlyToLateWrites => per_resource(ledger, |resource| {
            let unexplained = &resource.shadow.unexplained;
            let (one, other) = unexplained.first()?;
            Some(format!(
                "{} updates were lost although both writers were in time, the first of {} to {}",
                unexplained.len(),
                name.hand(*one),
                name.hand(*other)
            ))
        }),
        Rule::NoLongGap => per_resource(ledger, |resource| {
            let gaps = &resource.gaps;
            let first = gaps.too_long.first()?;
            Some(format!(
                "{} gaps longer than {} ms, the first from {} ms, the longest of {} ms",
                gaps.too_long.len(),
                PATIENCE.as_millis(),
                (*first - ledger.started).as_millis(),
                gaps.longest.as_millis()
            ))
        }),
        Rule::NothingLeft => ledger.end.left_keys.clone(),
        Rule::ResourcesReturn => ledger.end.usage.iter().filter_map(grown).collect(),
        Rule::NoTrouble => ledger.end.trouble.clone(),
        Rule::NotVacuous => vacuous(ledger, options),
    }
}

fn per_resource(
    ledger: &Ledger,
    of: impl Fn(&super::ledger::Resource) -> Option<String>,
) -> Vec<String> {
    let resources = ledger.resources.iter().enumerate();
    resources
        .filter_map(|(number, resource)| {
            of(resource).map(|found| format!("resource-{number}: {found}"))
        })
        .collect()
}

/// What a worker did not give back. A process that was started while nodes were down, or in the place of one that was
/// killed, is compared with the first in its place.
fn grown(usage: &Usage) -> Option<String> {
    let Usage {
        worker,
        before,
        idle,
        shut_down,
        after,
        ..
    } = usage;
    let allowed = idle.resident_kib + MEMORY_KIB;
    if shut_down.is_back_at(idle) && after.is_back_at(before) && shut_down.resident_kib <= allowed {
        return None;
    }
    Some(format!(
        "worker-{worker} began with {before}, with an idle client {idle}; it ended with {shut_down}, without the client {after}"
    ))
}

fn vacuous(ledger: &Ledger, options: &Options) -> Vec<String> {
    let mut missing = Vec::new();
    if ledger.acquisitions() == 0 {
        missing.push("nobody ever acquired a lease".to_owned());
    }
    if options.length() < LONG {
        return missing;
    }
    if ledger.sum(|resource| resource.fenced.stale_writes) == 0 {
        missing.push("no late write had to be refused".to_owned());
    }
    if ledger.tally.late_in_pause == 0 {
        missing.push("no pause crossed a deadline".to_owned());
    }
    if ledger.tally.quorum * 3 < options.length() {
        missing.push(
            "a quorum voted for less than a third of the time, so gaps were hardly looked for"
                .to_owned(),
        );
    }
    missing
}

struct Name<'a> {
    processes: &'a [usize],
    started: super::clock::Moment,
}

impl Name<'_> {
    fn hand(&self, hand: usize) -> String {
        let process = hand / HANDS;
        let position = self.processes.get(process).copied().unwrap_or_default();
        format!("worker-{}.{} (process {process})", position, hand % HANDS)
    }

    fn window(&self, window: &Window) -> String {
        format!(
            "{} with token {} from {} µs to {} µs",
            self.hand(window.worker),
            window.token,
            (window.from - self.started).as_micros(),
            (window.until - self.started).as_micros()
        )
    }

    fn pairs(
        &self,
        ledger: &Ledger,
        of: impl Fn(&super::windows::Faults) -> &Vec<(Window, Window)>,
        what: &str,
    ) -> Vec<String> {
        let mut found = Vec::new();
        for (number, resource) in ledger.resources.iter().enumerate() {
            let faults = resource.windows.judge();
            found.extend(of(&faults).iter().map(|(one, other)| {
                format!(
                    "resource-{number}: {what}: {}; {}",
                    self.window(one),
                    self.window(other)
                )
            }));
        }
        found
    }
}

#[cfg(test)]
mod tests;
