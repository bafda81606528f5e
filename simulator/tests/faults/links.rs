//! Faults of links, as messages on open connections see them.

use crate::{
    lab::{LATENCY, fault},
    mesh::{FROM, Measured, Trip, mesh},
};

const PAIR: &str = "from='client-1'\nto='client-2'";
const ONE_WAY: &str = "from='client-1'\nto='client-2'\ndirection='one_way'";
const THERE: &str = "client-1>client-2";
const BACK: &str = "client-2>client-1";

/// Asserts that each message took what `first` says of it, as a function of when it was sent, or as long as the
/// message before it if that came later: streams keep their order.
fn assert_trips(measured: &Measured, link: &str, arrival: impl Fn(u64) -> u64) -> Vec<Trip> {
    let trips = &measured.trips[link];
    assert!(trips.len() > 100, "{link}: {} messages", trips.len());
    let mut last = 0;
    for (sent, arrived) in trips {
        last = arrival(*sent).max(last);
        assert_eq!(*arrived, last, "{link}: sent at {sent}");
    }
    trips.clone()
}

fn usual(sent: u64) -> u64 {
    sent + LATENCY
}

/// How many took longer than usual.
fn late(trips: &[Trip]) -> usize {
    trips
        .iter()
        .filter(|(sent, arrived)| *arrived > usual(*sent))
        .count()
}

/// Without a fault everything takes the latency, to the millisecond, in both directions.
#[test]
fn nothing_is_late_without_a_fault() {
    let measured = mesh(2, "");
    for link in [THERE, BACK] {
        let trips = assert_trips(&measured, link, usual);
        assert_eq!((trips[0].0, late(&trips)), (FROM, 0));
    }
    assert_eq!(measured.endings, []);
}

/// What would arrive while a link is held arrives as it ends, all at once and in order; the other way is not held when
/// only one is.
#[test]
fn a_hold_lets_everything_arrive_at_its_end() {
    let held = |sent| match usual(sent) {
        2_000..3_000 => 3_000,
        arrival => arrival,
    };
    let measured = mesh(2, &fault("hold", PAIR, 2_000, 1_000));
    for link in [THERE, BACK] {
        assert_eq!(late(&assert_trips(&measured, link, held)), 50);
    }
    let measured = mesh(2, &fault("hold", ONE_WAY, 2_000, 1_000));
    assert_eq!(late(&assert_trips(&measured, THERE, held)), 50);
    assert_eq!(late(&assert_trips(&measured, BACK, usual)), 0);
}

/// When data that is sent at `sent` arrives, if `cut` says of an arrival whether it is dropped: 200 ms later, then 400 ms
/// after that, and so on.
fn retransmitted(sent: u64, cut: impl Fn(u64) -> bool) -> u64 {
    let (mut leaves, mut wait) = (sent, 200);
    while cut(usual(leaves)) {
        leaves += wait;
        wait *= 2;
    }
    usual(leaves)
}

/// What would arrive while a link is cut arrives with its first retransmission after it: long after the cut for what
/// was sent early in it.
#[test]
fn a_cut_ends_at_the_next_retransmission() {
    let cut = |sent| retransmitted(sent, |at| (2_000..3_000).contains(&at));
    // Of what was sent at 2,000 the transmissions at 2,000, 2,200 and 2,600 are lost; that at 3,400 arrives.
    assert_eq!(cut(2_000), 3_410);
    let measured = mesh(2, &fault("cut", PAIR, 2_000, 1_000));
    for link in [THERE, BACK] {
        let trips = assert_trips(&measured, link, cut);
        assert!(trips.contains(&(2_000, 3_410)), "{trips:?}");
    }
    let measured = mesh(2, &fault("cut", ONE_WAY, 2_000, 1_000));
    assert_trips(&measured, THERE, cut);
    assert_eq!(late(&assert_trips(&measured, BACK, usual)), 0);
}

/// On a slow link what is sent meanwhile takes so much longer, each message its own time; nothing else does.
#[test]
fn a_slow_link_is_slow_in_its_direction() {
    let fields = format!("{ONE_WAY}\nextra_ms_min=5\nextra_ms_max=15");
    let measured = mesh(2, &fault("slow", &fields, 2_000, 2_000));
    assert_eq!(late(&assert_trips(&measured, BACK, usual)), 0);
    let mut extras = Vec::new();
    for (sent, arrived) in &measured.trips[THERE] {
        let extra = arrived - usual(*sent);
        if (2_000..4_000).contains(sent) {
            // Timers wake at whole milliseconds.
            assert!((5..=16).contains(&extra), "sent at {sent}: {extra}");
            extras.push(extra);
        } else {
            assert_eq!(extra, 0, "sent at {sent}");
        }
    }
    assert_eq!(extras.len(), 100);
    extras.sort_unstable();
    assert!(extras[20] < 9 && extras[80] > 12, "{extras:?}");
}

/// Each message is lost with the probability given, and each of its retransmissions again: of those that no message before
/// them holds up, one half is on time, a quarter 200 ms late, an eighth 600 ms.
#[test]
fn losses_are_as_frequent_as_they_say_and_are_retransmitted() {
    let lossy = |ppm| {
        let fields = format!("{ONE_WAY}\nloss_ppm={ppm}");
        mesh(2, &fault("lose", &fields, 1_000, 6_000))
    };
    let measured = lossy(100_000);
    assert_eq!(late(&assert_trips(&measured, BACK, usual)), 0);
    let trips = &measured.trips[THERE];
    let (mut before, mut first, mut lost) = (0, 0, 0);
    for (sent, arrived) in trips {
        let in_order = before <= usual(*sent);
        before = *arrived;
        if !in_order {
            continue;
        }
        let extra = arrived - usual(*sent);
        if !(1_000..7_000).contains(sent) {
            assert_eq!(extra, 0, "sent at {sent}");
            continue;
        }
        assert!(
            [0, 200, 600, 1_400].contains(&extra),
            "sent at {sent}: {extra}"
        );
        first += 1;
        lost += u32::from(extra > 0);
    }
    // One of ten; what is sent behind a lost one is not counted.
    assert!(
        first > 80 && lost * 5 > first / 4 && lost * 5 < first,
        "{lost} of {first}"
    );
    let none = lossy(0);
    assert_eq!(late(&assert_trips(&none, THERE, usual)), 0);
    let all = lossy(1_000_000);
    let gone = all.trips[THERE]
        .iter()
        .filter(|(sent, arrived)| (1_000..7_000).contains(sent) && *arrived < 7_000);
    assert_eq!(gone.count(), 0, "nothing gets through");
}

/// A reset ends connections at once, at both ends; one way, only those that `from` opened; others live on.
#[test]
fn a_reset_breaks_the_connections_there() {
    let endings = |fields: &str| {
        let measured = mesh(3, &fault("reset", fields, 2_000, 0));
        let mut pairs: Vec<_> = measured
            .endings
            .iter()
            .map(|(own, peer, at, how)| {
                assert_eq!((*at, how.as_str()), (2_000, "connection reset"));
                format!("{own} {peer}")
            })
            .collect();
        pairs.sort();
        for (link, trips) in &measured.trips {
            let hit = pairs.iter().any(|pair| {
                let (own, peer) = pair.split_once(' ').unwrap();
                *link == format!("{peer}>{own}")
            });
            assert_eq!(trips.last().unwrap().1 < 2_000, hit, "{link}");
        }
        pairs
    };
    let both = ["client-1 client-2", "client-2 client-1"];
    assert_eq!(endings(PAIR), both);
    assert_eq!(endings(ONE_WAY), both, "opened by client-1");
    let other = "from='client-2'\nto='client-1'\ndirection='one_way'";
    assert!(endings(other).is_empty(), "client-2 opened none");
}

/// A flap is a cut again and again: messages get through in between and by retransmission.
#[test]
fn a_flap_is_cut_and_whole_in_turn() {
    let fields = format!("{PAIR}\ndown_ms=150\nup_ms=100");
    let measured = mesh(2, &fault("flap", &fields, 2_000, 1_500));
    let down = |at: u64| (2_000..3_500).contains(&at) && (at - 2_000) % 250 < 150;
    for link in [THERE, BACK] {
        let trips = assert_trips(&measured, link, |sent| retransmitted(sent, down));
        let within = |from| {
            let arrived = trips.iter().map(|(_, arrived)| *arrived);
            arrived.filter(|at| (from..from + 50).contains(at)).count()
        };
        assert_eq!([2_000, 2_050, 2_100].map(within), [0; 3], "cut");
        assert!(within(2_200) > 0, "whole for a while");
        assert_eq!([2_250, 2_300, 2_350].map(within), [0; 3], "cut again");
        assert!(late(&trips) > 20);
    }
}

/// The links whose messages were late.
fn hit(measured: &Measured) -> Vec<&str> {
    let late = measured.trips.iter().filter(|(_, trips)| late(trips) > 0);
    late.map(|(link, _)| link.as_str()).collect()
}

/// In a ring each reaches its two neighbours; in a bridge each side reaches the bridge.
#[test]
fn rings_and_bridges_cut_whom_they_should() {
    assert!(hit(&mesh(4, "")).is_empty());
    let hosts = "hosts=['client-1','client-3','client-2','client-4']";
    let ring = mesh(4, &fault("ring", hosts, 2_000, 1_000));
    let apart = [
        "client-1>client-2",
        "client-2>client-1",
        "client-3>client-4",
        "client-4>client-3",
    ];
    assert_eq!(hit(&ring), apart);
    let sides = "left='client-1'\nright=['client-2','client-4']\nbridge='client-3'";
    let bridge = mesh(4, &fault("bridge", sides, 2_000, 1_000));
    let apart = [
        "client-1>client-2",
        "client-1>client-4",
        "client-2>client-1",
        "client-4>client-1",
    ];
    assert_eq!(hit(&bridge), apart);
    let cut = |sent| retransmitted(sent, |at| (2_000..3_000).contains(&at));
    for link in apart {
        assert_trips(&bridge, link, cut);
    }
}
