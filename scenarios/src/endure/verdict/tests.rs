//! Hand-made histories, good and bad.

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
