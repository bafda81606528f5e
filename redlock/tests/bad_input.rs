//! Whatever is wrong is named, with what to do about it, never with a secret; nothing panics or hangs.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, on real time where servers are real"
)]

use std::time::{Duration, Instant};

use redlock::{AcquireError, BuildError, Builder, Redlock, TtlError};
use redlock_testkit::{Listener, RedisCluster, ServerOptions};

const SECRET: &str = "correct-horse-battery";

fn three() -> Builder {
    Redlock::builder().nodes(["redis://one", "redis://two", "redis://three"])
}

/// The error's text, which has to hold each of `parts` and no secret.
#[track_caller]
fn says(error: &dyn std::error::Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    assert!(
        !text.contains(SECRET) && !format!("{error:?}").contains(SECRET),
        "{text}"
    );
    assert!(!text.contains('\n'), "one line: {text}");
}

#[test]
fn no_nodes() {
    says(
        &Redlock::builder().build().unwrap_err(),
        &["no nodes", "`nodes`"],
    );
}

#[test]
fn too_many_nodes() {
    let urls = (0..64).map(|index| format!("redis://node-{index}"));
    says(
        &Redlock::builder().nodes(urls).build().unwrap_err(),
        &["64 nodes", "63"],
    );
}

#[test]
fn unparsable_urls() {
    for url in [
        "",
        "redis:/",
        "not a url",
        "ftp://host",
        "redis://:port",
        "redis://host:99999",
        "redis://host/not-a-number",
        &format!("redis://user:{SECRET}@host:x"),
        &format!("redis//user:{SECRET}@host"),
        SECRET,
    ] {
        let built = Redlock::builder().nodes(["redis://good", url]).build();
        let error = built.expect_err(url);
        assert!(
            matches!(error, BuildError::InvalidUrl { index: 2, .. }),
            "{url}: {error}"
        );
        says(&error, &["node 2", "redis://[user:password@]host"]);
    }
}

#[test]
fn the_same_server_twice() {
    for (one, two) in [
        ("redis://host", "redis://host"),
        ("redis://host", "redis://host:6379"),
        ("redis://host/0", "redis://host/1"),
        (&*format!("redis://user:{SECRET}@host"), "redis://host"),
        ("unix:///run/redis.sock", "redis+unix:///run/redis.sock"),
    ] {
        let error = Redlock::builder()
            .nodes([one, "redis://other", two])
            .build()
            .unwrap_err();
        says(&error, &["nodes 1 and 3", "the same server"]);
    }
}

#[test]
fn ttls_that_cannot_be_used() {
    let ttl = |ttl| three().ttl(ttl).build().unwrap_err();
    says(&ttl(Duration::ZERO), &["0 µs", "1 ms"]);
    says(&ttl(Duration::from_micros(999)), &["999 µs", "1 ms"]);
    let error = ttl(Duration::from_millis(2));
    says(&error, &["2 ms", "drift allowance", "at least 3 ms"]);
    // What it says is true.
    assert!(three().ttl(Duration::from_millis(3)).build().is_ok());
    let above = three().max_ttl(Duration::from_secs(5)).build().unwrap_err();
    says(&above, &["10000 ms", "max_ttl (5000 ms)"]);
    says(
        &three().max_ttl(Duration::MAX).build().unwrap_err(),
        &["max_ttl", "365 days"],
    );
    let error = three()
        .min_validity(Duration::from_secs(10))
        .build()
        .unwrap_err();
    assert!(
        matches!(error, BuildError::Ttl(TtlError::BelowAllowance { .. })),
        "{error}"
    );
    says(&error, &["min_validity of 10000 ms"]);
}

#[test]
fn quorums_that_are_no_majority() {
    for quorum in [0, 1, 4] {
        let error = three().quorum(quorum).build().unwrap_err();
        says(&error, &[&format!("quorum of {quorum}"), "2 to 3"]);
    }
    assert!(three().quorum(2).build().is_ok() && three().quorum(3).build().is_ok());
}

#[test]
fn other_settings_out_of_range() {
    says(
        &three().prefix("a:b").build().unwrap_err(),
        &["\"a:b\"", "letters"],
    );
    says(&three().prefix("").build().unwrap_err(), &["prefix"]);
    says(
        &three().stripes(0).build().unwrap_err(),
        &["stripes", "1 to 65536"],
    );
    says(
        &three().node_timeout(Duration::ZERO).build().unwrap_err(),
        &["node_timeout"],
    );
    says(
        &three().connect_timeout(Duration::ZERO).build().unwrap_err(),
        &["connect_timeout"],
    );
    says(
        &three().max_in_flight(0).build().unwrap_err(),
        &["max_in_flight"],
    );
    says(
        &three().renew_after_percent(100).build().unwrap_err(),
        &["renew_after_percent", "90"],
    );
}

#[tokio::test]
async fn resources_that_cannot_be_used() {
    let client = three().build().unwrap();
    says(&client.acquire("").await.unwrap_err(), &["empty"]);
    let huge = vec![b'x'; 1 << 20];
    says(
        &client.acquire(&huge).await.unwrap_err(),
        &["1048576 bytes", "4096", "hash"],
    );
    let error = client
        .request("r")
        .ttl(Duration::from_secs(31))
        .acquire()
        .await
        .unwrap_err();
    assert!(
        matches!(error, AcquireError::Ttl(TtlError::AboveMax { .. })),
        "{error}"
    );
}

#[test]
fn outside_of_a_runtime() {
    let client = three().build().unwrap();
    let acquiring = std::pin::pin!(client.acquire("r"));
    // Decided at the first poll: nothing else would ever poll it again.
    let error = futures::FutureExt::now_or_never(acquiring)
        .unwrap()
        .unwrap_err();
    says(&error, &["tokio runtime"]);
}

/// One attempt against nodes that are all wrong in the same way: an error within the bounds of one
/// attempt, which says what is wrong with them.
async fn refused(urls: Vec<String>, parts: &[&str]) {
    let client = Redlock::builder().nodes(urls).build().unwrap();
    let start = Instant::now();
    // The first calls may time out while the servers are found out; then it is known.
    let facts = client.preflight().await;
    for node in &facts.nodes {
        let reason = node.facts.as_ref().expect_err("this node is no good");
        says(reason, parts);
    }
    let error = client.acquire("r").await.unwrap_err();
    says(&error, parts);
    assert!(error.is_misconfigured(), "{error}");
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "hung for {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_wrong_password() {
    let options = ServerOptions::new().password(SECRET);
    let cluster = RedisCluster::start(3, &options).unwrap();
    let ports = || cluster.iter().map(|server| server.port());
    let wrong = ports()
        .map(|port| format!("redis://:wrong{SECRET}@127.0.0.1:{port}"))
        .collect();
    refused(wrong, &["credentials", "check user and password"]).await;
    let none = ports()
        .map(|port| format!("redis://127.0.0.1:{port}"))
        .collect();
    refused(none, &["credentials", "check user and password"]).await;
}

#[tokio::test]
async fn a_tls_port_reached_without_tls() {
    let listeners: Vec<_> = (0..3)
        .map(|_| Listener::banner(Listener::TLS_ALERT).unwrap())
        .collect();
    refused(
        listeners.iter().map(Listener::url).collect(),
        &["speaks TLS", "rediss://"],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_redis() {
    let listeners: Vec<_> = (0..3)
        .map(|_| Listener::banner(Listener::HTTP).unwrap())
        .collect();
    refused(
        listeners.iter().map(Listener::url).collect(),
        &["not a Redis server", "HTTP/1.1"],
    )
    .await;
}

#[tokio::test]
async fn a_plain_port_reached_with_tls() {
    let cluster = RedisCluster::start(3, &ServerOptions::new()).unwrap();
    let urls = cluster
        .iter()
        .map(|server| format!("rediss://127.0.0.1:{}", server.port()));
    let client = Redlock::builder().nodes(urls).build().unwrap();
    for node in client.preflight().await.nodes {
        says(&node.facts.unwrap_err(), &["TLS", "use redis://"]);
    }
    let error = client
        .request("r")
        .within(Duration::ZERO)
        .acquire()
        .await
        .unwrap_err();
    says(&error, &["TLS", "use redis://"]);
}

#[tokio::test]
async fn servers_that_may_not_be_nodes() {
    let options = ServerOptions::new().config("cluster-enabled", "yes");
    let cluster = RedisCluster::start(3, &options).unwrap();
    refused(cluster.urls(), &["cluster mode", "independent masters"]).await;

    let master = RedisCluster::start(1, &ServerOptions::new()).unwrap();
    let port = master[0].port().to_string();
    let options = ServerOptions::new().config("replicaof", format!("127.0.0.1 {port}"));
    let replicas = RedisCluster::start(3, &options).unwrap();
    refused(replicas.urls(), &["replica", "independent masters"]).await;
}

#[tokio::test]
async fn servers_that_are_not_there() {
    let closed: Vec<_> = (0..3)
        .map(|_| redlock_testkit::ClosedPort::new().unwrap())
        .collect();
    let client = Redlock::builder()
        .nodes(closed.iter().map(redlock_testkit::ClosedPort::url))
        .build()
        .unwrap();
    let error = client
        .request("r")
        .within(Duration::from_secs(1))
        .acquire()
        .await
        .unwrap_err();
    assert!(matches!(error, AcquireError::NoQuorum { .. }), "{error}");
    says(
        &error,
        &[
            "no quorum",
            "cannot connect",
            &format!("127.0.0.1:{}", closed[0].port()),
        ],
    );
}
