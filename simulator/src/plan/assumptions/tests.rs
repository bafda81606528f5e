use redlock::Ppm as RatePpm;

use super::*;
use crate::{plan::Hosts, redis::Persistence};

/// ρ_c = 1,000 ppm, σ_c = 10 ms, ρ_s = 2,000 ppm, σ_s = 20 ms; five nodes, two clients, `max_ttl` 1 s.
fn cluster() -> (Assumptions, ClusterFacts) {
    let drift = Drift {
        client_rate: RatePpm(1_000),
        client_step: Duration::from_millis(10),
        node_rate: RatePpm(2_000),
        node_step: Duration::from_millis(20),
        ..Drift::NONE
    };
    let hosts = Hosts::numbered(5, 2);
    let facts = ClusterFacts::new(hosts, Duration::from_secs(1), Duration::from_secs(10));
    (Assumptions::of(&drift, &facts), facts)
}

/// A plan of faults that are written on one line each.
fn plan(faults: &[&str]) -> Plan {
    let tables: Vec<String> = faults
        .iter()
        .map(|fault| format!("[[fault]]\n{}\n", fault.replace("; ", "\n")))
        .collect();
    Plan::parse("plan.toml", &tables.concat()).unwrap_or_else(|error| panic!("{error}"))
}

fn violated(faults: &[&str]) -> Vec<Assumption> {
    let (assumed, facts) = cluster();
    assumed.violated_by(&plan(faults), &facts)
}

/// Each row is just within, or just beyond what is named.
#[track_caller]
fn table(rows: &[(&[&str], &[Assumption])]) {
    for (faults, expected) in rows {
        assert_eq!(violated(faults), *expected, "{faults:#?}");
    }
}

#[test]
fn what_delays_breaks_nothing() {
    table(&[
        (&[], &[]),
        (
            &[
                "kind='cut'; from='clients'; to='nodes'; start_ms=0",
                "kind='hold'; from='nodes'; to='clients'; start_ms=0",
                "kind='lose'; from='nodes'; to='clients'; loss_ppm=1000000; start_ms=0",
                "kind='slow'; from='nodes'; to='clients'; extra_ms_min=0; extra_ms_max=90000; start_ms=0",
                "kind='reset'; from='nodes'; to='clients'; start_ms=5",
                "kind='pause'; target='holder'; start_ms=5",
                "kind='pause'; target='nodes'; start_ms=5",
                "kind='hold'; from='clients'; to='store'; start_ms=5",
                "kind='client_pause'; target='nodes'; start_ms=5",
                "kind='read_only'; target='nodes'; start_ms=5",
                "kind='script_flush'; target='nodes'; start_ms=5",
                "kind='memory_full'; target='nodes'; start_ms=5",
                "kind='crash'; target='clients'; start_ms=5; duration_ms=1",
            ],
            &[],
        ),
    ]);
}

#[test]
fn slow_nodes_and_fast_clients_break_nothing() {
    table(&[(
        &[
            "kind='clock_drift'; target='nodes'; clocks='wall'; rate_error_ppm=-500000; start_ms=0",
            "kind='clock_freeze'; target='nodes'; clocks='wall'; start_ms=1; duration_ms=50",
            "kind='clock_step'; target='nodes'; clocks='wall'; by_ms=-3600000; start_ms=9",
            "kind='stop_machine'; target='nodes'; start_ms=100; duration_ms=1000",
            "kind='clock_drift'; target='clients'; clocks=['wall','boot','raw']; rate_error_ppm=500000; start_ms=0",
            "kind='clock_step'; target='clients'; clocks=['wall','boot','raw']; by_ms=3600000; start_ms=9",
            "kind='clock_step'; target='nodes'; clocks=['monotonic','raw','boot']; by_ms=3600000; start_ms=9",
            "kind='clock_freeze'; target='clients'; clocks=['monotonic']; start_ms=9",
        ],
        &[],
    )]);
}

#[test]
fn node_rate() {
    use Assumption::NodeRate;
    let drift = |ppm| {
        format!(
            "kind='clock_drift'; target='node-1'; clocks='wall'; rate_error_ppm={ppm}; start_ms=5; duration_ms=9"
        )
    };
    let more = "kind='clock_drift'; target='node_of(holder)'; clocks='wall'; rate_error_ppm=1; start_ms=13; duration_ms=9";
    let later = more.replace("=13", "=14");
    table(&[
        (&[&drift(2_000)], &[]),
        (&[&drift(2_001)], &[NodeRate]),
        // Drifts of one clock add up, and the holder's node may be this one.
        (&[&drift(2_000), more], &[NodeRate]),
        (&[&drift(2_000), &later], &[]),
    ]);
    let (assumed, mut facts) = cluster();
    facts.rate_errors_ppm.insert("node-1".into(), 1);
    let at_the_bound = plan(&[&drift(2_000)]);
    assert_eq!(assumed.violated_by(&at_the_bound, &facts), [NodeRate]);
}

#[test]
fn node_step() {
    use Assumption::NodeStep;
    let step = |by: &str, at| {
        format!("kind='clock_step'; target='node-1'; clocks='wall'; by_ms={by}; start_ms={at}")
    };
    table(&[
        (&[&step("20", 5)], &[]),
        (&[&step("20.001", 5)], &[NodeStep]),
        // Within one TTL they add up; a step back in between is no excuse for the one before it.
        (&[&step("15", 5), &step("6", 1_005)], &[NodeStep]),
        (&[&step("15", 5), &step("6", 1_006)], &[]),
        (&[&step("15", 5), &step("-10", 6), &step("14", 7)], &[]),
        (
            &[&step("15", 5), &step("-10", 6), &step("16", 7)],
            &[NodeStep],
        ),
    ]);
}

const ALL: &str = "['wall','boot','raw']";

#[test]
fn client_rate() {
    use Assumption::ClientRate;
    let drift = |clocks: &str, ppm, at| {
        format!(
            "kind='clock_drift'; target='holder'; clocks={clocks}; rate_error_ppm={ppm}; start_ms={at}; duration_ms=100"
        )
    };
    table(&[
        (&[&drift(ALL, -1_000, 5)], &[]),
        (&[&drift(ALL, -1_001, 5)], &[ClientRate]),
        // One honest clock is enough, whichever it is.
        (&[&drift("['wall','boot']", -900_000, 5)], &[]),
        (&[&drift("['wall','raw']", -900_000, 5)], &[]),
        (&[&drift("['boot','raw']", -900_000, 5)], &[]),
        // It has to be the same one for a whole lease: 1 s.
        (
            &[
                &drift("['boot','raw']", -2_000, 5),
                &drift("['wall']", -2_000, 1_104),
            ],
            &[ClientRate],
        ),
        (
            &[
                &drift("['boot','raw']", -2_000, 5),
                &drift("['wall']", -2_000, 1_105),
            ],
            &[],
        ),
    ]);
}

#[test]
fn client_step() {
    use Assumption::{ClientRate, ClientStep};
    let step = |clocks: &str, by: &str| {
        format!("kind='clock_step'; target='client-2'; clocks={clocks}; by_ms={by}; start_ms=500")
    };
    let stop = |kind: &str, length: &str| {
        format!("kind='{kind}'; target='holder'; start_ms=500; duration_ms={length}")
    };
    let freeze =
        "kind='clock_freeze'; target='client-2'; clocks='raw'; start_ms=600; duration_ms=11";
    table(&[
        (&[&step(ALL, "-10")], &[]),
        (&[&step(ALL, "-10.001")], &[ClientStep]),
        (&[&step("['wall','boot']", "-9000")], &[]),
        // The hypervisor stops all clocks; a suspended machine's boot and wall clocks count.
        (&[&stop("stop_machine", "10")], &[]),
        (&[&stop("stop_machine", "10.001")], &[ClientStep]),
        (&[&stop("suspend", "9000")], &[]),
        (&[&step("['wall','boot']", "-9000"), freeze], &[ClientStep]),
        // Small losses add up during a lease.
        (
            &[
                &stop("stop_machine", "6"),
                "kind='clock_step'; target='client-1'; clocks=['wall','boot','raw']; by_ms=-5; start_ms=700",
            ],
            &[ClientStep],
        ),
    ]);
    // Two clocks lost and the third slow: either bound, kept, would have left one honest.
    let slow = "kind='clock_drift'; target='client-2'; clocks='raw'; rate_error_ppm=-2000; start_ms=600; duration_ms=11";
    table(&[(
        &[&step("['wall','boot']", "-9000"), slow],
        &[ClientRate, ClientStep],
    )]);
}

#[test]
fn forgetful_voters() {
    use Assumption::ForgetfulVoters;
    let crash =
        |node: &str, more: &str| format!("kind='crash'; target='{node}'; start_ms=10; {more}");
    let short = crash("node-1", "duration_ms=999.999");
    let evicted = "kind='memory_full'; target='node-2'; start_ms=50; duration_ms=10";
    let (mut assumed, mut facts) = cluster();
    let check = |assumed: &Assumptions, facts: &ClusterFacts, faults: &[&str], broken: bool| {
        let expected: &[Assumption] = if broken { &[ForgetfulVoters] } else { &[] };
        assert_eq!(
            assumed.violated_by(&plan(faults), facts),
            expected,
            "{faults:?}"
        );
    };
    check(&assumed, &facts, &[&short], false);
    check(&assumed, &facts, &[evicted], false);
    facts.evicts = true;
    // The guard sees restarts and flushes, not keys that go one by one.
    check(&assumed, &facts, &[evicted], true);
    facts.restart_guard = false;
    check(&assumed, &facts, &[&short], true);
    // Whoever is down for a whole max_ttl votes when nothing forgotten is left.
    check(
        &assumed,
        &facts,
        &[&crash("node-1", "duration_ms=1000")],
        false,
    );
    check(
        &assumed,
        &facts,
        &["kind='flush_all'; target='node-1'; start_ms=10"],
        true,
    );
    // What is on the disk is not forgotten, unless the disk goes.
    facts.persistence = Persistence::AofAlways;
    check(&assumed, &facts, &[&short], false);
    check(
        &assumed,
        &facts,
        &[&crash("node-1", "duration_ms=9; lose_data=true")],
        true,
    );
    facts.persistence = Persistence::AofEverysec;
    check(&assumed, &facts, &[&short], true);
    // A larger quorum tolerates some: 2·4 − 5 − 1 = 2 of five.
    facts.quorum = 4;
    assumed = Assumptions::of(&Drift::NONE, &facts);
    let two = [
        short.as_str(),
        "kind='flush_all'; target='node-2'; start_ms=1009",
    ];
    check(&assumed, &facts, &two, false);
    let three = [
        two[0],
        two[1],
        "kind='flush_all'; target='node_of(holder)'; start_ms=1009.999",
    ];
    check(&assumed, &facts, &three, true);
    let too_late = three[2].replace("1009.999", "1010");
    check(&assumed, &facts, &[two[0], two[1], &too_late], false);
}

#[test]
fn quarantined_nodes() {
    use Assumption::QuarantinedNodes;
    let flush = |node: &str, at| format!("kind='flush_all'; target='{node}'; start_ms={at}");
    let two = [flush("node-1", 10), flush("node-2", 10)];
    let again = flush("node-1", 500);
    table(&[
        (&[&two[0], &two[1]], &[]),
        (&[&two[0], &two[1], &again], &[]),
        (
            &[&two[0], &two[1], &flush("node-3", 1_009)],
            &[QuarantinedNodes],
        ),
        (&[&two[0], &two[1], &flush("node-3", 1_010)], &[]),
        (&[&flush("minority", 10)], &[]),
        (&[&flush("majority", 10)], &[QuarantinedNodes]),
        (&[&flush("quorum_of(holder)", 10)], &[QuarantinedNodes]),
    ]);
}

#[test]
fn no_more_nodes_forget_than_there_are() {
    let (mut assumed, facts) = cluster();
    assumed.quarantined_nodes = 5;
    let flush = |at| format!("kind='flush_all'; target='quorum_of(holder)'; start_ms={at}");
    let twice = plan(&[&flush(1), &flush(2)]);
    assert_eq!(assumed.violated_by(&twice, &facts), []);
    assumed.quarantined_nodes = 4;
    let broken = assumed.violated_by(&twice, &facts);
    assert_eq!(broken, [Assumption::QuarantinedNodes]);
}

#[test]
fn wall_disagreement() {
    use Assumption::WallDisagreement;
    let flush = "kind='flush_all'; target='node-1'; start_ms=5000";
    let back = |by: &str| {
        format!("kind='clock_step'; target='node-2'; clocks='wall'; by_ms=-{by}; start_ms=9")
    };
    let slow = "kind='clock_drift'; target='node-1'; clocks='wall'; rate_error_ppm=-100000; start_ms=1000; duration_ms=5000";
    table(&[
        (&[&back("499.999"), flush], &[]),
        (&[&back("500"), flush], &[WallDisagreement]),
        // Nothing hangs on it while nobody forgets.
        (&[&back("500")], &[]),
        // A drift adds up: 5 s at 10 %.
        (&[slow, flush], &[WallDisagreement]),
        (&[&slow.replace("=5000", "=4999.99"), flush], &[]),
        // Forgetting after it is as bad as before it, and clients do not count.
        (&[&back("3000").replace("node-2", "clients"), flush], &[]),
    ]);
    // Farthest behind just before it is stepped forward.
    let forward = "kind='clock_step'; target='node-1'; clocks='wall'; by_ms=20; start_ms=6000";
    table(&[(&[slow, forward, flush], &[WallDisagreement])]);
    let (assumed, mut facts) = cluster();
    facts.wall_offsets_micros.insert("node-5".into(), 499_999);
    assert_eq!(assumed.violated_by(&plan(&[flush]), &facts), []);
    facts.wall_offsets_micros.insert("node-4".into(), -1);
    assert_eq!(
        assumed.violated_by(&plan(&[flush]), &facts),
        [WallDisagreement]
    );
}

#[test]
fn effect_delay() {
    use Assumption::EffectDelay;
    let (mut assumed, facts) = cluster();
    assumed.effect_delay = Some(Duration::from_millis(100));
    let check = |faults: &[&str], broken: bool| {
        let expected: &[Assumption] = if broken { &[EffectDelay] } else { &[] };
        assert_eq!(
            assumed.violated_by(&plan(faults), &facts),
            expected,
            "{faults:?}"
        );
    };
    let pause = |target: &str, length: &str| {
        format!("kind='pause'; target='{target}'; start_ms=5; duration_ms={length}")
    };
    check(&[&pause("holder", "100")], false);
    check(&[&pause("holder", "100.001")], true);
    check(&[&pause("store", "100.001")], true);
    check(&[&pause("nodes", "9000")], false);
    let link = |kind: &str, from: &str, to: &str, length: &str| {
        format!(
            "kind='{kind}'; from='{from}'; to='{to}'; direction='one_way'; start_ms=105; duration_ms={length}"
        )
    };
    check(&[&link("hold", "client-1", "store", "100")], false);
    check(&[&link("hold", "client-1", "store", "100.001")], true);
    check(&[&link("hold", "store", "client-1", "9000")], false);
    check(&[&link("cut", "client-1", "store", "50")], false);
    check(&[&link("cut", "client-1", "store", "50.001")], true);
    check(
        &[
            &pause("client-1", "100"),
            &link("hold", "client-1", "store", "1"),
        ],
        true,
    );
    check(
        &[
            &pause("client-2", "100"),
            &link("hold", "client-1", "store", "1"),
        ],
        false,
    );
    check(
        &["kind='ring'; hosts=['client-1','node-1','store','node-2']; start_ms=0"],
        true,
    );
}

/// Every assumption is one that some test above breaks alone, and says what it protects.
#[test]
fn every_assumption_protects_something() {
    for assumption in Assumption::ALL {
        assert!(!assumption.protects().is_empty(), "{assumption}");
    }
    let mut sorted = Assumption::ALL;
    sorted.sort_unstable();
    assert_eq!(sorted, Assumption::ALL);
}
