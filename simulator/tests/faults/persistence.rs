//! What a Redis server still knows after its process was killed or its machine lost power, in each of its modes.

use simulator::{
    history::{EventKind, NodeChange, Removal},
    redis::{Persistence, SavePoint},
    world::WorldConfig,
};

use crate::lab::{Notes, ask, ask_on, changes, config, fault, ms, name, of, pause_ms, run, until};

/// How often a key is written: `k0` at 1,000 and so on, until the node dies at 4,700: between two seconds of the wall clock,
/// by which Redis writes.
const EVERY: u64 = 100;
const DEATH: u64 = 4_700;

/// What came of it: when the newest key was acknowledged that the server knew after its restart, and what the history calls
/// lost.
struct Kept {
    /// Acknowledged keys, with the times of their acknowledgements, that were there afterwards.
    kept: Vec<(u64, u64)>,
    /// Those that were not.
    gone: Vec<(u64, u64)>,
    /// How many keys the history calls lost.
    told: usize,
}

fn persists(mode: Persistence, kind: &str, fields: &str) -> Kept {
    let mut config = config(2);
    config.server.persistence = mode;
    let acknowledged: Notes<(u64, u64)> = Notes::default();
    let found: Notes<(u64, bool)> = Notes::default();
    let (acks, finds) = (acknowledged.clone(), found.clone());
    let death = fault(kind, &format!("target='node-1'\n{fields}"), DEATH, 1_000);
    let run = run(config, &death, move |session| {
        let (acks, finds) = (acks.clone(), finds.clone());
        async move {
            if name(&session) != "client-2" {
                return;
            }
            until(&session, 1_000).await;
            let mut stream = session.process().connect("node-1", 6379).await.unwrap();
            for number in 0.. {
                if ms(session.process().true_time()) + 50 > DEATH {
                    break;
                }
                let set = format!("SET k{number} v");
                assert_eq!(ask_on(&mut stream, &set).await.unwrap(), "+OK");
                acks.push((number, ms(session.process().true_time())));
                pause_ms(&session, EVERY).await;
            }
            until(&session, DEATH + 1_200).await;
            for number in 0..acks_len(&acks) {
                let get = ask(&session, "node-1", &format!("GET k{number}")).await;
                finds.push((number, get.unwrap().starts_with("$1")));
            }
        }
    });
    let lives = of(&run.history, "node-1").filter(|(_, kind)| {
        matches!(
            kind,
            EventKind::Crashed { .. } | EventKind::Started { incarnation: 1 }
        )
    });
    let lives: Vec<_> = lives.map(|(at, _)| at).collect();
    assert_eq!(lives, [DEATH, DEATH + 1_000], "it died and started again");
    let acknowledged = acknowledged.take();
    let found = found.take();
    assert!(found.len() > 25 && found.len() == acknowledged.len());
    let (kept, gone) = acknowledged
        .iter()
        .partition(|(number, _)| found.contains(&(*number, true)));
    let told = changes(&run.history, "node-1").into_iter().filter(|(_, change)| {
        matches!(change, NodeChange::Removed { why: Removal::Lost, key, .. } if key.starts_with('k'))
    });
    let kept = Kept {
        kept,
        gone,
        told: told.count(),
    };
    assert_eq!(
        kept.told,
        kept.gone.len(),
        "the history tells what was lost"
    );
    kept
}

fn acks_len(notes: &Notes<(u64, u64)>) -> u64 {
    let all = notes.take();
    let len = u64::try_from(all.len()).unwrap();
    all.into_iter().for_each(|ack| notes.push(ack));
    len
}

/// Nothing is kept by a server that persists nothing, and nothing of a disk that was lost.
#[test]
fn without_a_disk_everything_is_forgotten() {
    for kind in ["crash", "power_loss"] {
        assert_eq!(persists(Persistence::None, kind, "").kept, []);
        let lost = persists(Persistence::AofAlways, kind, "lose_data=true");
        assert_eq!(lost.kept, []);
    }
}

/// `appendfsync always` keeps everything that was acknowledged, whatever dies.
#[test]
fn an_fsync_for_every_write_loses_nothing() {
    for kind in ["crash", "power_loss"] {
        assert_eq!(persists(Persistence::AofAlways, kind, "").gone, []);
    }
}

/// `appendfsync everysec` loses nothing when the process dies, and the last second or two when the machine does: all of it
/// newer than all that is kept.
#[test]
fn an_fsync_a_second_loses_the_last_seconds_with_the_power() {
    assert_eq!(persists(Persistence::AofEverysec, "crash", "").gone, []);
    let off = persists(Persistence::AofEverysec, "power_loss", "");
    assert!(!off.gone.is_empty() && !off.kept.is_empty());
    assert!(off.gone.iter().all(|(_, at)| *at + 2_000 >= DEATH));
    let newest = off.kept.iter().max().unwrap();
    assert!(off.gone.iter().all(|gone| gone > newest));
}

/// Snapshots: both deaths go back to the last one. With a save point of one change in one second one is made about every other
/// second.
#[test]
fn snapshots_go_back_to_the_last_one() {
    let rdb = || Persistence::Rdb {
        save_points: vec![SavePoint {
            seconds: 1,
            changes: 1,
        }],
    };
    let crash = persists(rdb(), "crash", "");
    let off = persists(rdb(), "power_loss", "");
    assert_eq!(crash.kept, off.kept, "a snapshot is on the disk as a whole");
    assert!(!crash.kept.is_empty() && !crash.gone.is_empty());
    assert!(crash.gone.iter().all(|(_, at)| *at + 3_100 >= DEATH));
    let never = Persistence::Rdb {
        save_points: Vec::new(),
    };
    assert_eq!(persists(never, "crash", "").kept, []);
}

/// The guard record and lock keys live and die with everything else: a node that forgot them does not vote until it was in
/// quarantine, and one that kept them does not either, because its run id is new.
#[test]
fn a_restarted_node_does_not_vote_at_once() {
    let config = WorldConfig {
        nodes: 3,
        ..config(2)
    };
    let run = run(
        config,
        &fault("crash", "target='node-1'", 2_000, 500),
        |_| async {},
    );
    let votes: Vec<_> = changes(&run.history, "node-1")
        .into_iter()
        .filter_map(|(at, change)| match change {
            NodeChange::Votes { votes } => Some((at, votes)),
            _ => None,
        })
        .collect();
    assert_eq!(votes[0], (0, false), "{votes:?}");
    assert!(
        votes[1].1 && votes[1].0 < 500,
        "put into service: {votes:?}"
    );
    assert_eq!(votes[2], (2_000, false), "{votes:?}");
    if let Some((at, back)) = votes.get(3) {
        assert!(*back && *at >= 2_500 + 2_000, "after max_ttl: {votes:?}");
    }
}
