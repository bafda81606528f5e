//! What the words of a verdict are computed from: tiny scenarios, one for each word and for what tells it from its neighbour.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::time::Duration;

use scenarios::{
    runs::{Finished, Job},
    scenario::{
        Contender, Outcome, Scenario,
        outcome::{Inconclusive, Judgement},
    },
};
use simulator::checkers::Checker;

/// Runs `body` with `contender`; a title, a story, a source and the verdict are put around it.
fn run(body: &str, contender: Contender) -> Finished {
    let (fields, tables) = body.split_at(body.find("\n[").unwrap());
    let text = format!(
        "title = \"T\"\nstory = \"S. S.\"\nsources = [\"made up\"]\n{fields}\n{tables}\n\
         [verdicts]\n{contender} = \"safe\"\n"
    );
    let scenario =
        Scenario::parse("it", "it.toml", &text).unwrap_or_else(|error| panic!("{error}"));
    let job = Job {
        scenario: &scenario,
        contender,
        seed: 0,
    };
    job.simulate()
}

#[track_caller]
fn comes_to(body: &str, contender: Contender, expected: Outcome) -> Judgement {
    let judged = run(body, contender).judgement;
    let detail: Vec<_> = judged.report.violations().collect();
    let gap = judged.longest_gap;
    assert_eq!(judged.outcome, Ok(expected), "{gap:?} {detail:?}");
    judged
}

/// Two clients, of which the first sleeps past its lease, between its look and its write.
const SLEEPER: &str = r#"
length_ttls = 3
[[client]]
cycles = 1
hesitates_ttls = 0.1
[[client]]
start_ttls = 0.05
[[fault]]
kind = "pause"
target = "client-1"
start_ttls = 0.05
duration_ttls = 1.6
"#;

/// One client that works in turns, and everything that is said to and by the nodes waits for so many TTLs.
fn held_up(duration_ttls: f64) -> String {
    format!(
        r#"
length_ttls = 1.5
liveness_ttls = 1
[[client]]
think_ttls = 0.02
[[fault]]
kind = "hold"
from = "clients"
to = "nodes"
start_ttls = 0.4
duration_ttls = {duration_ttls}
"#
    )
}

#[test]
fn a_lost_update_is_broken_with_or_without_two_holders() {
    let judged = comes_to(SLEEPER, Contender::Redlock, Outcome::Broken);
    // By its clocks the sleeper's lease was over: what is violated is the order of effects, not exclusion.
    let violated = |checker| judged.report.finding(checker).verdict.is_violated();
    assert!(violated(Checker::EffectOrder) && !violated(Checker::WindowExclusion));
    comes_to(SLEEPER, Contender::RedisSingle, Outcome::Broken);
}

#[test]
fn a_refused_write_is_fenced() {
    comes_to(SLEEPER, Contender::RedlockFenced, Outcome::Fenced);
    comes_to(SLEEPER, Contender::RedlockFencedWrites, Outcome::Fenced);
}

#[test]
fn two_holders_are_broken_only_where_no_tokens_are_checked() {
    // The nodes' clocks jump while the first client works, so that all of its keys are gone; the second one only comes for the lock.
    let body = r#"
length_ttls = 1.5
[[client]]
cycles = 1
work_ttls = 0.6
[[client]]
start_ttls = 0.1
cycles = 1
[[fault]]
kind = "clock_step"
target = "nodes"
clocks = "wall"
by_ttls = 2
start_ttls = 0.2
"#;
    let judged = comes_to(body, Contender::Redlock, Outcome::Broken);
    let exclusion = judged.report.finding(Checker::WindowExclusion);
    assert!(exclusion.verdict.is_violated());
    let judged = comes_to(body, Contender::RedlockFenced, Outcome::Fenced);
    let exclusion = judged.report.finding(Checker::WindowExclusion);
    assert!(exclusion.verdict.is_violated(), "fencing does not undo it");
}

#[test]
fn a_gap_is_noticed_from_a_fifth_of_a_ttl_on() {
    for (held, expected) in [(0.1, Outcome::Safe), (0.5, Outcome::Unavailable)] {
        for contender in [Contender::Redlock, Contender::RedisSingle] {
            let judged = comes_to(&held_up(held), contender, expected);
            let is_long = judged.longest_gap > Duration::from_millis(200);
            assert_eq!(is_long, expected == Outcome::Unavailable, "{contender}");
            assert!(judged.longest_gap >= Duration::from_millis(50), "it waited");
        }
    }
}

#[test]
fn waiting_for_a_holder_is_no_gap() {
    let body = r#"
length_ttls = 1.5
sometimes = ["contention"]
[[client]]
cycles = 1
work_ttls = 0.8
[[client]]
start_ttls = 0.1
cycles = 1
"#;
    for contender in [Contender::Redlock, Contender::RedisSingle] {
        let judged = comes_to(body, contender, Outcome::Safe);
        assert!(judged.longest_gap < Duration::from_millis(200));
    }
}

#[test]
fn a_key_without_an_end_is_deadlocked_and_with_one_it_is_unavailable() {
    // The answers are slow, so that the first client dies between its two commands, in its second cycle.
    let body = r#"
length_ttls = 2
[lock]
connect_timeout_ttls = 0.9
[[client]]
cycles = 2
think_ttls = 0.3
hesitates_ttls = 0.3
[[client]]
start_ttls = 1
think_ttls = 0.3
[[fault]]
kind = "slow"
from = "nodes"
to = "client-1"
direction = "one_way"
start_ttls = 0.75
duration_ttls = 1
extra_ttls_min = 0.3
extra_ttls_max = 0.3
[[fault]]
kind = "crash"
target = "client-1"
start_ttls = 1.05
"#;
    comes_to(body, Contender::RedisSetThenExpire, Outcome::Deadlocked);
    comes_to(body, Contender::RedisSingle, Outcome::Unavailable);
}

#[test]
fn a_lock_that_one_holder_keeps_for_ever_is_stuck() {
    let body = r#"
length_ttls = 2
liveness_ttls = 6
[[client]]
cycles = 1
work_ttls = 50
renews = true
[[client]]
start_ttls = 0.1
cycles = 1
"#;
    comes_to(body, Contender::Redlock, Outcome::Stuck);
}

#[test]
fn a_lock_that_refuses_to_go_into_service_is_stuck() {
    let body = r#"
length_ttls = 2
[cluster]
maxmemory_policy = "volatile-lru"
[[client]]
"#;
    comes_to(body, Contender::Redlock, Outcome::Stuck);
    comes_to(body, Contender::RedisSingle, Outcome::Safe);
}

#[test]
fn a_run_in_which_nothing_happened_is_vacuous_and_says_what_is_missing() {
    let body = "length_ttls = 1\nliveness_ttls = 1\nsometimes = [\"split_vote\"]\n[[client]]\n";
    let judged = run(body, Contender::Redlock).judgement;
    let Err(Inconclusive::Vacuous(why)) = judged.outcome else {
        panic!("{:?}", judged.outcome);
    };
    assert!(why.contains("split_vote"), "{why}");
}

#[test]
fn times_scale_with_the_ttl() {
    let slow = SLEEPER.replace("length_ttls = 3", "ttl_ms = 10000\nlength_ttls = 3");
    comes_to(&slow, Contender::Redlock, Outcome::Broken);
    comes_to(&slow, Contender::RedlockFenced, Outcome::Fenced);
}
