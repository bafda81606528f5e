//! Every rule of a preflight, and what a person reads.

use std::time::Duration;

use super::*;
use crate::settings::Settings;

fn settings() -> Settings {
    Settings {
        quorum: Quorum::majority(3),
        max_ttl: Duration::from_secs(30),
        prefix: "redlock".into(),
        stripes: 256,
        fencing: true,
        restart_guard: true,
        strict_identity: false,
    }
}

fn facts(guard: GuardState) -> Result<NodeFacts, Reason> {
    Ok(NodeFacts::new("7.0.15".into(), "ab:cd".into(), guard))
}

fn fit() -> Probe {
    Probe {
        version: Some("7.0.15".into()),
        run_id: Some("ab".into()),
        mode: Some("standalone".into()),
        role: Some("master".into()),
        replicas: Some(0),
        eviction_policy: Some("noeviction".into()),
        persistence: Some(Persistence::Later),
        clock: Some(ClockOffset::Ahead(Duration::from_millis(3))),
        round_trip: Some(Duration::from_micros(200)),
        forbidden: Vec::new(),
    }
}

fn judge(settings: &Settings, probe: &Probe) -> Vec<Finding> {
    let judge = Judge {
        settings,
        node_timeout: Duration::from_millis(50),
        same_server: None,
    };
    judge.findings(&facts(GuardState::Admitted), Some(probe))
}

fn refused(reason: Reason) -> Finding {
    Finding {
        severity: Severity::Refusal,
        problem: Problem::Refused(reason),
    }
}

const fn warning(problem: Problem) -> Finding {
    Finding {
        severity: Severity::Warning,
        problem,
    }
}

#[test]
fn nothing_is_wrong_with_a_node_that_is_fit() {
    assert_eq!(judge(&settings(), &fit()), []);
}

#[test]
fn each_thing_that_is_wrong_is_found() {
    let window = Duration::from_millis(7_500);
    let clock = ClockOffset::Behind(Duration::from_millis(7_501));
    let round_trip = Duration::from_millis(26);
    let node_timeout = Duration::from_millis(50);
    for (probe, finding) in [
        (
            Probe {
                mode: Some("cluster".into()),
                ..fit()
            },
            refused(Reason::ClusterMode),
        ),
        (
            Probe {
                role: Some("slave".into()),
                ..fit()
            },
            refused(Reason::Replica),
        ),
        (
            Probe {
                replicas: Some(2),
                ..fit()
            },
            refused(Reason::HasReplicas(2)),
        ),
        (
            Probe {
                eviction_policy: Some("volatile-lru".into()),
                ..fit()
            },
            refused(Reason::Evicts("volatile-lru".into())),
        ),
        (
            Probe {
                forbidden: vec![Forbidden::new("hset".into(), false)],
                ..fit()
            },
            Finding {
                severity: Severity::Refusal,
                problem: Problem::Forbidden("hset".into()),
            },
        ),
        (
            Probe {
                forbidden: vec![Forbidden::new("client|kill".into(), true)],
                ..fit()
            },
            warning(Problem::KillForbidden),
        ),
        (
            Probe {
                clock: Some(clock),
                ..fit()
            },
            warning(Problem::Clock { clock, window }),
        ),
        (
            Probe {
                round_trip: Some(round_trip),
                ..fit()
            },
            warning(Problem::Slow {
                round_trip,
                node_timeout,
            }),
        ),
        (
            Probe {
                eviction_policy: None,
                ..fit()
            },
            warning(Problem::EvictionUnknown),
        ),
    ] {
        assert_eq!(judge(&settings(), &probe), [finding]);
    }
    let at_the_edge = Probe {
        clock: Some(ClockOffset::Ahead(window)),
        round_trip: Some(node_timeout / 2),
        ..fit()
    };
    assert_eq!(judge(&settings(), &at_the_edge), []);
}

#[test]
fn settings_decide_what_is_wrong() {
    let attached = Probe {
        replicas: Some(1),
        ..fit()
    };
    let strict = Settings {
        strict_identity: true,
        ..settings()
    };
    assert_eq!(judge(&strict, &attached), []);
    let trusting = Settings {
        restart_guard: false,
        ..settings()
    };
    assert_eq!(judge(&trusting, &attached), [warning(Problem::Forgetful)]);
    let persistent = Probe {
        persistence: Some(Persistence::Always),
        ..fit()
    };
    assert_eq!(judge(&trusting, &persistent), []);
    let far = Probe {
        clock: Some(ClockOffset::Ahead(Duration::from_secs(60))),
        ..fit()
    };
    let unfenced = Settings {
        fencing: false,
        ..settings()
    };
    assert_eq!(judge(&unfenced, &far), []);
}

#[test]
fn refusals_come_first_and_once() {
    let settings = settings();
    let judge = Judge {
        settings: &settings,
        node_timeout: Duration::from_millis(50),
        same_server: Some("other".into()),
    };
    let same = Reason::SameServer("other".into());
    let down = Err(Reason::Down(Arc::new(same.clone())));
    let late = Probe {
        round_trip: Some(Duration::from_secs(1)),
        ..fit()
    };
    let found = judge.findings(&down, Some(&late));
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], refused(same));
    assert_eq!(found[1].severity, Severity::Warning);
    // Without a probe, the reason is all there is.
    let timed_out = Reason::TimedOut(Duration::from_secs(3));
    let found = judge.findings(&Err(timed_out.clone()), None);
    assert_eq!(found, [refused(timed_out)]);
}

#[test]
fn a_person_reads_what_is_wrong_and_what_to_do() {
    let settings = settings();
    let judge = Judge {
        settings: &settings,
        node_timeout: Duration::from_millis(50),
        same_server: None,
    };
    let evicting = Probe {
        eviction_policy: Some("allkeys-lru".into()),
        ..fit()
    };
    let stored = Settings {
        stripes: 8,
        ..settings.clone()
    }
    .to_string();
    let node = |name: &str, facts: Result<NodeFacts, Reason>, probe: Option<Probe>| PreflightNode {
        node: name.into(),
        findings: judge.findings(&facts, probe.as_ref()),
        facts,
        probe,
    };
    let remaining = Duration::from_secs(12);
    let nodes = vec![
        node("a:1", facts(GuardState::Admitted), Some(fit())),
        node(
            "b:2",
            facts(GuardState::Quarantined { remaining }),
            Some(fit()),
        ),
        node("c:3", facts(GuardState::Admitted), Some(evicting)),
        node("d:4", facts(GuardState::OtherSettings { stored }), None),
    ];
    let report = Preflight::new(Quorum::majority(4), nodes);
    assert!(!report.is_ready());
    assert_eq!(
        report.voting(),
        1,
        "an admitted node that evicts does not count"
    );
    assert_eq!(
        report.findings().map(|(node, _)| node).collect::<Vec<_>>(),
        ["b:2", "c:3", "d:4"]
    );
    let line = "  master; 0 replicas; noeviction; round trip 200 µs; clock 3 ms ahead of ours; \
                append-only file forced to disk later (after a loss of memory the order of fencing \
                tokens rests on the nodes' clocks)";
    let expected = [
        "not ready: 3 of 4 nodes have to agree, 1 vote now",
        "a:1: Redis 7.0.15, admitted",
        line,
        "b:2: Redis 7.0.15, quarantined for 12000 ms more",
        line,
        "  warning: it is quarantined for 12000 ms more, because it may have forgotten locks; wait; it ends by itself while any client of the cluster runs",
        "c:3: Redis 7.0.15, admitted",
        &line.replace("noeviction", "allkeys-lru"),
        "  refused: has maxmemory-policy allkeys-lru, which deletes lock keys when memory runs out; set it to noeviction; CONFIG SET maxmemory-policy noeviction, and in redis.conf",
    ];
    let shown = report.to_string();
    let shown: Vec<_> = shown.lines().collect();
    assert_eq!(shown[..9], expected);
    assert!(
        shown[10].contains("stripes is 256 here and 8 on the node"),
        "{shown:?}"
    );
    let ready = Preflight::new(Quorum::majority(1), report.nodes[..1].to_vec());
    assert!(ready.is_ready());
}
