//! Simulator's cases on real servers: the built program as workers and guard, the library as supervisor.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests panic as the tests themselves do"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use scenarios::rig::{self, Error, LiveRun, Options};
use simulator::{
    TrueTime,
    checkers::{self, Checker, Report, Verdict},
    contender::RedlockSettings,
    history::{EventKind, Outcome},
    network::Latency,
    plan::Plan,
    store::Fencing,
    truth::{Goal, Truth},
    workload::{Range, Workload},
    world::{ClockErrors, Replay, WorldConfig},
};

/// What nobody can tell of real nodes.
const UNSEEN: [Checker; 2] = [Checker::ValidityBound, Checker::OwnerOnlyRelease];
/// How long anything may take that should take a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs take their time from the machine: one after the other, so that they leave each other alone.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn options() -> Options {
    Options::default().program(env!("CARGO_BIN_EXE_redlock-lab"))
}

/// Leases of a second, on a network without a tail. Every client works for so long under each lease.
fn config(safety_ms: u64, work_ms: u64) -> WorldConfig {
    WorldConfig {
        latency: Latency {
            tail_ppm: 0,
            ..Latency::default()
        },
        clocks: ClockErrors {
            rate_error_ppm: 0,
            wall_offset_us: 0,
            ..ClockErrors::default()
        },
        redlock: RedlockSettings {
            ttl_ms: 1_000,
            max_ttl_ms: 1_000,
            backoff_ms: (10, 100),
            ..RedlockSettings::default()
        },
        workload: Workload {
            think_ms: Range(0, 50),
            accesses: 1,
            work_ms: Range(work_ms, work_ms),
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
    let _alone = alone();
    let run = rig::perform(case, &options()).unwrap_or_else(|error| panic!("{error}"));
    let report = checkers::check_all(&run.history, &run.facts);
    (run, report)
}

/// What nobody can tell is unknown, and nothing else; returns what is violated.
fn violated(report: &Report) -> BTreeSet<Checker> {
    let all = |is: fn(&Verdict) -> bool| -> BTreeSet<Checker> {
        let found = report.findings.iter().filter(|found| is(&found.verdict));
        found.map(|finding| finding.checker).collect()
    };
    let unknown = all(|verdict| matches!(verdict, Verdict::Unknown(_)));
    assert_eq!(unknown, UNSEEN.into(), "{report}");
    all(Verdict::is_violated)
}

/// When a client's acquisitions returned a lease.
fn acquired(run: &LiveRun, client: &str) -> Vec<TrueTime> {
    let truth = Truth::new(&run.history, &run.facts);
    let leases = truth
        .leases
        .iter()
        .filter(|lease| **lease.client == *client);
    leases.map(|lease| lease.returned.at).collect()
}

fn count(run: &LiveRun, is: impl Fn(&EventKind) -> bool) -> usize {
    let events = run.history.events().iter();
    events.filter(|event| is(&event.kind)).count()
}

#[test]
fn without_faults_clients_contend_and_nothing_is_wrong() {
    let (run, report) = live(&case(config(2_500, 30), ""));
    assert_eq!(violated(&report), [].into(), "{report}");
    assert!(report.goals[&Goal::Contention] > 10, "{report}");
    assert_eq!(run.notes, Vec::<String>::new());
    assert_eq!(run.not_made, Vec::<String>::new());
    // Everybody had a turn, and every write found its way: the store's last value is their number.
    for client in ["client-1", "client-2", "client-3"] {
        assert!(acquired(&run, client).len() > 2, "{client}");
    }
    let written = count(
        &run,
        |kind| matches!(kind, EventKind::Store { access, .. } if matches!(access, simulator::history::StoreAccess::Written { .. })),
    );
    assert!(written > 10, "{written}");
}

/// The holder is stopped for longer than its lease, and does not look when it goes on.
const PAUSES: &str = r#"
[[fault]]
kind = "pause"
target = "holder"
start_ms = 1000
duration_ms = 1800

[[fault]]
kind = "pause"
target = "holder"
start_ms = 3500
duration_ms = 1800
"#;

fn paused(fencing: Fencing) -> Replay {
    let mut config = config(5_700, 300);
    config.fencing = fencing;
    config.workload.looks = false;
    case(config, PAUSES)
}

#[test]
fn a_paused_holder_writes_late_into_a_store_that_does_not_fence() {
    let (run, report) = live(&paused(Fencing::Off));
    let violated = violated(&report);
    assert!(violated.contains(&Checker::EffectOrder), "{report}");
    assert!(violated.contains(&Checker::Fencing), "{report}");
    // The lock kept what it promised.
    assert!(!violated.contains(&Checker::WindowExclusion), "{report}");
    assert!(report.goals[&Goal::ExpiryWhilePaused] > 0, "{report}");
    // The second pause hits nobody when nobody holds the lock at that moment.
    let paused = count(&run, |kind| *kind == EventKind::Paused);
    assert!(paused > 0);
    assert_eq!(count(&run, |kind| *kind == EventKind::Resumed), paused);
}

#[test]
fn a_store_that_fences_refuses_a_paused_holder() {
    let (_, report) = live(&paused(Fencing::ReadsAndWrites));
    let violated = violated(&report);
    assert!(!violated.contains(&Checker::EffectOrder), "{report}");
    assert!(!violated.contains(&Checker::Fencing), "{report}");
    assert!(!violated.contains(&Checker::WindowExclusion), "{report}");
    assert!(report.goals[&Goal::StoreRefusal] > 0, "{report}");
    assert!(report.goals[&Goal::ExpiryWhilePaused] > 0, "{report}");
}

/// A majority of the nodes dies under a holder, and forgets; again and again.
fn forgetful(guard: bool) -> Replay {
    let mut config = config(6_300, 3800);
    config.redlock.restart_guard = guard;
    let crash = |start_ms: u64| {
        format!(
            "[[fault]]\nkind = \"crash\"\ntarget = \"majority\"\nlose_data = true\nstart_ms = {start_ms}\nduration_ms = 20\n"
        )
    };
    let plan: String = [1_500, 3_100, 4_700].map(crash).concat();
    case(config, &plan)
}

#[test]
fn nodes_that_forget_give_a_lock_away_without_the_restart_guard() {
    let (run, report) = live(&forgetful(false));
    let violated = violated(&report);
    assert!(violated.contains(&Checker::WindowExclusion), "{report}");
    assert_eq!(
        count(&run, |kind| matches!(
            kind,
            EventKind::Crashed {
                data_lost: true,
                ..
            }
        )),
        9
    );
    assert_eq!(
        count(&run, |kind| matches!(
            kind,
            EventKind::Started { incarnation: 3 }
        )),
        3
    );
}

#[test]
fn nodes_that_forget_do_not_vote_with_the_restart_guard() {
    let (run, report) = live(&forgetful(true));
    assert_eq!(violated(&report), [].into(), "{report}");
    assert_eq!(
        count(&run, |kind| matches!(
            kind,
            EventKind::Crashed {
                data_lost: true,
                ..
            }
        )),
        9
    );
    // Quarantine is not for ever: somebody has the lock after the last one, and who that is, is chance.
    let clients = ["client-1", "client-2", "client-3"];
    let last = clients.map(|client| acquired(&run, client).pop());
    let whole_again = TrueTime::from_millis(4_720);
    assert!(
        last.iter().flatten().any(|at| *at > whole_again),
        "{last:?}"
    );
}

/// Everything that `client-1` sends waits; what it is sent does not.
#[test]
fn a_client_whose_requests_are_held_gets_nothing_until_they_arrive() {
    let plan = r#"
[[fault]]
kind = "hold"
from = "client-1"
to = "nodes"
direction = "one_way"
start_ms = 1000
duration_ms = 2000
"#;
    let (run, report) = live(&case(config(4_000, 30), plan));
    assert_eq!(violated(&report), [].into(), "{report}");
    let during = |client| {
        let leases = acquired(&run, client).into_iter();
        let within = |at: &TrueTime| {
            (TrueTime::from_millis(1_100)..TrueTime::from_millis(2_950)).contains(at)
        };
        leases.filter(within).count()
    };
    assert_eq!(during("client-1"), 0);
    assert!(during("client-2") > 2 && during("client-3") > 2);
    let last = acquired(&run, "client-1").pop();
    assert!(last > Some(TrueTime::from_millis(3_000)), "{last:?}");
    // It goes on trying meanwhile, and its calls fail.
    let tried = run.history.events().iter().filter(|event| {
        *event.host == *"client-1"
            && matches!(
                event.kind,
                EventKind::Return {
                    outcome: Outcome::Fail { .. },
                    ..
                }
            )
    });
    assert!(tried.count() > 0 || during("client-2") > 10);
}

/// The clocks by which a holder measures its lease stand still, in its process only, while it works for longer than the lease.
#[test]
fn a_holder_whose_clocks_stand_still_holds_beside_the_next() {
    let plan = r#"
[[fault]]
kind = "clock_freeze"
target = "client-1"
clocks = ["wall", "raw", "boot"]
start_ms = 500
duration_ms = 4300
"#;
    let (_, report) = live(&case(config(5_000, 1_600), plan));
    let violated = violated(&report);
    assert!(violated.contains(&Checker::WindowExclusion), "{report}");
    let finding = report.finding(Checker::WindowExclusion);
    let broken = &finding.verdict.evidence().unwrap().broken;
    assert!(
        broken.iter().any(|broken| broken.how.contains("client-1")),
        "{broken:?}"
    );
}

/// The nodes' own wall clocks jump past a lease: real servers under faketime.
#[test]
fn keys_expire_when_the_clocks_of_real_nodes_jump() {
    if std::env::var_os("REDLOCK_SKIP_6_2").is_some_and(|value| value == "1") {
        return;
    }
    let plan = r#"
[[fault]]
kind = "clock_step"
target = "nodes"
clocks = "wall"
by_ms = 1500
start_ms = 1500

[[fault]]
kind = "clock_step"
target = "nodes"
clocks = "wall"
by_ms = 1500
start_ms = 3000

[[fault]]
kind = "clock_step"
target = "nodes"
clocks = "wall"
by_ms = 1500
start_ms = 4200
"#;
    let (run, report) = live(&case(config(5_300, 800), plan));
    let violated = violated(&report);
    assert!(violated.contains(&Checker::WindowExclusion), "{report}");
    assert_eq!(run.notes.len(), 1, "{:?}", run.notes);
}

#[test]
fn what_cannot_be_made_live_is_refused_by_name_and_nothing_is_started() {
    let plan = r#"
[[fault]]
kind = "pause"
target = "node-1"
start_ms = 100
duration_ms = 100

[[fault]]
kind = "power_loss"
target = "node-2"
start_ms = 200
duration_ms = 100

[[fault]]
kind = "clock_freeze"
target = "minority"
clocks = ["wall", "monotonic"]
start_ms = 300
duration_ms = 100
"#;
    let mut config = config(1_000, 30);
    config.server.persistence = simulator::redis::Persistence::AofEverysec;
    config.server.maxmemory = 1;
    let case = case(config, plan);
    let options = options();
    let reasons = rig::not_possible(&case, &options);
    let said = |number: usize, words: [&str; 2]| {
        let reason: &str = &reasons[number];
        assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    };
    assert_eq!(reasons.len(), 3, "{reasons:#?}");
    said(0, ["settings", "maxmemory"]);
    said(1, ["fault 1", "node-2"]);
    said(2, ["fault 2", "monotonic"]);
    match rig::perform(&case, &options) {
        Err(Error::Impossible(why)) => assert_eq!(why, reasons),
        other => panic!("{other:?}"),
    }
}

/// Not a test of its own: the supervisor that another test kills.
#[test]
fn the_child_of_another_test() {
    if std::env::var_os("RIG_CHILD").is_some() {
        let _ = rig::perform(&case(config(60_000, 30), ""), &options());
    }
}

#[test]
fn a_killed_supervisor_leaves_nothing_behind() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child_of_another_test"])
        .env("RIG_CHILD", "1")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Workers name their orders, and the servers and the guard lie in the folder too.
    wait_until(|| processes(folder.path(), "rig-worker") == 3);
    assert!(processes(folder.path(), "redis-server") >= 5);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(|| fs::read_dir(folder.path()).unwrap().count() == 0);
    wait_until(|| processes(folder.path(), "") == 0);
}

/// How many processes name the folder and this word on their command line, or name the word and work in the folder.
fn processes(folder: &Path, word: &str) -> usize {
    let name = folder.display().to_string();
    let entries = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let line = String::from_utf8_lossy(&fs::read(path.join("cmdline")).ok()?).into_owned();
        let works = fs::read_link(path.join("cwd")).ok()?;
        Some((line, works))
    });
    entries
        .filter(|(line, works)| {
            (line.contains(&name) || works.starts_with(folder)) && line.contains(word)
        })
        .count()
}

#[expect(
    clippy::disallowed_methods,
    reason = "this test watches processes on real time, apart from any runtime"
)]
fn wait_until(there: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < until, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}
