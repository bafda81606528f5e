//! The rules, and whether the run kept them.

use std::time::Duration;

use super::{
    ledger::{Ledger, Usage},
    options::{HANDS, Options, PATIENCE},
    windows::Window,
};

/// How many violations of one rule are told in full.
const TOLD: usize = 5;
/// How much more memory a worker may use in the end than with an idle client at the start. Its runtime and allocator keep
/// what the busiest moment needed: buffers of connections, reports of failures. A leak of one lease per acquisition would
/// pass this within minutes.
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
mod tests {
    use super::*;
    use crate::endure::{
        clock::{Moment, now},
        gauge::Gauge,
        ledger::Write,
        wire::{Event, Style},
    };

    fn options(seconds: u32) -> Options {
        Options {
            seconds,
            seed: 1,
            workers: 8,
            plant: None,
            json: false,
            history: None,
        }
    }

    fn acquired(ledger: &mut Ledger, hand: usize, token: u64, from: Moment, lasting: u64) {
        let event = Event::Acquired {
            resource: 0,
            token,
            at: from,
            deadline: from + Duration::from_millis(lasting),
            took: Duration::from_millis(1),
            style: Style::Plain,
        };
        ledger.event(hand, &event);
    }

    fn later(ledger: &Ledger, millis: u64) -> Moment {
        ledger.started + Duration::from_millis(millis)
    }

    /// Two holders, one after the other.
    fn good() -> Ledger {
        let mut ledger = Ledger::new();
        let (first, then) = (later(&ledger, 0), later(&ledger, 100));
        acquired(&mut ledger, 0, 1, first, 1000);
        ledger.event(0, &Event::Releasing { at: then });
        acquired(&mut ledger, 2, 2, then, 1000);
        ledger
    }

    fn broken(ledger: &Ledger, seconds: u32) -> Vec<Rule> {
        let verdict = judge(ledger, &[0, 1], &options(seconds), false);
        verdict.broken.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_good_history_breaks_nothing() {
        assert_eq!(broken(&good(), 6), []);
    }

    #[test]
    fn a_second_holder_before_the_release_is_found_and_named() {
        let mut ledger = good();
        let during = later(&ledger, 300);
        acquired(&mut ledger, 3, 3, during, 10);
        let verdict = judge(&ledger, &[0, 1], &options(6), true);
        assert_eq!(verdict.code(), 1);
        assert_eq!(verdict.broken[0].rule, Rule::OneHolder);
        let evidence = &verdict.broken[0].evidence[0];
        assert!(
            evidence.contains("worker-1.0") && evidence.contains("worker-1.1"),
            "{evidence}"
        );
    }

    #[test]
    fn the_window_of_a_killed_worker_lasts_until_its_deadline() {
        let mut ledger = Ledger::new();
        let (first, then) = (later(&ledger, 0), later(&ledger, 999));
        acquired(&mut ledger, 0, 1, first, 1000);
        // Nothing was heard of it since.
        acquired(&mut ledger, 2, 2, then, 1000);
        assert_eq!(broken(&ledger, 6), [Rule::OneHolder]);
    }

    #[test]
    fn a_renewal_moves_the_end_of_a_window() {
        let mut ledger = Ledger::new();
        let (first, deadline, then) = (
            later(&ledger, 0),
            later(&ledger, 1300),
            later(&ledger, 1200),
        );
        acquired(&mut ledger, 0, 1, first, 1000);
        ledger.event(0, &Event::Prolonged { deadline });
        acquired(&mut ledger, 2, 2, then, 1000);
        assert_eq!(broken(&ledger, 6), [Rule::OneHolder]);
    }

    #[test]
    fn tokens_that_do_not_increase_are_found() {
        let mut ledger = good();
        let then = later(&ledger, 5000);
        acquired(&mut ledger, 3, 2, then, 10);
        assert_eq!(broken(&ledger, 6), [Rule::TokensIncrease]);
    }

    #[test]
    fn a_lost_update_of_the_fenced_counter_is_found() {
        let mut ledger = good();
        let deadline = now() + Duration::from_secs(9);
        for hand in [0, 2] {
            ledger.read(hand, 0, 2);
        }
        for hand in [0, 2] {
            let write = Write {
                resource: 0,
                token: 2,
                fenced: 1,
                unfenced: 1,
                deadline,
            };
            ledger.write(hand, write, |_| false);
        }
        assert_eq!(
            broken(&ledger, 6),
            [
                Rule::FencedLosesNothing,
                Rule::UnfencedLosesOnlyToLateWrites
            ]
        );
    }

    #[test]
    fn a_late_write_that_the_fence_refuses_is_as_it_should_be() {
        let mut ledger = good();
        let write = |token, deadline| Write {
            resource: 0,
            token,
            fenced: 1,
            unfenced: 1,
            deadline,
        };
        ledger.read(7, 0, 1);
        ledger.read(2, 0, 2);
        ledger.write(2, write(2, now() + Duration::from_secs(9)), |_| false);
        ledger.write(7, write(1, ledger.started), |_| true);
        assert_eq!(
            (ledger.tally.late_writes, ledger.tally.late_in_pause),
            (1, 1)
        );
        assert_eq!(ledger.sum(|resource| resource.shadow.lost), 1);
        assert_eq!(broken(&ledger, 6), []);
    }

    #[test]
    fn leftovers_leaks_trouble_and_an_empty_run_are_found_but_are_no_violation_of_safety() {
        let mut ledger = good();
        ledger.end.left_keys.push("node 1: a".into());
        ledger.end.trouble.push("a worker died".into());
        let start = Gauge {
            descriptors: 10,
            threads: 2,
            tasks: 4,
            resident_kib: 8000,
        };
        let usage = Usage {
            worker: 0,
            before: start,
            idle: start,
            shut_down: start,
            after: start,
            same_process: true,
        };
        ledger.end.usage.push(usage);
        assert_eq!(broken(&ledger, 6), [Rule::NothingLeft, Rule::NoTrouble]);
        let memory = Gauge {
            resident_kib: start.resident_kib + MEMORY_KIB + 1,
            ..start
        };
        let task = Gauge { tasks: 5, ..start };
        for worse in [
            Usage {
                shut_down: memory,
                ..usage
            },
            Usage {
                shut_down: task,
                ..usage
            },
            Usage {
                after: task,
                ..usage
            },
        ] {
            assert!(grown(&worse).is_some());
            assert!(grown(&usage).is_none());
        }
        let verdict = judge(&Ledger::new(), &[], &options(30), false);
        assert_eq!(verdict.code(), 3);
        assert_eq!(verdict.broken[0].evidence.len(), 4);
    }
}
