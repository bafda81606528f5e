//! Faults as somebody who opens connections sees them.

use std::rc::Rc;

use simulator::workload::Session;

use crate::lab::{LATENCY, Notes, config, fault, ms, name, pause_ms, run, until};

/// When somebody began to connect, when that ended, and how.
type Attempt = (u64, u64, String);

/// Has client-2 open a connection to client-1, which accepts on port 9000 only, every 100 ms; also to another port
/// every second.
fn attempts(faults: &str, port: u16) -> Vec<Attempt> {
    let notes = Notes::default();
    let shared = notes.clone();
    run(config(2), faults, move |session| {
        connect_often(session, port, shared.clone())
    });
    let mut attempts = notes.take();
    attempts.sort();
    attempts
}

async fn connect_often(session: Session, port: u16, notes: Notes<Attempt>) {
    if name(&session) == "client-1" {
        let listener = session.process().listen(9_000).unwrap();
        loop {
            drop(listener.accept().await);
        }
    }
    let session = Rc::new(session);
    until(&session, 1_000).await;
    loop {
        let (own, notes) = (session.clone(), notes.clone());
        session.process().spawn(async move {
            let began = ms(own.process().true_time());
            let result = own.process().connect("client-1", port).await;
            let how = result.map_or_else(|error| error.kind().to_string(), |_| "ok".to_owned());
            notes.push((began, ms(own.process().true_time()), how));
        });
        pause_ms(&session, 100).await;
    }
}

const BOTH: &str = "from='client-2'\nto='client-1'";
const REQUEST: &str = "from='client-2'\nto='client-1'\ndirection='one_way'";
const ANSWER: &str = "from='client-1'\nto='client-2'\ndirection='one_way'";

fn assert_attempts(found: &[Attempt], how: &str, answer: impl Fn(u64) -> u64) {
    assert!(found.len() > 30, "{found:?}");
    let expected: Vec<_> = found
        .iter()
        .map(|(began, ..)| (*began, answer(*began), how.to_owned()))
        .collect();
    assert_eq!(found, expected);
}

/// A connection takes a round trip; where nobody listens, the refusal does.
#[test]
fn a_connection_takes_a_round_trip() {
    assert_attempts(&attempts("", 9_000), "ok", |began| began + 2 * LATENCY);
    assert_attempts(&attempts("", 9_001), "connection refused", |began| {
        began + 2 * LATENCY
    });
}

/// Arrives at the end of the hold from 2,000 to 3,000.
fn held(at: u64) -> u64 {
    if (2_000..3_000).contains(&at) {
        3_000
    } else {
        at
    }
}

/// A held request, or a held answer to it, arrives when the hold ends.
#[test]
fn a_hold_keeps_requests_and_answers() {
    let hold = |fields| attempts(&fault("hold", fields, 2_000, 1_000), 9_000);
    let (request, answer) = (
        |began| held(began + LATENCY),
        |arrived| held(arrived + LATENCY),
    );
    assert_attempts(&hold(BOTH), "ok", |began| answer(request(began)));
    assert_attempts(&hold(REQUEST), "ok", |began| request(began) + LATENCY);
    assert_attempts(&hold(ANSWER), "ok", |began| answer(began + LATENCY));
}

/// When a request that was sent at `sent` gets through a cut from 2,000 to 3,500: at first, or 1 s, 3 s, 7 s later.
fn again(sent: u64) -> u64 {
    let mut leaves = sent;
    let mut wait = 1_000;
    while (2_000..3_500).contains(&(leaves + LATENCY)) {
        leaves += wait;
        wait *= 2;
    }
    leaves + LATENCY
}

/// A cut request is sent again after 1 s, 2 s more, 4 s more; so is its answer.
#[test]
fn a_cut_drops_requests_and_answers() {
    let cut = |fields| {
        let mut found = attempts(&fault("cut", fields, 2_000, 1_500), 9_000);
        // What was begun late does not end before the run does.
        found.retain(|(began, ..)| *began < 5_000);
        found
    };
    // Of the request of 2,000 the transmissions at 2,000 and 3,000 are lost; that at 5,000 arrives.
    assert_eq!(again(2_000), 5_000 + LATENCY);
    assert_attempts(&cut(BOTH), "ok", |began| again(again(began)));
    assert_attempts(&cut(REQUEST), "ok", |began| again(began) + LATENCY);
    assert_attempts(&cut(ANSWER), "ok", |began| again(began + LATENCY));
}

/// A refusal is sent once: if it is lost, the request that is sent again is refused.
#[test]
fn a_lost_refusal_is_answered_again() {
    let found = attempts(&fault("cut", ANSWER, 2_000, 500), 9_001);
    assert_attempts(&found, "connection refused", |began| {
        let mut sent = began;
        let mut wait = 1_000;
        while (2_000..2_500).contains(&(sent + 2 * LATENCY)) {
            sent += wait;
            wait *= 2;
        }
        sent + 2 * LATENCY
    });
}

/// A process that was killed and has not started again refuses after a round trip; a machine without power says nothing until
/// it is up and gets the request again.
#[test]
fn a_dead_process_refuses_and_a_dead_machine_is_silent() {
    let crash = |kind| attempts(&fault(kind, "target='client-1'", 2_000, 1_500), 9_000);
    let down = |at: u64| (2_000..3_500).contains(&at);
    for (began, ended, how) in crash("crash") {
        assert_eq!(ended, began + 2 * LATENCY, "began at {began}");
        let refused = down(began + LATENCY);
        let expected = if refused { "connection refused" } else { "ok" };
        assert_eq!(how, expected, "began at {began}");
    }
    let mut silent = crash("power_loss");
    silent.retain(|(began, ..)| *began < 5_000);
    assert_attempts(&silent, "ok", |began| again(began) + LATENCY);
}
