//! Single clients with workloads of their own.

use simulator::{
    history::{EventKind, Operation},
    plan::Plan,
    workload::{Range, Workload},
    world::{World, WorldConfig},
};

/// When the clients began operations of that kind, in milliseconds.
fn begun(of: impl Fn(&Operation) -> bool, parts: Vec<Workload>) -> Vec<(String, u64)> {
    let config = WorldConfig {
        clients: 2,
        parts,
        safety_ms: 3_000,
        liveness_ms: 100,
        ..WorldConfig::default()
    };
    let run = World::new(config, Plan::default(), 3).run();
    let begun = run
        .history
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Invoke { what, .. } if of(what) => {
                Some((event.host.to_string(), event.at.as_nanos() / 1_000_000))
            }
            _ => None,
        });
    begun.collect()
}

fn part() -> Workload {
    Workload {
        think_ms: Range(0, 0),
        work_ms: Range(50, 50),
        accesses: 1,
        ..Workload::default()
    }
}

#[test]
fn each_begins_when_told_and_ends_after_its_cycles() {
    let first = Workload {
        start_ms: 1_000,
        cycles: Some(2),
        ..part()
    };
    let second = Workload {
        start_ms: 2_000,
        cycles: Some(1),
        ..part()
    };
    let acquires = begun(
        |what| matches!(what, Operation::Acquire { .. }),
        vec![first, second],
    );
    let names: Vec<_> = acquires.iter().map(|(client, _)| client.as_str()).collect();
    assert_eq!(names, ["client-1", "client-1", "client-2"]);
    assert_eq!((acquires[0].1, acquires[2].1), (1_000, 2_000));
}

#[test]
fn one_that_hesitates_writes_later_than_it_looked() {
    let write = |hesitates_ms| {
        let hasty = Workload {
            start_ms: 1_000,
            cycles: Some(1),
            hesitates_ms,
            ..part()
        };
        let idle = Workload {
            cycles: Some(0),
            ..part()
        };
        let writes = begun(
            |what| matches!(what, Operation::Write { .. }),
            vec![hasty, idle],
        );
        assert_eq!(writes.len(), 1);
        writes[0].1
    };
    assert_eq!(write(Range(400, 400)) - write(Range(0, 0)), 400);
}
