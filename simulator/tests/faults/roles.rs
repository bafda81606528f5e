//! Roles: whom a fault hits is found out as it begins.

use std::time::Duration;

use simulator::{
    history::{EventKind, History, NodeChange},
    workload::Session,
    world::WorldConfig,
};

use crate::lab::{changes, config, fault, ms, name, of, pause_ms, run, until};

/// Three nodes; client-2 holds r1 from 1,000 to 2,000 and client-3 after it; client-1 looks on.
async fn take_turns(session: Session) {
    let within = Duration::from_secs(5);
    match name(&session).as_str() {
        "client-2" => {
            until(&session, 1_000).await;
            let lease = session.acquire("r1", within).await.unwrap();
            until(&session, 2_000).await;
            lease.release().await.unwrap();
        }
        "client-3" => {
            until(&session, 1_200).await;
            let lease = session.acquire("r1", within).await.unwrap();
            // A holder that is paused is late.
            pause_ms(&session, 1_000).await;
            let _ = lease.release().await;
        }
        _ => {}
    }
}

fn world(nodes: usize, faults: &str) -> History {
    let config = WorldConfig { nodes, ..config(3) };
    run(config, faults, take_turns).history
}

/// Whom the history says that each fault hit.
fn hit(history: &History) -> Vec<Vec<String>> {
    of(history, "world")
        .filter_map(|(_, kind)| match kind {
            EventKind::FaultBegan { hosts, .. } => {
                Some(hosts.iter().map(ToString::to_string).collect())
            }
            _ => None,
        })
        .collect()
}

/// The holder is whoever holds as the fault begins, and nobody before and after; the waiter whoever waits then. The pause is
/// theirs.
#[test]
fn holder_and_waiter_change_with_time() {
    let mut faults = String::new();
    for at in [500, 1_500, 2_700, 5_000] {
        faults += &fault("pause", "target='holder'", at, 20);
        faults += &fault("pause", "target='next_waiter'", at + 50, 20);
    }
    let history = world(3, &faults);
    let hits = hit(&history);
    let expected: [&[&str]; 8] = [
        &[],
        &[],
        &["client-2"],
        &["client-3"],
        &["client-3"],
        &[],
        &[],
        &[],
    ];
    assert_eq!(hits, expected);
    let paused = |host: &'static str| {
        let pauses = of(&history, host).filter(|(_, kind)| **kind == EventKind::Paused);
        pauses.map(|(at, _)| at).collect::<Vec<_>>()
    };
    assert!(paused("client-1").is_empty());
    assert_eq!(paused("client-2"), [1_500]);
    assert_eq!(paused("client-3"), [1_550, 2_700]);
}

/// The quorum of the holder are the nodes that hold its owner token, here those that are not cut off; one of them is the
/// first.
#[test]
fn the_quorum_of_the_holder_are_the_nodes_with_its_key() {
    let cut = fault("cut", "from='client-2'\nto='node-1'", 900, 300);
    let faults = cut
        + &fault("flush_all", "target='quorum_of(holder)'", 1_100, 0)
        + &fault("flush_all", "target='quorum_of(holder)'", 1_150, 0)
        + &fault("script_flush", "target='node_of(holder)'", 1_090, 0);
    let history = world(3, &faults);
    let hits = hit(&history);
    assert_eq!(hits[1], ["node-2"], "one of them");
    assert_eq!(hits[2], ["node-2", "node-3"]);
    assert!(hits[3].is_empty(), "nobody has its key any more");
    for node in ["node-2", "node-3"] {
        let flushed = changes(&history, node)
            .into_iter()
            .any(|(at, change)| at == 1_100 && matches!(change, NodeChange::Removed { .. }));
        assert!(flushed, "{node}");
    }
}

/// Minority and majority are fixed parts of the nodes.
#[test]
fn minority_and_majority_are_parts_of_the_nodes() {
    let faults = ["minority", "majority", "nodes", "clients", "store"]
        .map(|role| fault("pause", &format!("target='{role}'"), 4_000, 20))
        .concat();
    let history = world(5, &faults);
    let hits = hit(&history);
    assert_eq!(hits[0], ["node-1", "node-2"]);
    assert_eq!(hits[1], ["node-3", "node-4", "node-5"]);
    assert_eq!(hits[2].len(), 5);
    assert_eq!(hits[3], ["client-1", "client-2", "client-3"]);
    assert_eq!(hits[4], ["store"]);
    // Both parts, the nodes, the clients and the store are everybody.
    for host in ["node-1", "node-5", "client-1", "client-3", "store"] {
        let paused = of(&history, host).filter(|(_, kind)| **kind == EventKind::Paused);
        assert_eq!(
            paused.map(|(at, _)| at).collect::<Vec<_>>(),
            [4_000],
            "{host}"
        );
    }
}

/// A role that nobody plays hits nobody: but for the record that it did, nothing is different.
#[test]
fn a_role_that_nobody_plays_changes_nothing() {
    let nobody = [
        fault("crash", "target='holder'\nlose_data=true", 500, 300),
        fault("cut", "from='next_waiter'\nto='nodes'", 500, 300),
        fault("power_loss", "target='quorum_of(holder)'", 500, 300),
        fault(
            "clock_step",
            "target='node_of(holder)'\nclocks='wall'\nby_ms=5",
            500,
            0,
        ),
    ];
    let history = world(3, &nobody.concat());
    assert!(hit(&history).iter().all(Vec::is_empty));
    let without = |history: &History| {
        let events = history.events().iter();
        let rest = events.filter(|event| &*event.host != "world").cloned();
        rest.collect::<Vec<_>>()
    };
    assert_eq!(without(&history), without(&world(3, "")));
    assert!(history.events().iter().any(|event| ms(event.at) > 7_000));
}
