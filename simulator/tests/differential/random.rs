//! Random sequences.

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::{bench::Bench, case};

fn variable(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().expect(name))
}

/// Runs so many sequences as the environment wants, and shrinks one on which the servers differ.
pub(crate) fn differences(bench: &mut Bench, share: u32) -> Result<(), String> {
    let cases =
        variable("REDLOCK_DIFFERENTIAL_CASES").map_or(250, |cases| u32::try_from(cases).unwrap());
    let config = Config {
        cases: (cases / share).max(1),
        rng_seed: RngSeed::Fixed(variable("REDLOCK_DIFFERENTIAL_SEED").unwrap_or(1)),
        failure_persistence: None,
        max_shrink_iters: 3000,
        max_shrink_time: 8000,
        ..Config::default()
    };
    let strategy = case::cases(bench.abilities);
    let cell = std::cell::RefCell::new(bench);
    let result = TestRunner::new(config).run(&strategy, |steps| {
        cell.borrow_mut().run(&steps).map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, steps)) => Err(format!("{why}\nafter shrinking: {steps:#?}")),
        Err(other) => Err(other.to_string()),
    }
}

fn agree(bench: &mut Bench, share: u32) {
    if let Err(how) = differences(bench, share) {
        panic!("{how}");
    }
}

#[test]
fn redis_7_0_says_the_same() {
    agree(&mut Bench::real_7_0(), 1);
}

#[test]
fn redis_6_2_says_the_same_whatever_its_clock_does() {
    if let Some(mut bench) = Bench::faked_6_2(false) {
        agree(&mut bench, 1);
    }
}

/// A start of a real server takes longer than a sequence.
#[test]
fn redis_6_2_remembers_the_same_after_a_crash() {
    if let Some(mut bench) = Bench::faked_6_2(true) {
        agree(&mut bench, 10);
    }
}

/// Shows that the comparison can fail: a server that expires keys a millisecond early, as Redis 8 does, is told from 6.2.
#[test]
fn a_millisecond_is_noticed() {
    if let Some(mut bench) = Bench::faked_6_2(false) {
        bench.config.expiry = simulator::redis::ExpiryRule::At;
        let how = differences(&mut bench, 1).expect_err("one of the sequences tells them apart");
        assert!(how.contains("ours:"), "{how}");
    }
}
