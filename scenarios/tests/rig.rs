//! Simulator's cases on real servers: the built program as workers and guard, the library as supervisor.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests panic as the tests themselves do"
)]

use scenarios::rig::{self, LiveRun, Options};
use simulator::{
    checkers::{self, Checker, Report, Verdict},
    contender::RedlockSettings,
    network::Latency,
    plan::Plan,
    truth::Goal,
    workload::{Range, Workload},
    world::{Replay, WorldConfig},
};

/// What nobody can tell of real nodes.
const UNSEEN: [Checker; 2] = [Checker::ValidityBound, Checker::OwnerOnlyRelease];

fn options() -> Options {
    Options::default().program(env!("CARGO_BIN_EXE_redlock-lab"))
}

/// Leases of a second, on a network without a tail.
fn config(safety_ms: u64) -> WorldConfig {
    WorldConfig {
        latency: Latency {
            tail_ppm: 0,
            ..Latency::default()
        },
        redlock: RedlockSettings {
            ttl_ms: 1_000,
            max_ttl_ms: 1_000,
            ..RedlockSettings::default()
        },
        workload: Workload {
            think_ms: Range(0, 100),
            work_ms: Range(0, 60),
            within_ms: 3_000,
            ..Workload::default()
        },
        safety_ms,
        liveness_ms: 1_500,
        ..WorldConfig::default()
    }
}

fn case(config: WorldConfig, plan: &str) -> Replay {
    let plan = Plan::parse("live.toml", plan).unwrap_or_else(|error| panic!("{error}"));
    plan.check(&config.hosts()).unwrap();
    Replay {
        config,
        plan,
        seed: 1,
    }
}

fn live(case: &Replay) -> (LiveRun, Report) {
    let run = rig::perform(case, &options()).unwrap_or_else(|error| panic!("{error}"));
    let report = checkers::check_all(&run.history, &run.facts);
    (run, report)
}

/// These are violated, what nobody can tell is unknown, all others are ok.
fn expect(report: &Report, violated: &[Checker]) {
    for finding in &report.findings {
        let is = match finding.verdict {
            Verdict::Violated(_) => violated.contains(&finding.checker),
            Verdict::Unknown(_) => UNSEEN.contains(&finding.checker),
            Verdict::Ok => {
                !violated.contains(&finding.checker) && !UNSEEN.contains(&finding.checker)
            }
        };
        assert!(is, "{:?} in\n{report}", finding.checker);
    }
}

#[test]
fn without_faults_clients_contend_and_nothing_is_wrong() {
    let (run, report) = live(&case(config(2_500), ""));
    expect(&report, &[]);
    assert!(report.goals[&Goal::Contention] > 0, "{report}");
    assert_eq!(run.skipped, Vec::<String>::new());
}
