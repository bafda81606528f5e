//! The same run again: in this process, in another one, beside others.

use std::{env, process::Command, thread};

use simulator::{
    history::{EventKind, first_difference},
    world::{Replay, Run},
};

use crate::draw::world;

/// How many worlds are drawn.
const WORLDS: u64 = 50;

fn bytes(run: &Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    run.history.write_jsonl(&mut bytes).unwrap();
    bytes
}

fn assert_same(seed: u64, one: &Run, other: &Run) {
    if let Some(difference) = first_difference(&one.history, &other.history) {
        panic!("seed {seed}: {difference}\n{}", one.replay);
    }
    assert_eq!(bytes(one), bytes(other), "seed {seed}");
    assert_eq!(one.failure, other.failure, "seed {seed}");
    assert_eq!(one.waiting, other.waiting, "seed {seed}");
}

/// Fifty worlds that have little in common, each twice, two at a time in threads of their own: every event is the same,
/// and so is every byte. Together they have every kind of fault and events of all sorts, so that there is something to
/// differ in.
#[test]
fn the_same_seed_and_plan_give_the_same_history() {
    let runs = |worlds: Vec<u64>| {
        worlds
            .into_iter()
            .map(|seed| {
                let replay = world(seed);
                let (one, two) = (replay.run(), replay.run());
                assert!(one.failure.is_none(), "{one}");
                assert_same(seed, &one, &two);
                let acquired = one
                    .history
                    .events()
                    .iter()
                    .filter(|event| matches!(&event.kind, EventKind::Invoke { .. }));
                (acquired.count(), replay.plan.windows)
            })
            .collect::<Vec<_>>()
    };
    let halves = [0, 1].map(|half| {
        thread::spawn(move || runs((0..WORLDS).filter(|seed| seed % 2 == half).collect()))
    });
    let all: Vec<_> = halves
        .into_iter()
        .flat_map(|half| half.join().unwrap())
        .collect();
    let busy = all
        .iter()
        .filter(|(operations, _)| *operations > 20)
        .count();
    assert!(busy > 30, "only {busy} of {WORLDS} worlds did much");
    let families: std::collections::BTreeSet<_> = all
        .iter()
        .flat_map(|(_, windows)| windows.iter().map(|window| window.fault.family()))
        .collect();
    assert!(families.len() >= 18, "{families:?}");
}

/// Another seed is another history: what is compared above could have differed.
#[test]
fn another_seed_gives_another_history() {
    let replay = world(3);
    let other = Replay {
        seed: 4,
        ..replay.clone()
    };
    let difference = first_difference(&replay.run().history, &other.run().history);
    assert!(difference.is_some());
}

/// Tells the process that is started as a child what to run.
const CHILD: &str = "SIMULATOR_REPLAY_CHILD";

/// Another process, whose memory lies elsewhere and whose hashers have other keys, runs the same history from the file
/// that this one wrote.
#[test]
fn another_process_gives_the_same_history() {
    let folder = env::temp_dir().join(format!("simulator-replay-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for seed in [1, 8, 13] {
        let replay = world(seed);
        let (plan, history) = (folder.join("replay.toml"), folder.join("history.jsonl"));
        replay.write(&plan).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "repeat::the_child_of_another_test",
                "--nocapture",
            ])
            .env(CHILD, &folder)
            .output()
            .unwrap();
        assert!(
            child.status.success(),
            "{}",
            String::from_utf8_lossy(&child.stderr)
        );
        let theirs = std::fs::read(&history).unwrap();
        std::fs::remove_file(&history).unwrap();
        assert!(
            theirs == bytes(&replay.run()),
            "seed {seed} differs in another process"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Does nothing unless it is started by the test above.
#[test]
fn the_child_of_another_test() {
    if let Some(folder) = env::var_os(CHILD) {
        let folder = std::path::PathBuf::from(folder);
        let run = Replay::read(&folder.join("replay.toml")).unwrap().run();
        std::fs::write(folder.join("history.jsonl"), bytes(&run)).unwrap();
    }
}
