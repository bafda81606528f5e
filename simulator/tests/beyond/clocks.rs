//! Rates and steps of clocks: two windows overlap.

use simulator::{
    checkers::Checker,
    plan::{Assumption, Fault, Promise},
};

use crate::lab::{Lab, RATE_PPM, SLACK, Shown, TTL, protects, to_the_end, violated};

/// How many plans are drawn of each.
const PLANS: u64 = 4;

fn two_holders(which: Assumption, length_ttls: u32) -> Vec<Shown> {
    assert!(protects(which, Promise::Exclusion));
    let mut lab = Lab::new(length_ttls, to_the_end);
    lab.config.redlock.rate_error_ppm = Some(RATE_PPM);
    // Steps fall into one lease, rates go on for many: what is allowed for steps is left in the others.
    if matches!(which, Assumption::ClientStep | Assumption::NodeStep) {
        lab.config.redlock.client_step_us = 20_000;
        lab.config.redlock.node_step_us = 20_000;
    }
    let shown = lab.break_by_a_little(which, Checker::WindowExclusion, PLANS);
    for one in &shown {
        // Whoever votes for two holders, the tokens stay in order.
        let rules = violated(&one.report);
        assert!(!rules.contains(&Checker::FencedMutex), "{}", one.report);
    }
    assert!(
        !shown.is_empty(),
        "{} of {PLANS} plans show it",
        shown.len()
    );
    shown
}

/// What a rate gains in a TTL, in microseconds.
fn gains_us(fault: &Fault) -> u128 {
    let Fault::ClockDrift { rate_error_ppm, .. } = fault else {
        return 0;
    };
    let more = rate_error_ppm.unsigned_abs() - u64::from(RATE_PPM);
    TTL.as_micros() * u128::from(more) / 1_000_000
}

#[test]
fn a_client_that_is_too_slow_holds_beside_another() {
    for shown in two_holders(Assumption::ClientRate, 6) {
        let gained = shown.plan.windows.iter().map(|one| gains_us(&one.fault));
        assert!(gained.max().unwrap() * 2 > SLACK.as_micros());
    }
}

#[test]
fn nodes_that_are_too_fast_have_two_holders() {
    two_holders(Assumption::NodeRate, 6);
}

#[test]
fn a_client_that_is_set_back_holds_beside_another() {
    two_holders(Assumption::ClientStep, 3);
}

#[test]
fn nodes_that_are_set_forward_have_two_holders() {
    two_holders(Assumption::NodeStep, 3);
}
