//! Faults of clocks, seen through what hangs on each: Redis' expiry on the wall clock, timers on CLOCK_MONOTONIC, a
//! client's validity on CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW and the wall clock.

use std::time::Duration;

use redlock::Drift;
use simulator::{
    clock::ClockName,
    history::{EventKind, NodeChange, Removal},
    workload::Session,
};

use crate::lab::{Notes, ask, changes, config, fault, ms, name, of, run, until};

/// One fault of each kind on one clock: a step of a second forward, a clock that gains a tenth, a clock that stands still for a
/// second. From 2,000 on.
const KINDS: [(&str, &str, u64); 4] = [
    ("clock_step", "by_ms=1000", 0),
    ("clock_step", "by_ms=-1000", 0),
    ("clock_drift", "rate_error_ppm=100000", 4_000),
    ("clock_freeze", "", 1_000),
];

const CLOCKS: [(&str, ClockName); 4] = [
    ("wall", ClockName::Wall),
    ("monotonic", ClockName::Monotonic),
    ("raw", ClockName::Raw),
    ("boot", ClockName::Boot),
];

fn clock_fault(kind: usize, clock: &str, target: &str) -> String {
    let (kind, fields, duration) = KINDS[kind];
    let fields = format!("target='{target}'\nclocks='{clock}'\n{fields}");
    fault(kind, &fields, 2_000, duration)
}

/// When a key with a TTL of 2 s that was set at 1,500 expired at its node.
fn expired_at(faults: &str) -> u64 {
    let run = run(config(2), faults, |session| async move {
        if name(&session) == "client-2" {
            until(&session, 1_480).await;
            ask(&session, "node-1", "SET k v PX 2000").await.unwrap();
        }
    });
    let mut changes = changes(&run.history, "node-1").into_iter();
    let gone = changes.find(|(_, change)| {
        matches!(change, NodeChange::Removed { key, why: Removal::Expired, .. } if key == "k")
    });
    gone.unwrap().0
}

/// Redis expires by its wall clock, and by none of the others. It looks ten times a second, on CLOCK_MONOTONIC.
#[test]
fn redis_expires_by_the_wall_clock_of_its_host() {
    let usual = expired_at("");
    assert!((3_510..3_620).contains(&usual), "{usual}");
    for (kind, due) in [
        (0, 2_510),
        (1, 4_510),
        // 490 ms are over at 2,000; 1,510 are left, less a tenth of what passes.
        (2, 3_372),
        (3, 4_510),
    ] {
        let gone = expired_at(&clock_fault(kind, "wall", "node-1"));
        assert!(
            (due..due + 110).contains(&gone),
            "{:?}: {gone}",
            KINDS[kind]
        );
        for clock in ["raw", "boot"] {
            assert_eq!(expired_at(&clock_fault(kind, clock, "node-1")), usual);
        }
        assert_eq!(expired_at(&clock_fault(kind, "wall", "client-2")), usual);
    }
}

/// When a timer of 2 s that was set at 1,500 fired.
fn fired_at(faults: &str) -> u64 {
    let notes = Notes::default();
    let shared = notes.clone();
    run(config(1), faults, move |session| {
        let notes: Notes<u64> = shared.clone();
        async move {
            until(&session, 1_500).await;
            crate::lab::pause_ms(&session, 2_000).await;
            notes.push(ms(session.process().true_time()));
        }
    });
    notes.take()[0]
}

/// Timers run on CLOCK_MONOTONIC, and on none of the others.
#[test]
fn timers_run_on_the_monotonic_clock() {
    assert_eq!(fired_at(""), 3_500);
    // Of 1,500 ms that are left at 2,000 a clock that gains a tenth takes ten elevenths.
    for (kind, due) in [(0, 2_500), (1, 4_500), (2, 3_364), (3, 4_500)] {
        assert_eq!(fired_at(&clock_fault(kind, "monotonic", "client-1")), due);
        for clock in ["wall", "raw", "boot"] {
            assert_eq!(fired_at(&clock_fault(kind, clock, "client-1")), 3_500);
        }
    }
}

/// When a lease that was acquired shortly after 1,500 ended for its holder, who looks at it every millisecond, and when it
/// was acquired.
fn lease(faults: &str) -> (u64, u64) {
    let notes = Notes::default();
    let shared = notes.clone();
    run(config(1), faults, move |session| {
        let notes: Notes<(u64, u64)> = shared.clone();
        async move {
            until(&session, 1_500).await;
            let lease = session.acquire("r1", Duration::from_secs(1)).await.unwrap();
            let acquired = ms(session.process().true_time());
            while lease.is_valid() {
                // On true time, whatever the clocks show.
                wait_a_tick(&session).await;
            }
            notes.push((acquired, ms(session.process().true_time())));
        }
    });
    notes.take()[0]
}

/// Waits on a connection to a port that nobody serves: that takes a round trip of true time.
async fn wait_a_tick(session: &Session) {
    let refused = session.process().connect("node-1", 1).await;
    assert!(refused.is_err());
}

/// A client's validity runs on three clocks, and ends with the first of them: a fast one ends it early, a slow one does not
/// make it longer. CLOCK_MONOTONIC has no say.
#[test]
fn validity_ends_with_the_fastest_of_three_clocks() {
    let (_, usual) = lease("");
    let validity = Drift::CUSTOMARY.validity(Duration::from_millis(2_000));
    let validity = u64::try_from(validity.as_millis()).unwrap();
    // It looks once in a round trip of 20 ms.
    assert!(
        (1_500 + validity..=1_500 + validity + 21).contains(&usual),
        "{usual}"
    );
    for (clock, _) in CLOCKS {
        let ended = |kind| lease(&clock_fault(kind, clock, "client-1")).1;
        let (stepped, drifted) = (ended(0), ended(2));
        if clock == "monotonic" {
            assert_eq!((stepped, drifted), (usual, usual));
        } else {
            // A step of a second is a second of validity.
            assert!(stepped.abs_diff(usual - 1_000) <= 21, "{clock}: {stepped}");
            let fast = 2_000 + (usual - 2_000) * 10 / 11;
            assert!(drifted.abs_diff(fast) <= 21, "{clock}: {drifted}");
        }
        assert_eq!(ended(1), usual, "{clock} steps back");
        assert_eq!(ended(3), usual, "{clock} stands still");
    }
    let all = "target='client-1'\nclocks=['wall','raw','boot']";
    let (_, frozen) = lease(&fault("clock_freeze", all, 2_000, 1_000));
    assert!(
        frozen.abs_diff(usual + 1_000) <= 21,
        "nothing honest is left: {frozen}"
    );
}

/// When the holder of a lease that was acquired shortly after 1,500 was told that it is over.
fn told_of_loss_at(faults: &str) -> u64 {
    let notes = Notes::default();
    let shared = notes.clone();
    run(config(1), faults, move |session| {
        let notes: Notes<u64> = shared.clone();
        async move {
            until(&session, 1_500).await;
            let lease = session.acquire("r1", Duration::from_secs(1)).await.unwrap();
            lease.lost().await;
            notes.push(ms(session.process().true_time()));
        }
    });
    notes.take()[0]
}

/// A holder is told of its loss at most 100 ms after the deadline on its own clocks: one whose clocks all gain a percent is told
/// a percent earlier.
#[test]
fn loss_is_told_by_the_clocks_of_the_holder() {
    let validity = Drift::CUSTOMARY.validity(Duration::from_millis(2_000));
    let validity = u64::try_from(validity.as_millis()).unwrap();
    let fast = "target='client-1'\nclocks=['wall','monotonic','raw','boot']\nrate_error_ppm=10000";
    let (usual, early) = (
        told_of_loss_at(""),
        told_of_loss_at(&fault("clock_drift", fast, 0, 7_000)),
    );
    let told_within = |told: u64, began: u64, validity: u64| {
        assert!(
            (began + validity..=began + validity + 101).contains(&told),
            "{told}"
        );
    };
    told_within(usual, 1_500, validity);
    // By its own clock it began to acquire at 1,500 as well.
    told_within(early, 1_485, validity * 100 / 101);
    assert!(
        early < 1_500 + validity,
        "{early}: the fast clock was not used"
    );
}

/// The history has each course that a clock takes, from when on and how fast, for the clock that was hit and no other.
#[test]
fn the_history_has_every_course_of_every_clock() {
    for (name, clock) in CLOCKS {
        let courses = |kind| {
            let run = run(config(1), &clock_fault(kind, name, "client-1"), |_| async {
            });
            of(&run.history, "client-1")
                .filter_map(|(at, event)| match event {
                    EventKind::Clock { clock, segment } if at > 0 => {
                        Some((at, *clock, segment.rate_error_ppm))
                    }
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(courses(0), [(2_000, clock, 0)]);
        assert_eq!(courses(2), [(2_000, clock, 100_000), (6_000, clock, 0)]);
        assert_eq!(courses(3), [(2_000, clock, -1_000_000), (3_000, clock, 0)]);
    }
}
