//! What operators and memory do to Redis servers, as their clients see it.

use std::rc::Rc;

use simulator::{
    history::{NodeChange, Removal},
    workload::Session,
    world::WorldConfig,
};

use crate::lab::{
    LATENCY, Notes, ask, ask_on, changes, config, fault, ms, name, pause_ms, run, until,
};

/// What was asked, when, when it was answered, and how.
type Answer = (String, u64, u64, String);

/// Has client-2 say `commands` to node-1 every 100 ms, one after another on one connection.
fn answers(config: WorldConfig, faults: &str, commands: &'static [&'static str]) -> Vec<Answer> {
    let notes = Notes::default();
    let shared = notes.clone();
    run(config, faults, move |session| {
        ask_often(session, commands, shared.clone())
    });
    notes.take()
}

async fn ask_often(session: Session, commands: &'static [&'static str], notes: Notes<Answer>) {
    if name(&session) != "client-2" {
        return;
    }
    let session = Rc::new(session);
    until(&session, 1_000).await;
    let mut stream = session.process().connect("node-1", 6379).await.unwrap();
    loop {
        for command in commands {
            let asked = ms(session.process().true_time());
            let answer = ask_on(&mut stream, command).await.unwrap();
            let answered = ms(session.process().true_time());
            notes.push(((*command).to_owned(), asked, answered, answer));
        }
        pause_ms(&session, 100).await;
    }
}

const NODE: &str = "target='node-1'";

/// Asserts that all answers to `command` are `usual`, but for those that were executed between 2,000 and 3,000: those are
/// `meanwhile`.
fn assert_answers(found: &[Answer], command: &str, usual: &str, meanwhile: &str) {
    let mut counts = [0, 0];
    for (_, asked, answered, answer) in found.iter().filter(|(asked, ..)| asked == command) {
        assert_eq!(*answered, asked + 2 * LATENCY, "{command}");
        let during = (2_000..3_000).contains(&(asked + LATENCY));
        let expected = if during { meanwhile } else { usual };
        assert!(
            answer.starts_with(expected),
            "{command} at {asked}: {answer}"
        );
        counts[usize::from(during)] += 1;
    }
    assert!(counts[0] > 20 && counts[1] > 4, "{command}: {counts:?}");
}

/// A node that is read-only answers writes with READONLY and reads as usual.
#[test]
fn a_read_only_node_refuses_writes() {
    let commands = &["SET k v", "GET k"];
    let found = answers(config(2), &fault("read_only", NODE, 2_000, 1_000), commands);
    assert_answers(&found, "SET k v", "+OK", "-READONLY");
    assert_answers(&found, "GET k", "$1\r\nv", "$1\r\nv");
    assert_answers(&answers(config(2), "", commands), "SET k v", "+OK", "+OK");
}

/// A full node refuses what needs memory; it evicts first when its policy says so.
#[test]
fn a_full_node_refuses_or_evicts() {
    let commands = &["SET lock v PX 60000", "GET other"];
    let full = fault("memory_full", NODE, 2_000, 1_000);
    let found = answers(config(2), &full, commands);
    assert_answers(&found, commands[0], "+OK", "-OOM");
    assert_answers(&found, commands[1], "$-1", "$-1");
    let evicted = |policy: &'static str| {
        let replies = Notes::default();
        let shared = replies.clone();
        let run = run(config(2), &full, move |session| {
            let replies = shared.clone();
            async move {
                if name(&session) == "client-2" {
                    until(&session, 1_000).await;
                    let mut stream = session.process().connect("node-1", 6379).await.unwrap();
                    let set = format!("CONFIG SET maxmemory-policy {policy}");
                    ask_on(&mut stream, &set).await.unwrap();
                    for key in ["a", "b"] {
                        ask_on(&mut stream, &format!("SET {key} v PX 60000"))
                            .await
                            .unwrap();
                    }
                    until(&session, 2_500).await;
                    replies.push(ask_on(&mut stream, "SET next v PX 90000").await.unwrap());
                    until(&session, 3_500).await;
                    replies.push(ask_on(&mut stream, "SET last v PX 90000").await.unwrap());
                }
            }
        });
        let gone = changes(&run.history, "node-1")
            .into_iter()
            .filter(|(_, change)| {
                let evicted = Removal::Evicted;
                matches!(change, NodeChange::Removed { why, .. } if *why == evicted)
            });
        (gone.map(|(at, _)| at).collect::<Vec<_>>(), replies.take())
    };
    let (gone, replies) = evicted("noeviction");
    assert!(
        gone.is_empty() && replies[0].starts_with("-OOM"),
        "{replies:?}"
    );
    assert_eq!(replies[1], "+OK", "over");
    let (gone, replies) = evicted("volatile-ttl");
    assert_eq!(gone, [2_500 + LATENCY], "one key made room");
    assert_eq!(replies, ["+OK", "+OK"]);
}

/// Two windows that do the same to a node: it is over when both are. A node that is down as a window ends is whole when
/// it starts.
#[test]
fn windows_that_overlap_end_with_the_last() {
    for (kind, refusal) in [("read_only", "-READONLY"), ("memory_full", "-OOM")] {
        let two = fault(kind, NODE, 2_000, 500) + &fault(kind, "target='nodes'", 2_200, 800);
        let found = answers(config(2), &two, &["SET k v"]);
        assert_answers(&found, "SET k v", "+OK", refusal);
        let down = fault(kind, NODE, 500, 1_000) + &fault("crash", NODE, 700, 900);
        let notes = Notes::default();
        let shared = notes.clone();
        run(config(2), &down, move |session| {
            let notes: Notes<String> = shared.clone();
            async move {
                until(&session, 2_000).await;
                notes.push(ask(&session, "node-1", "SET k v").await.unwrap());
            }
        });
        assert_eq!(notes.take(), ["+OK", "+OK"], "{kind}");
    }
}

/// CLIENT PAUSE holds every request until the window ends; they are executed then, in order.
#[test]
fn a_client_pause_holds_requests() {
    let found = answers(
        config(2),
        &fault("client_pause", NODE, 2_000, 1_000),
        &["SET k v"],
    );
    let mut held = 0;
    for (_, asked, answered, answer) in &found {
        assert_eq!(answer, "+OK");
        let executed = match asked + LATENCY {
            2_000..3_000 => {
                held += 1;
                3_000
            }
            arrived => arrived,
        };
        assert_eq!(*answered, executed + LATENCY, "asked at {asked}");
    }
    assert_eq!(held, 1, "the next one waits for it");
}

/// FLUSHALL takes every key, once; keys that are set afterwards stay.
#[test]
fn a_flush_takes_every_key_once() {
    let flushed = |faults: &str| {
        let run = run(config(2), faults, |session| async move {
            if name(&session) != "client-2" {
                return;
            }
            until(&session, 1_000).await;
            let mut stream = session.process().connect("node-1", 6379).await.unwrap();
            for key in ["a", "b"] {
                ask_on(&mut stream, &format!("SET {key} v")).await.unwrap();
            }
            until(&session, 2_500).await;
            ask_on(&mut stream, "SET c v").await.unwrap();
        });
        let changes = changes(&run.history, "node-1").into_iter();
        let removed = changes.filter_map(|(at, change)| match change {
            NodeChange::Removed { key, why, .. } => Some((at, key, why)),
            _ => None,
        });
        removed.collect::<Vec<_>>()
    };
    assert_eq!(flushed(""), []);
    let gone = |key: &str| (2_000, key.to_owned(), Removal::Flushed);
    assert_eq!(
        flushed(&fault("flush_all", NODE, 2_000, 0)),
        [gone("a"), gone("b")]
    );
}

/// SCRIPT FLUSH makes the server forget scripts and nothing else.
#[test]
fn a_script_flush_forgets_scripts() {
    let answers = |faults: &str| {
        let notes = Notes::default();
        let shared = notes.clone();
        run(config(2), faults, move |session| {
            let notes: Notes<String> = shared.clone();
            async move {
                if name(&session) != "client-2" {
                    return;
                }
                until(&session, 1_000).await;
                let mut stream = session.process().connect("node-1", 6379).await.unwrap();
                ask_on(&mut stream, "SET k v").await.unwrap();
                let sha = ask_on(&mut stream, "SCRIPT LOAD 'return 1'").await.unwrap();
                let sha = sha.lines().nth(1).unwrap().to_owned();
                until(&session, 2_500).await;
                for command in [format!("EVALSHA {sha} 0"), "GET k".to_owned()] {
                    notes.push(ask_on(&mut stream, &command).await.unwrap());
                }
            }
        });
        notes.take()
    };
    assert_eq!(answers(""), [":1", "$1\r\nv"]);
    let flushed = answers(&fault("script_flush", NODE, 2_000, 0));
    assert!(flushed[0].starts_with("-NOSCRIPT"), "{flushed:?}");
    assert_eq!(flushed[1], "$1\r\nv");
}
