//! What a preflight finds on real servers, and which permissions a user needs.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::{collections::BTreeSet, time::Duration};

use redlock::{
    Answer, Finding, Node as _, Preflight, Problem, Reason, Redlock, Severity,
    node::Inspection,
    preflight::{Persistence, Probe},
};
use redlock_testkit::{AppendFsync, RedisServer, ServerOptions};

use crate::support::*;

async fn probe(url: &str) -> Probe {
    let client = Client::new(url, settings(), patient());
    bounded(client.node.probe()).await.expect("it answers")
}

fn cluster(servers: &[RedisServer]) -> Redlock {
    let urls = servers.iter().map(RedisServer::url);
    Redlock::builder()
        .nodes(urls)
        .node_timeout(Duration::from_secs(10))
        .build()
        .expect("it can be built")
}

fn findings(report: &Preflight, node: usize) -> &[Finding] {
    &report.nodes[node].findings
}

fn refusals(report: &Preflight, node: usize) -> Vec<Problem> {
    let refused = |found: &&Finding| found.severity == Severity::Refusal;
    let refused = findings(report, node).iter().filter(refused);
    refused.map(|found| found.problem.clone()).collect()
}

#[tokio::test]
async fn a_server_says_how_it_is_configured() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let found = probe(&server.url()).await;
        assert_eq!(found.run_id, server.info("run_id"));
        assert_eq!(found.version, server.info("redis_version"));
        assert_eq!(found.mode.as_deref(), Some("standalone"));
        assert_eq!(found.role.as_deref(), Some("master"));
        assert_eq!(found.replicas, Some(0));
        assert_eq!(found.eviction_policy.as_deref(), Some("noeviction"));
        assert_eq!(found.persistence, Some(Persistence::None));
        assert_eq!(found.forbidden, []);
        assert!(found.round_trip.is_some());
        // The same machine's clock.
        assert!(found.clock.unwrap().size() < Duration::from_secs(1));
        // It leaves nothing behind.
        assert_eq!(server.command(&["DBSIZE"]), redis::Value::Int(0));
    }
}

#[tokio::test]
async fn persistence_is_told_apart() {
    for options in versions() {
        for (fsync, persistence) in [
            (AppendFsync::Always, Persistence::Always),
            (AppendFsync::EverySecond, Persistence::Later),
        ] {
            let server = RedisServer::start(&options.clone().append_only(fsync)).unwrap();
            assert_eq!(probe(&server.url()).await.persistence, Some(persistence));
            server.command(&["ACL", "SETUSER", "default", "-config"]);
            let unknown = Some(Persistence::Unknown);
            assert_eq!(probe(&server.url()).await.persistence, unknown);
        }
    }
}

/// A healthy new cluster, then admitted; then each node gets something wrong with it.
#[tokio::test]
async fn what_is_wrong_with_a_cluster_is_found() {
    let options = ServerOptions::new();
    let servers: Vec<_> = (0..3)
        .map(|_| RedisServer::start(&options).unwrap())
        .collect();
    let client = cluster(&servers);
    let report = client.preflight().await;
    assert!(!report.is_ready(), "{report}");
    let new: Vec<_> = report.findings().map(|(_, found)| &found.problem).collect();
    assert_eq!(new, [&Problem::NoRecord; 3], "{report}");
    client.admit_new_cluster().await.unwrap();
    let report = client.preflight().await;
    assert!(report.is_ready(), "{report}");
    assert_eq!(report.findings().count(), 0, "{report}");

    // eviction_refused, on the connection that was there before, at once.
    servers[0].command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let replica = RedisServer::start(&options).unwrap();
    let port = servers[1].port().to_string();
    replica.command(&["REPLICAOF", "127.0.0.1", &port]);
    until(|| servers[1].info("connected_slaves").as_deref() == Some("1")).await;
    let report = client.preflight().await;
    assert!(!report.is_ready(), "{report}");
    let evicts = Problem::Refused(Reason::Evicts("allkeys-lru".into()));
    assert_eq!(refusals(&report, 0), [evicts], "{report}");
    let attached = Problem::Refused(Reason::HasReplicas(1));
    assert_eq!(refusals(&report, 1), [attached], "{report}");
    assert_eq!(findings(&report, 2), [], "{report}");
    assert_eq!(report.voting(), 1);

    // With strict identity replicas are accepted, and the settings disagree.
    let urls = servers.iter().map(RedisServer::url);
    let strict = Redlock::builder().nodes(urls).strict_identity(true);
    let report = strict.build().unwrap().preflight().await;
    let differ = |problem: &Problem| matches!(problem, Problem::Refused(Reason::Settings(text)) if &**text == "strict is on here and off on the node");
    assert!(refusals(&report, 1).iter().any(differ), "{report}");
    assert_eq!(refusals(&report, 1).len(), 1, "{report}");

    servers[2].restart_empty().unwrap();
    let quarantined = |report: &Preflight| {
        let waits = |found: &Finding| matches!(found.problem, Problem::Quarantined(left) if !left.is_zero());
        findings(report, 2).iter().any(waits)
    };
    bounded(async {
        while !quarantined(&client.preflight().await) {
            pass(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// The rules of the user that the manual describes.
fn manual_rules() -> Vec<String> {
    let manual = include_str!("../../src/manual/operation.rs");
    let text: String = manual
        .lines()
        .map(|line| line.trim_start_matches("//!"))
        .collect();
    let (_, rest) = text
        .split_once("the client's user needs `")
        .expect("the list");
    let (commands, rest) = rest.split_once('`').expect("its end");
    let (_, rest) = rest.split_once("keys `").expect("the keys");
    let (keys, _) = rest.split_once('`').expect("their end");
    let keys = keys.replace("<prefix>", "redlock");
    commands
        .split_whitespace()
        .chain([&*keys])
        .map(str::to_owned)
        .collect()
}

fn set_user(server: &RedisServer, rules: &[String], but: Option<&str>) {
    let rules = rules.iter().map(String::as_str);
    let rules = rules.filter(|rule| but != Some(*rule));
    let words: Vec<_> = ["ACL", "SETUSER", "locker", "reset", "on", ">secret"]
        .into_iter()
        .chain(rules)
        .collect();
    server.command(&words);
}

/// Everything that a client ever does to a node.
async fn do_everything(server: &RedisServer, url: &str) {
    let client = Client::admitted_with(url, settings(), patient()).await;
    let mine = owner();
    let counter = granted(&client.acquire(mine).await);
    let held = client.acquire(owner()).await;
    assert!(matches!(held, Answer::Contended { .. }), "{held:?}");
    assert_eq!(client.publish(mine, counter + 1).await, Answer::Confirmed);
    let longer = Duration::from_secs(20);
    assert_eq!(
        client.extend(mine, longer, counter).await,
        Answer::Confirmed
    );
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(client.release(mine).await, Answer::Released);
    server.command(&["SET", "redlock:lock:resource", "foreign"]);
    let foreign = client.acquire(mine).await;
    assert!(
        matches!(foreign, Answer::Refused(Reason::ForeignKey(_))),
        "{foreign:?}"
    );
    server.command(&["DEL", "redlock:lock:resource"]);
    server.command(&["LPUSH", "redlock:lock:resource", "foreign"]);
    let foreign = client.acquire(mine).await;
    assert!(
        matches!(foreign, Answer::Refused(Reason::ForeignKey(_))),
        "{foreign:?}"
    );
    server.command(&["DEL", "redlock:lock:resource"]);
    client.inspect(Inspection::Look).await.unwrap();
    client.inspect(Inspection::ReplaceSettings).await.unwrap();
    let answer = client.acquire(mine).await;
    assert!(matches!(answer, Answer::Quarantined { .. }), "{answer:?}");
}

/// A user with exactly the permissions in the manual can do everything.
#[tokio::test]
async fn the_listed_permissions_are_enough() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        set_user(&server, &manual_rules(), None);
        let url = server.url().replace("redis://", "redis://locker:secret@");
        let proxy = redlock_testkit::Proxy::to(&server).unwrap();
        let through = proxy.url().replace("redis://", "redis://locker:secret@");
        do_everything(&server, &url).await;
        assert_eq!(probe(&url).await.forbidden, []);
        // A broken connection is killed by its successor.
        let client = Client::new(&through, settings(), patient());
        client.inspect(Inspection::Look).await.unwrap();
        let killed = proxy.next_reply_to("KILL");
        proxy.cut_clients(redlock_testkit::Cut::Fin);
        let reply = killed.forwarded().await;
        assert!(reply.bytes.starts_with(b":"), "{:?}", reply.bytes);
    }
}

/// A look must not disturb whoever uses the server. `CLIENT KILL ID 0` ends every other connection before 7.0.
#[tokio::test]
async fn a_preflight_ends_no_connection() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let others = redis::Client::open(server.url()).unwrap();
        let mut other = others.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("PING").exec_async(&mut other).await.unwrap();
        assert_eq!(probe(&server.url()).await.forbidden, []);
        redis::cmd("PING").exec_async(&mut other).await.unwrap();
    }
}

/// Each permission in the list is needed: left out, an error or a finding names it.
#[tokio::test]
async fn each_permission_left_out_is_named() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let rules = manual_rules();
        let commands: BTreeSet<_> = rules.iter().filter(|rule| rule.starts_with('+')).collect();
        assert!(commands.len() > 10, "{commands:?}");
        for rule in commands {
            set_user(&server, &rules, Some(rule));
            let command = rule.trim_start_matches('+');
            let url = server.url().replace("redis://", "redis://locker:secret@");
            let client = Redlock::builder().nodes([url]).build().unwrap();
            let report = client.preflight().await;
            let named = |(_, found): &(&str, &Finding)| found.problem.to_string().contains(command);
            assert!(
                report.findings().any(|found| named(&found)),
                "{command}: {report}"
            );
            let ready = report.nodes[0]
                .findings
                .iter()
                .all(|found| found.severity == Severity::Warning);
            assert_eq!(ready, command == "client|kill", "{report}");
        }
        // And the keys.
        let (keys, commands) = rules.split_last().unwrap();
        assert!(keys.starts_with('~'), "{keys}");
        set_user(&server, commands, None);
        let url = server.url().replace("redis://", "redis://locker:secret@");
        let client = Redlock::builder().nodes([url]).build().unwrap();
        let report = client.preflight().await;
        assert!(report.to_string().contains("get"), "{report}");
        assert!(!report.is_ready());
    }
}
