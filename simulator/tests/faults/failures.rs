//! How a run that goes wrong says so: what went wrong, on which host, and all that it takes to run it again.

use std::{panic::AssertUnwindSafe, time::Duration};

use redlock::Runtime as _;
use simulator::{
    history::{EventKind, Outcome},
    workload::Session,
    world::{ClientProgram, Failure, Replay, Run, World, WorldConfig},
};

use crate::lab::{config, fault, name, of, pause_ms, plan, program_of, until};

/// Three windows of which one does something; and a seed that is easy to recognise.
fn broken<F, Fut>(program: F) -> Run
where
    F: Fn(Session) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let faults = fault("pause", "target='node-1'", 700, 50);
    World::new(config(2), plan(&faults), 4_711)
        .with_program(program_of(program))
        .run()
}

fn message(run: &Run) -> (&str, &str) {
    match &run.failure {
        Some(Failure::Panic { host, message }) => (host, message),
        other => panic!("{other:?}"),
    }
}

/// A panic of a client program, of a task that it spawned, of a task that it spawned as the shipped client does, and of a monitor: each ends
/// the run at once, with the host's name.
#[test]
fn a_panic_anywhere_on_a_host_fails_the_run_by_name() {
    let ways: [fn(&Session); 4] = [
        |_| panic!("straight"),
        |session| session.process().spawn(async { panic!("spawned") }),
        |session| {
            let task = Box::pin(async { panic!("by the runtime") });
            session.process().runtime().spawn(task).unwrap();
        },
        |session| {
            let monitor = session.process().monitor(|_| panic!("a monitor"));
            session.process().spawn(async move {
                let _monitor = monitor;
                std::future::pending().await
            });
        },
    ];
    let said = ["straight", "spawned", "by the runtime", "a monitor"];
    for (way, said) in ways.into_iter().zip(said) {
        let run = broken(move |session| async move {
            if name(&session) == "client-2" {
                until(&session, 1_000).await;
                way(&session);
                pause_ms(&session, 10).await;
            }
        });
        assert_eq!(message(&run), ("client-2", said));
        let panicked: Vec<_> = of(&run.history, "client-2")
            .filter(|(_, kind)| matches!(kind, EventKind::Panicked { .. }))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(panicked, [1_000], "{said}");
        assert!(run.history.end() < simulator::TrueTime::from_millis(1_002));
    }
}

/// Something that panics as it is dropped, when its process is killed.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// A panic of what dies with a process is one too.
#[test]
fn a_panic_of_a_dying_process_fails_the_run() {
    let faults = fault("crash", "target='client-2'", 2_000, 500);
    let run = World::new(config(2), plan(&faults), 7)
        .with_program(program_of(|session| async move {
            let fragile = (name(&session) == "client-2").then(|| Fragile);
            std::future::pending::<()>().await;
            drop(fragile);
        }))
        .run();
    assert_eq!(message(&run), ("client-2", "dropped"));
}

/// A client program is called once for its future: a panic there is one like any other.
#[test]
fn a_program_that_panics_before_it_begins_fails_the_run() {
    let run = World::new(config(2), plan(""), 7)
        .with_program(std::rc::Rc::new(|_| panic!("no program")))
        .run();
    assert_eq!(message(&run).1, "no program");
}

/// Tasks that never wait for anything end the run instead of hanging it: whether they yield, sleep for no time, or wake each
/// other.
#[test]
fn a_task_that_spins_ends_the_run() {
    type Spin = fn(Session) -> futures::future::LocalBoxFuture<'static, ()>;
    let ways: [Spin; 3] = [
        |_| {
            Box::pin(async {
                loop {
                    tokio::task::yield_now().await;
                }
            })
        },
        |session| {
            Box::pin(async move {
                loop {
                    session.process().runtime().sleep(Duration::ZERO).await;
                }
            })
        },
        |session| {
            Box::pin(async move {
                let (one, other) = (tokio::sync::mpsc::channel(1), tokio::sync::mpsc::channel(1));
                let ((to_one, mut from_other), (to_other, mut from_one)) = (one, other);
                session.process().spawn(async move {
                    while from_one.recv().await == Some(()) {
                        to_one.send(()).await.unwrap();
                    }
                });
                loop {
                    to_other.send(()).await.unwrap();
                    from_other.recv().await.unwrap();
                }
            })
        },
    ];
    for way in ways {
        let run = broken(move |session| async move {
            if name(&session) == "client-2" {
                until(&session, 1_000).await;
                way(session).await;
            }
        });
        match &run.failure {
            Some(Failure::Spinning { host, at }) => {
                assert_eq!(
                    (&**host, *at),
                    ("client-2", simulator::TrueTime::from_millis(1_000))
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(run.to_string().contains("client-2 spins"), "{run}");
    }
}

/// What a failed run shows is enough: the file in it runs to the same history and the same failure.
#[test]
fn a_failed_run_shows_what_to_run_again() {
    fn program() -> ClientProgram {
        program_of(|session: Session| async move {
            let lease = session.acquire("r1", Duration::from_secs(1)).await;
            until(&session, 1_500).await;
            assert!(lease.is_err(), "got it");
        })
    }
    let faults = fault("pause", "target='node-1'", 700, 50);
    let run = World::new(config(2), plan(&faults), 4_711)
        .with_program(program())
        .run();
    let shown = run.to_string();
    for part in [
        " panicked: got it\n",
        "seed = 4711",
        "[config]",
        "nodes = 1",
        "kind = \"pause\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let (_, file) = shown.split_once("to run it again:\n\n").unwrap();
    let again = Replay::parse("replay.toml", file).unwrap();
    assert_eq!(again, run.replay);
    let second = again.world().with_program(program()).run();
    assert_eq!((second.history, second.failure), (run.history, run.failure));

    let path = std::env::temp_dir().join(format!("replay-{}.toml", std::process::id()));
    again.write(&path).unwrap();
    let read = Replay::read(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(read.unwrap(), again);
}

/// One client holds the lease until then, and the other waits for it.
fn held_until(released_ms: u64) -> ClientProgram {
    program_of(move |session| async move {
        let waits = name(&session) == "client-2";
        until(&session, if waits { 2_000 } else { 1_000 }).await;
        let lease = session
            .acquire("r1", Duration::from_secs(60))
            .await
            .unwrap();
        lease.keep_renewed();
        until(&session, released_ms).await;
        let _ = lease.release().await;
    })
}

/// A second phase in which nobody gets anywhere says so, and who waits for what.
#[test]
fn a_run_that_gets_stuck_says_who_waits_for_what() {
    let stuck = |after_ms: u64| {
        World::new(config(2), plan(""), 7)
            .with_program(held_until(after_ms))
            .run()
    };
    let run = stuck(100_000);
    assert!(run.failure.is_none());
    assert_eq!(run.stuck, Some(simulator::TrueTime::from_millis(8_000)));
    let shown = run.to_string();
    for part in [
        "nobody got anywhere from 8.000 s",
        "client-1 holds r1 since 1.0",
        "client-2 waits since 2.000 s for Acquire { resource: \"r1\" }",
        "seed = 7",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(stuck(3_000).stuck, None, "released in time: nobody waits");
    assert_eq!(
        stuck(8_100).stuck,
        None,
        "released after the heal: that is progress"
    );
}

/// A second phase goes on while somebody waits for what nobody has acquired in it, and no longer than it may.
#[test]
fn a_run_goes_on_until_it_recovers() {
    let ends = |released_ms: u64| {
        let config = WorldConfig {
            recovery_ms: 4_000,
            ..config(2)
        };
        assert_eq!(config.facts().progress.acquire_within_ms, 3_375);
        let run = World::new(config, plan(""), 7)
            .with_program(held_until(released_ms))
            .run();
        let end = run.history.end().as_nanos() / 1_000_000;
        (end, run.stuck.is_some())
    };
    for (released_ms, last_event_ms, stuck) in [
        (8_100, 8_100..8_500, false),
        (9_500, 9_500..11_000, false),
        (100_000, 12_000..12_500, true),
    ] {
        let (end, is_stuck) = ends(released_ms);
        assert!(last_event_ms.contains(&end), "{released_ms}: {end}");
        assert_eq!(is_stuck, stuck, "{released_ms}");
    }
}

/// A cluster that cannot be put into service says why.
#[test]
fn a_cluster_that_nobody_can_deploy_is_stuck_too() {
    let mut config = config(1);
    config.server.replica = true;
    let run = World::new(config, plan(""), 7).run();
    let shown = run.to_string();
    assert!(run.stuck.is_some(), "{shown}");
    assert!(
        shown.contains("the cluster was not put into service: "),
        "{shown}"
    );
    assert!(shown.contains("node-1 does not vote"), "{shown}");
}

/// A node dies while the cluster is admitted, node after node; as it is back, those before it are admitted already, and the cluster is not
/// new any more. The operator leaves it alone, and who was left out votes by itself after a quarantine.
#[test]
fn a_cluster_that_was_admitted_in_part_goes_into_service() {
    for at_ms in (0..400).step_by(10) {
        // Longer than the client asks one node for.
        let crash = fault("crash", "target='node-3'\nlose_data=true", at_ms, 4_000);
        let config = WorldConfig {
            nodes: 3,
            ..config(2)
        };
        let run = World::new(config, plan(&crash), 7).run();
        assert!(run.stuck.is_none(), "crashed at {at_ms} ms: {run}");
        let acquired = run.history.events().iter().any(|event| {
            matches!(
                &event.kind,
                EventKind::Return {
                    outcome: Outcome::Acquired { .. },
                    ..
                }
            )
        });
        assert!(acquired, "crashed at {at_ms} ms: {run}");
    }
}

/// What is not whole as a run ends is said: here it ends in the middle of its faults, by a panic.
#[test]
fn a_run_that_ends_early_says_what_is_broken_at_that_moment() {
    let faults = fault("pause", "target='client-1'", 500, 2_000)
        + &fault("crash", "target='node-1'", 500, 2_000)
        + &fault("clock_freeze", "target='store'\nclocks='raw'", 500, 2_000)
        + &fault(
            "cut",
            "from='client-2'\nto='store'\ndirection='one_way'",
            500,
            2_000,
        );
    let program = program_of(|session| async move {
        until(&session, 1_000).await;
        assert_ne!(name(&session), "client-2");
    });
    let run = World::new(config(2), plan(&faults), 7)
        .with_program(program)
        .run();
    let expected = "client-1 is paused\n\
                    node-1 is down\n\
                    node-1 does not vote\n\
                    the Raw clock of store stands still\n\
                    nothing crosses from client-2 to store\n";
    assert_eq!(run.waiting, expected);
    // Taking such a world down is no panic of its own.
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| drop(run))).is_ok());
}
