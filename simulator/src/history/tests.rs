//! Files and differences of histories.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use super::*;
use crate::{
    clock::{ClockName, ClockSegment},
    time::TrueTime,
};

fn one_of_each() -> Vec<EventKind> {
    let operation = OperationId::from("client-1/1");
    let lease = operation.clone();
    let resource = "jobs".to_owned();
    let owner = Some("00ff".to_owned());
    vec![
        EventKind::Clock {
            clock: ClockName::Wall,
            segment: ClockSegment {
                from: TrueTime::from_nanos(u64::MAX),
                local: i64::MIN,
                rate_error_ppm: -1_000_000,
            },
        },
        EventKind::FaultBegan {
            window: 3,
            fault: "pause \u{201c}client-1\u{201d}\n".into(),
            hosts: vec!["client-1".into()],
        },
        EventKind::FaultEnded { window: 3 },
        EventKind::Healed,
        EventKind::Started { incarnation: 2 },
        EventKind::Paused,
        EventKind::Resumed,
        EventKind::Crashed {
            power_lost: true,
            data_lost: false,
        },
        EventKind::Panicked {
            message: "no".into(),
        },
        EventKind::Invoke {
            operation: operation.clone(),
            what: Operation::Acquire {
                resource: resource.clone(),
            },
        },
        EventKind::Invoke {
            operation: operation.clone(),
            what: Operation::Extend {
                lease: lease.clone(),
                ttl_ms: 10_000,
            },
        },
        EventKind::Invoke {
            operation: operation.clone(),
            what: Operation::Release {
                lease: lease.clone(),
            },
        },
        EventKind::Invoke {
            operation: operation.clone(),
            what: Operation::Read {
                resource: resource.clone(),
                lease: lease.clone(),
                token: None,
            },
        },
        EventKind::Invoke {
            operation: operation.clone(),
            what: Operation::Write {
                resource: resource.clone(),
                lease: lease.clone(),
                token: Some(u64::MAX),
                value: u64::MAX,
            },
        },
        EventKind::Return {
            operation: operation.clone(),
            outcome: Outcome::Acquired {
                owner: owner.clone(),
                fencing_token: Some(u64::MAX),
            },
        },
        EventKind::Return {
            operation: operation.clone(),
            outcome: Outcome::Ok { value: Some(7) },
        },
        EventKind::Return {
            operation: operation.clone(),
            outcome: Outcome::Fail { error: "no".into() },
        },
        EventKind::Return {
            operation: operation.clone(),
            outcome: Outcome::Info { error: "?".into() },
        },
        EventKind::Attempt {
            operation: operation.clone(),
            owner,
            won: false,
            granted: vec!["node-1".into()],
            published: true,
        },
        EventKind::Deadline {
            lease: lease.clone(),
            ends: Ends {
                since_ns: vec![(ClockName::Boot, 5), (ClockName::Wall, u64::MAX)],
                left_ns: 10,
            },
        },
        EventKind::BeliefEnded {
            lease,
            why: "expired".into(),
        },
        EventKind::Node {
            by: Some("client-1".into()),
            change: NodeChange::Set {
                key: "r:lock:jobs".into(),
                owner: "00ff".into(),
                expires_wall_ms: Some(i64::MAX),
            },
        },
        EventKind::Node {
            by: Some("client-1".into()),
            change: NodeChange::Removed {
                key: "r:lock:jobs".into(),
                owner: "00ff".into(),
                why: Removal::Flushed,
            },
        },
        EventKind::Node {
            by: Some("client-1".into()),
            change: NodeChange::Counter {
                stripe: "0".into(),
                counter: 1,
            },
        },
        EventKind::Node {
            by: Some("client-1".into()),
            change: NodeChange::Votes { votes: false },
        },
        EventKind::Store {
            operation: operation.clone(),
            access: StoreAccess::Read {
                resource: resource.clone(),
                token: Some(1),
                value: 2,
            },
        },
        EventKind::Store {
            operation: operation.clone(),
            access: StoreAccess::Written {
                resource: resource.clone(),
                token: None,
                value: 2,
            },
        },
        EventKind::Store {
            operation,
            access: StoreAccess::Refused {
                resource,
                token: Some(1),
                highest: 2,
            },
        },
        EventKind::Sent {
            to: "node-1".into(),
            connection: 1,
            segment: 2,
            bytes: 3,
            latency_ns: 4,
        },
    ]
}

fn recorded(kinds: impl IntoIterator<Item = EventKind>) -> History {
    let recorder = Recorder::new();
    let host: HostName = "client-1".into();
    for (at, kind) in (1_000..).zip(kinds) {
        recorder.record(TrueTime::from_nanos(at), &host, kind);
    }
    recorder.into_history()
}

fn lines(history: &History) -> String {
    let mut bytes = Vec::new();
    history.write_jsonl(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    let history = recorded(one_of_each());
    let text = lines(&history);
    assert_eq!(text.lines().count(), history.events().len());
    let read = History::read_jsonl(text.as_bytes()).unwrap();
    assert_eq!(first_difference(&history, &read), None);
    assert_eq!(lines(&read), text);
}

/// The format that the module's documentation promises, on three lines.
#[test]
fn lines_look_as_documented() {
    let events = one_of_each();
    let history = recorded([0, 14, 21].map(|index| events[index].clone()));
    let expected = concat!(
        r#"{"at_ns":1000,"host":"client-1","sequence":0,"event":"clock","clock":"wall","from_ns":18446744073709551615,"local_ns":-9223372036854775808,"rate_error_ppm":-1000000}"#,
        "\n",
        r#"{"at_ns":1001,"host":"client-1","sequence":1,"event":"return","operation":"client-1/1","outcome":"acquired","owner":"00ff","fencing_token":18446744073709551615}"#,
        "\n",
        r#"{"at_ns":1002,"host":"client-1","sequence":2,"event":"node","by":"client-1","change":"set","key":"r:lock:jobs","owner":"00ff","expires_wall_ms":9223372036854775807}"#,
        "\n",
    );
    assert_eq!(lines(&history), expected);
}

#[test]
fn errors_name_the_line_and_what_is_wrong() {
    let good = lines(&recorded([EventKind::Paused, EventKind::Resumed]));
    let refuse = |text: &str| {
        History::read_jsonl(text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    let unknown = good.replace("resumed", "rescued");
    let error = refuse(&unknown);
    assert!(
        error.starts_with("line 2 is not an event: unknown variant `rescued`"),
        "{error}"
    );
    let error = refuse(&good.replace(r#""host":"client-1","sequence":1,"#, ""));
    assert!(
        error.contains("line 2") && error.contains("missing field `host`"),
        "{error}"
    );
    let backwards: Vec<_> = good.lines().rev().collect();
    let error = refuse(&backwards.join("\n"));
    assert!(
        error.starts_with("line 2: event client-1#0 at 0.000001 s does not come after"),
        "{error}"
    );
    let error = refuse(&format!("{good}\n"));
    assert!(error.starts_with("line 3 is not an event"), "{error}");
}

#[test]
fn the_first_difference_is_named() {
    let short = recorded([EventKind::Paused]);
    let long = recorded([EventKind::Paused, EventKind::Resumed]);
    let other = recorded([EventKind::Paused, EventKind::Healed]);
    assert_eq!(first_difference(&long, &long), None);
    let difference = first_difference(&long, &other).unwrap();
    assert_eq!(difference.position, 1);
    assert_eq!(
        difference.to_string(),
        "the histories part after 1 events:\n  \
         first:  client-1#1 at 0.000001001 s {\"event\":\"resumed\"}\n  \
         second: client-1#1 at 0.000001001 s {\"event\":\"healed\"}"
    );
    let difference = first_difference(&short, &long).unwrap();
    assert!(difference.left.is_none() && difference.right.is_some());
    assert!(difference.to_string().contains("first:  ends here"));
}
