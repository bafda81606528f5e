//! Taking one fault away.

use std::collections::BTreeMap;

use simulator::{
    TrueTime,
    history::{Event, EventKind, History},
    plan::{Plan, Target},
    workload::{Range, Workload},
    world::{Replay, WorldConfig},
};

/// Three nodes and two clients, with every segment in the history, and three faults.
fn with_faults() -> Replay {
    let faults = "
        [[fault]]
        kind = 'slow'
        from = 'client-2'
        to = 'node-1'
        extra_ms_min = 5
        extra_ms_max = 30
        start_ms = 1000
        duration_ms = 1500

        [[fault]]
        kind = 'cut'
        from = 'client-1'
        to = 'node-3'
        start_ms = 2000
        duration_ms = 700

        [[fault]]
        kind = 'pause'
        target = 'node-2'
        start_ms = 3000
        duration_ms = 400
    ";
    Replay {
        config: WorldConfig {
            nodes: 3,
            clients: 2,
            safety_ms: 5_000,
            liveness_ms: 1_000,
            records_segments: true,
            workload: Workload {
                think_ms: Range(0, 50),
                work_ms: Range(0, 50),
                ..Workload::default()
            },
            ..WorldConfig::default()
        },
        plan: Plan::parse("three.toml", faults).unwrap(),
        seed: 21,
    }
}

fn without(replay: &Replay, window: usize) -> Replay {
    let mut other = replay.clone();
    other.plan.windows.remove(window);
    other
}

/// All that hosts did before `end`. What the world says of windows is numbered by the plan, and so differs.
fn before(history: &History, end: TrueTime) -> Vec<Event> {
    let events = history.events().iter();
    let early = events.filter(|event| event.at < end && &*event.host != "world");
    early.cloned().collect()
}

/// Segments by link, connection and number, and the latency that was drawn for them.
fn latencies(history: &History) -> BTreeMap<(String, u64, u64), u64> {
    let sent = history
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Sent {
                to,
                connection,
                segment,
                latency_ns,
                ..
            } => Some((
                (format!("{}>{to}", event.host), *connection, *segment),
                *latency_ns,
            )),
            _ => None,
        });
    sent.collect()
}

/// Before a fault begins nothing tells that it will: with and without it, every event and every segment is the same. After it
/// the histories do part.
#[test]
fn nothing_before_a_fault_depends_on_it() {
    let all = with_faults();
    let full = all.run().history;
    for (window, fault) in all.plan.windows.iter().enumerate() {
        let less = without(&all, window).run().history;
        let start = TrueTime::from(fault.start);
        let (one, other) = (before(&full, start), before(&less, start));
        assert!(one.len() > 500, "{} events", one.len());
        assert_eq!(one.len(), other.len(), "window {window}");
        if let Some(part) = one.iter().zip(&other).find(|(one, other)| one != other) {
            panic!("window {window}: {part:?}");
        }
        assert!(before(&full, TrueTime::MAX) != before(&less, TrueTime::MAX));
    }
}

/// A latency belongs to its link, connection and segment: whatever else happens in the world, and on its own link, it is the
/// same in both runs, wherever both have that segment.
#[test]
fn no_fault_moves_the_latencies_of_others() {
    let all = with_faults();
    let full = latencies(&all.run().history);
    for (window, fault) in all.plan.windows.iter().enumerate() {
        let less = latencies(&without(&all, window).run().history);
        let shared: Vec<_> = full
            .iter()
            .filter_map(|(segment, latency)| Some((segment, latency, less.get(segment)?)))
            .collect();
        assert!(shared.len() > 1_000, "{} segments in both", shared.len());
        for (segment, one, other) in &shared {
            assert_eq!(one, other, "window {window}: {segment:?}");
        }
        let named = |link: &str| {
            let targets = fault.fault.targets();
            let mut hosts = targets.iter().flat_map(|(_, targets)| targets.iter());
            hosts.all(|host| matches!(host, Target::Host(name) if link.contains(name.as_str())))
        };
        let untouched = shared.iter().filter(|((link, ..), ..)| !named(link));
        assert!(untouched.count() > 800, "window {window}");
    }
    let distinct: std::collections::BTreeSet<_> = full.values().collect();
    assert!(
        distinct.len() * 10 > full.len() * 9,
        "they are drawn one by one"
    );
}
