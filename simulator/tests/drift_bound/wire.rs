//! What is left of the bound over the wire.
//!
//! The shipped client in a simulated world, with all its clocks as slow and all nodes as fast as the allowance covers. Each lease
//! runs to its deadline; its safety margin, from the end of the window to the end of its protection, in true time,
//! is what the bound leaves unused. At the bound it is never negative, and there is nothing in it but what one can name:
//!
//! - the way of the request to the node: its latency, and the wait for the tick at which it is delivered. Validity counts from
//!   before the first byte is sent;
//! - r, the millisecond of our rounding, counted on a clock that is slow;
//! - up to a millisecond of g: how far into one of its milliseconds the node was when it set the key. A server that expires `At` takes
//!   it from the TTL, one that expires `After` adds one more.

use std::{rc::Rc, time::Duration};

use redlock::Runtime as _;
use simulator::{
    checkers::{Checker, Report, check_truth},
    contender::RedlockSettings,
    network::Latency,
    plan::Plan,
    redis,
    truth::Truth,
    workload::Session,
    world::{ClientProgram, ClockErrors, World, WorldConfig},
};

const RATE_PPM: i64 = 5_000;
const TTL_MS: u64 = 1_000;
const LATENCY_US: u64 = 300;

/// Clocks off by `share` of the allowance: a slow client, fast nodes.
fn plan(share: i64) -> Plan {
    let rate = RATE_PPM * share;
    let text = format!(
        r#"
        [[fault]]
        kind = "clock_drift"
        target = "clients"
        clocks = ["wall", "monotonic", "raw", "boot"]
        rate_error_ppm = -{rate}
        start_ms = 0

        [[fault]]
        kind = "clock_drift"
        target = "nodes"
        clocks = "wall"
        rate_error_ppm = {rate}
        start_ms = 0
        "#
    );
    Plan::parse("drift.toml", &text).unwrap()
}

fn config(tick_ms: u64, expiry: redis::ExpiryRule) -> WorldConfig {
    WorldConfig {
        nodes: 3,
        clients: 1,
        tick_ms,
        latency: Latency::constant(LATENCY_US),
        clocks: ClockErrors {
            rate_error_ppm: 0,
            wall_offset_us: 5_000,
            ..ClockErrors::default()
        },
        server: redis::Config {
            expiry,
            ..redis::Config::default()
        },
        redlock: RedlockSettings {
            ttl_ms: TTL_MS,
            max_ttl_ms: TTL_MS,
            rate_error_ppm: Some(RATE_PPM.try_into().unwrap()),
            ..RedlockSettings::default()
        },
        safety_ms: 30_000,
        liveness_ms: 0,
        ..WorldConfig::default()
    }
}

/// Acquires, and lets every lease and every key run out.
async fn run_out(session: Session) {
    for odd in 0_u64.. {
        let lease = session
            .acquire("r1", Duration::from_secs(60))
            .await
            .unwrap();
        lease.lost().await;
        // Dropping it would delete the keys before they expire. The next comes at another part of the nodes' milliseconds.
        let pause = Duration::from_millis(50 + 7 * (odd % 5));
        session.process().runtime().sleep(pause).await;
        drop(lease);
    }
}

/// What checkers say, and the margins of all leases that ran to the deadline, smallest first.
fn judged(tick_ms: u64, expiry: redis::ExpiryRule, share: i64) -> (Report, Vec<i64>) {
    let config = config(tick_ms, expiry);
    let facts = config.facts();
    let program: ClientProgram = Rc::new(|session| Box::pin(run_out(session)));
    let run = World::new(config, plan(share), 1)
        .with_program(program)
        .run();
    assert_eq!(run.failure, None);
    let truth = Truth::new(&run.history, &facts);
    let report = check_truth(&truth);
    let ended = report
        .margins
        .iter()
        .filter(|margin| margin.ended == "deadline");
    let mut margins: Vec<_> = ended.filter_map(|margin| margin.margin_ns).collect();
    margins.sort_unstable();
    assert!(margins.len() > 20, "{}", margins.len());
    (report, margins)
}

const MICROSECOND: i64 = 1_000;
const MILLISECOND: i64 = 1_000_000;

#[test]
fn at_the_allowance_the_slack_is_the_way_there_and_two_roundings() {
    let latency = i64::try_from(LATENCY_US).unwrap() * MICROSECOND;
    let r = MILLISECOND * 1_000_000 / (1_000_000 - RATE_PPM);
    for tick_ms in [1, 5] {
        let tick = i64::try_from(tick_ms).unwrap() * MILLISECOND;
        for (expiry, later) in [
            (redis::ExpiryRule::At, 0),
            (redis::ExpiryRule::After, MILLISECOND),
        ] {
            let (report, margins) = judged(tick_ms, expiry, 1);
            let (least, most) = (margins[0], *margins.last().unwrap());
            println!(
                "tick {tick_ms} ms, expiry {expiry:?}: slack of {} leases from {} to {} us",
                margins.len(),
                least / MICROSECOND,
                most / MICROSECOND,
            );
            assert!(report.is_ok(), "{report}");
            assert!(least >= latency + r, "{least}");
            assert!(most <= latency + tick + r + MILLISECOND + later, "{most}");
        }
    }
}

#[test]
fn at_twice_the_allowance_every_lease_outlives_its_protection() {
    for tick_ms in [1, 5] {
        let (report, margins) = judged(tick_ms, redis::ExpiryRule::At, 2);
        let violated: Vec<_> = report.violations().map(|found| found.checker).collect();
        assert_eq!(violated, [Checker::ValidityBound], "{report}");
        let evidence = report.finding(Checker::ValidityBound).verdict.evidence();
        let evidence = evidence.unwrap();
        assert_eq!(evidence.count, margins.len() as u64);
        // The client's clocks, and those of each node.
        assert_eq!(evidence.broken.len(), 4, "{evidence}");
        println!(
            "tick {tick_ms} ms, twice the allowance: at best {} us too long",
            -margins.last().unwrap() / MICROSECOND,
        );
    }
}
