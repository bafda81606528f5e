//! Processes and machines that are not scheduled for a while.

use std::time::Duration;

use simulator::{clock::ClockName, history::EventKind, workload::Session, world::WorldConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::{LATENCY, Notes, config, fault, ms, name, of, pause_ms, run, until};

const PAUSED: &str = "target='client-1'";

/// A line of what happened to client-1 or at it: when, and what.
type Line = (u64, String);

/// client-1 serves on port 9000 and ticks every 100 ms; client-2 connects at 2,200 and asks at once, and asks on an older
/// connection as well.
async fn serve_and_ask(session: Session, notes: Notes<Line>) {
    let note = |session: &Session, text: &str| {
        notes.push((ms(session.process().true_time()), text.to_owned()));
    };
    if name(&session) == "client-1" {
        let listener = session.process().listen(9_000).unwrap();
        let own = session.clone();
        let ticks = notes.clone();
        session.process().spawn(async move {
            until(&own, 1_000).await;
            loop {
                ticks.push((ms(own.process().true_time()), "tick".to_owned()));
                pause_ms(&own, 100).await;
            }
        });
        loop {
            let mut stream = listener.accept().await;
            session.process().spawn(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
            });
        }
    }
    until(&session, 1_500).await;
    let mut old = session.process().connect("client-1", 9_000).await.unwrap();
    until(&session, 2_200).await;
    old.write_all(b"o").await.unwrap();
    let mut new = session.process().connect("client-1", 9_000).await.unwrap();
    note(&session, "connected");
    new.write_all(b"n").await.unwrap();
    let mut byte = [0];
    new.read_exact(&mut byte).await.unwrap();
    note(&session, "answered on the new connection");
    old.read_exact(&mut byte).await.unwrap();
    note(&session, "answered on the old connection");
}

fn lines(faults: &str) -> (Vec<Line>, simulator::history::History) {
    let notes = Notes::default();
    let shared = notes.clone();
    let run = run(config(2), faults, move |session| {
        serve_and_ask(session, shared.clone())
    });
    (notes.take(), run.history)
}

fn ticks(lines: &[Line]) -> Vec<u64> {
    let ticks = lines.iter().filter(|(_, text)| text == "tick");
    ticks
        .map(|(at, _)| *at)
        .take_while(|at| *at < 4_000)
        .collect()
}

fn at(lines: &[Line], text: &str) -> u64 {
    lines.iter().find(|(_, found)| found == text).unwrap().0
}

/// While a process is paused none of its tasks runs; its timers fire as it resumes, at once; its kernel accepts, and what was
/// sent to it meanwhile, on old and new connections, it finds then.
#[test]
fn a_pause_stops_the_process_and_not_its_kernel() {
    let (usual, _) = lines("");
    assert_eq!(ticks(&usual), (10..40).map(|n| n * 100).collect::<Vec<_>>());
    assert_eq!(at(&usual, "connected"), 2_200 + 2 * LATENCY);
    assert_eq!(
        at(&usual, "answered on the new connection"),
        2_200 + 4 * LATENCY
    );

    let (paused, history) = lines(&fault("pause", PAUSED, 2_050, 1_000));
    let expected: Vec<_> = (10..=20)
        .map(|n| n * 100)
        .chain((0..10).map(|n| 3_050 + n * 100))
        .collect();
    assert_eq!(
        ticks(&paused),
        expected,
        "one timer was due, and fires once"
    );
    assert_eq!(at(&paused, "connected"), 2_200 + 2 * LATENCY);
    for answer in ["new", "old"] {
        let answered = at(&paused, &format!("answered on the {answer} connection"));
        assert_eq!(answered, 3_050 + LATENCY);
    }
    let told: Vec<_> = of(&history, "client-1")
        .filter(|(_, kind)| matches!(kind, EventKind::Paused | EventKind::Resumed))
        .collect();
    assert_eq!(
        told,
        [(2_050, &EventKind::Paused), (3_050, &EventKind::Resumed)]
    );
}

/// A pause within a pause: the process goes on when both are over.
#[test]
fn pauses_add_up() {
    let two =
        fault("pause", PAUSED, 2_050, 1_000) + &fault("pause", "target='clients'", 2_500, 1_000);
    let (paused, _) = lines(&two);
    assert!(!ticks(&paused).iter().any(|at| (2_051..3_500).contains(at)));
    assert!(ticks(&paused).contains(&3_500));
}

/// What client-1's clocks show after a fault of one second, less what they would show: in milliseconds, in the order of
/// [`ClockName::ALL`].
fn lag(kind: &str) -> [i64; 4] {
    let notes: Notes<[i64; 4]> = Notes::default();
    let shared = notes.clone();
    run(
        config(2),
        &fault(kind, PAUSED, 2_050, 1_000),
        move |session| {
            let notes = shared.clone();
            async move {
                if name(&session) == "client-1" {
                    let shown = |session: &Session| {
                        let now = session.process().true_time();
                        let passed = i64::try_from(ms(now)).unwrap();
                        ClockName::ALL.map(|clock| {
                            let show = |at| {
                                session
                                    .process()
                                    .host()
                                    .clocks(|clocks| clocks.show(clock, at))
                            };
                            let gained = show(now) - show(simulator::TrueTime::ZERO);
                            i64::try_from(gained.as_millis()).unwrap() - passed
                        })
                    };
                    until(&session, 5_000).await;
                    notes.push(shown(&session));
                }
            }
        },
    );
    notes.take()[0]
}

/// A pause stops no clock; a machine that sleeps loses CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW; one that is stopped from
/// outside loses all four.
#[test]
fn clocks_stop_with_the_machine_and_not_with_the_process() {
    assert_eq!(lag("pause"), [0; 4]);
    assert_eq!(lag("suspend"), [0, -1_000, -1_000, 0]);
    assert_eq!(lag("stop_machine"), [-1_000; 4]);
}

/// Timers run on CLOCK_MONOTONIC: what was due 50 ms after the machine went to sleep is due 50 ms after it woke. The
/// process does not run meanwhile.
#[test]
fn timers_sleep_with_the_machine() {
    for kind in ["suspend", "stop_machine"] {
        let (slept, _) = lines(&fault(kind, PAUSED, 2_050, 1_000));
        let expected: Vec<_> = (10..=20).chain(31..40).map(|n| n * 100).collect();
        assert_eq!(ticks(&slept), expected, "{kind}");
        assert_eq!(
            at(&slept, "answered on the new connection"),
            3_050 + LATENCY
        );
    }
}

/// When client-1, which has had a lease of 2 s renewed since 1,500, sent anything to its node between 2,000 and 3,600, in
/// milliseconds; and whether it still held the lease at 3,400 and at 5,000.
fn renewed(faults: &str) -> (Vec<u64>, [bool; 2]) {
    let notes = Notes::default();
    let shared = notes.clone();
    let config = WorldConfig {
        records_segments: true,
        ..config(1)
    };
    let run = run(config, faults, move |session| {
        let notes: Notes<bool> = shared.clone();
        async move {
            until(&session, 1_500).await;
            let lease = session.acquire("r1", Duration::from_secs(1)).await.unwrap();
            lease.keep_renewed();
            for at in [3_400, 5_000] {
                until(&session, at).await;
                notes.push(lease.is_valid());
            }
        }
    });
    let sent = of(&run.history, "client-1")
        .filter(|(_, kind)| matches!(kind, EventKind::Sent { .. }))
        .map(|(at, _)| at)
        .filter(|at| (2_000..3_600).contains(at));
    (sent.collect(), notes.take().try_into().unwrap())
}

/// The shipped client spawns its tasks in the process and nowhere else: while that is paused none of them writes anything.
/// A pause that is shorter than what is left of the lease costs nothing: the lease is renewed when it is over.
#[test]
fn a_paused_client_sends_nothing() {
    let (usual, held) = renewed("");
    let during = |sent: &[u64]| {
        sent.iter()
            .filter(|at| (2_051..3_050).contains(*at))
            .count()
    };
    assert!(during(&usual) > 0, "it renews: {usual:?}");
    assert_eq!(held, [true; 2]);
    let (paused, held) = renewed(&fault("pause", PAUSED, 2_050, 1_000));
    assert_eq!(during(&paused), 0, "{paused:?}");
    assert!(paused.iter().any(|at| *at >= 3_050), "{paused:?}");
    assert_eq!(held, [true; 2]);
}
