//! What an operator sees before the first lock.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::process::{Command, Output};

use redlock_testkit::{RedisCluster, ServerOptions};

fn preflight(arguments: &[&str], urls: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_redlock-lab"))
        .arg("preflight")
        .args(arguments)
        .args(urls)
        .output()
        .unwrap()
}

#[track_caller]
fn says(output: &Output, code: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn a_new_cluster_is_admitted_once_and_then_ready() {
    let cluster = RedisCluster::start(3, &ServerOptions::new()).unwrap();
    let urls = cluster.urls();
    says(&preflight(&[], &urls), 2, &["no guard record", "not ready"]);
    says(&preflight(&["--admit-new-cluster"], &urls), 0, &["ready"]);
    says(&preflight(&[], &urls), 0, &["ready"]);
    says(
        &preflight(&["--admit-new-cluster"], &urls),
        2,
        &["already has a guard record"],
    );
    // Other settings than those the cluster was admitted with are named.
    says(
        &preflight(&["--max-ttl-ms", "60000"], &urls),
        2,
        &["max_ttl_ms is 60000 here and 30000"],
    );
}

#[test]
fn what_cannot_be_a_cluster_is_named() {
    let cluster = RedisCluster::start(
        3,
        &ServerOptions::new().config("maxmemory-policy", "volatile-lru"),
    )
    .unwrap();
    let mut urls = cluster.urls();
    says(&preflight(&[], &urls), 2, &["volatile-lru", "noeviction"]);
    urls.push(urls[0].clone());
    says(
        &preflight(&[], &urls),
        2,
        &["nodes 1 and 4 are the same server"],
    );
    says(&preflight(&[], &[]), 2, &["<URL>"]);
    says(
        &preflight(&[], &["redis://user:hunter2@[".to_owned()]),
        2,
        &["node 1 has a URL"],
    );
    let secret = preflight(&[], &["redis://user:hunter2@[".to_owned()]);
    assert!(!String::from_utf8_lossy(&secret.stderr).contains("hunter2"));
}
