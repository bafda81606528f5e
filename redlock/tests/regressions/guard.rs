//! Rows about nodes that forget, on in-memory nodes and on real redis-server processes.

use std::{sync::Arc, time::Duration};

use redlock::{
    AcquireError, AdmitError, Builder, Lease, Problem, Reason, Redlock,
    memory::{MemoryCluster, VirtualRuntime},
};
use redlock_testkit::{RedisCluster, RedisServer, ServerOptions};

const SECOND: Duration = Duration::from_secs(1);
/// The default `max_ttl`.
const MAX_TTL: Duration = Duration::from_secs(30);

fn on_memory(cluster: &MemoryCluster, seed: u64) -> Builder {
    Redlock::builder()
        .memory_nodes(cluster)
        .runtime(Arc::new(VirtualRuntime::new(seed)))
}

fn on_redis(cluster: &RedisCluster) -> Builder {
    Redlock::builder()
        .nodes(cluster.urls())
        .node_timeout(5 * SECOND)
}

fn start(nodes: usize) -> RedisCluster {
    RedisCluster::start(nodes, &ServerOptions::new()).unwrap()
}

/// Looks again and again for something that happens in the background.
async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !happened() {
        assert!(start.elapsed() < 20 * SECOND, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One attempt at "r" that must not be won, because `held` is valid.
async fn nobody_gets_in(rival: &Redlock, held: &Lease) {
    let attempt = rival.try_acquire("r").await;
    assert!(!matches!(attempt, Ok(Some(_))), "two holders");
    assert!(held.is_valid(), "the test was too slow to show anything");
}

/// Two nodes hold the lease; one of them restarts empty, and its clock steps a minute forward just
/// after. It and the third node would be a quorum.
#[tokio::test(start_paused = true)]
async fn quarantine_survives_clock_step() {
    let cluster = MemoryCluster::new(3);
    let client = on_memory(&cluster, 1).ttl(MAX_TTL).max_ttl(MAX_TTL);
    let client = client.build().unwrap();
    let rival = on_memory(&cluster, 2).ttl(MAX_TTL).max_ttl(MAX_TTL);
    let rival = rival.build().unwrap();
    rival.acquire("elsewhere").await.unwrap().release().await;
    cluster.server(2).refuse();
    let lease = client.acquire("r").await.unwrap();
    cluster.server(2).up();
    cluster.server(1).restart(false);
    cluster
        .server(1)
        .step_clock_forward(Duration::from_secs(60));
    for _ in 0..20 {
        nobody_gets_in(&rival, &lease).await;
        tokio::time::sleep(SECOND).await;
    }
    // It votes again once a client has measured `max_ttl`.
    tokio::time::sleep(MAX_TTL - 19 * SECOND).await;
    assert!(!lease.is_valid());
    let next = rival.acquire("r").await.unwrap();
    assert_eq!(next.held(), 3);
}

#[tokio::test(start_paused = true)]
async fn memory_went_back() {
    let cluster = MemoryCluster::new(3);
    let rival = on_memory(&cluster, 2).build().unwrap();
    // What the rival has seen from the node is all that tells.
    rival.acquire("r").await.unwrap().release().await;
    let server = cluster.server(1);
    server.take_snapshot();
    rival.acquire("r").await.unwrap().release().await;
    tokio::time::sleep(SECOND).await;

    let client = on_memory(&cluster, 1).build().unwrap();
    cluster.server(2).refuse();
    let lease = client.acquire("r").await.unwrap();
    cluster.server(2).up();
    server.set_back();
    assert_eq!(server.owner_of(b"r"), None, "a lock was forgotten");
    nobody_gets_in(&rival, &lease).await;
    // From then on it votes for nobody, for as long as a lease may last.
    let third = on_memory(&cluster, 3).build().unwrap();
    nobody_gets_in(&third, &lease).await;
}

#[tokio::test(start_paused = true)]
async fn admit_only_new_cluster() {
    let cluster = MemoryCluster::never_admitted(3);
    let in_start_up_script = || async {
        let client = on_memory(&cluster, 1).build().unwrap();
        client.admit_new_cluster().await
    };
    // Not while a node does not answer: it may be the one that remembers.
    cluster.server(2).refuse();
    let error = in_start_up_script().await.unwrap_err();
    assert!(matches!(error, AdmitError::Unreachable { .. }), "{error}");
    cluster.server(2).up();
    in_start_up_script().await.unwrap();
    // Nor later, when all but one forgot.
    for index in [0, 1] {
        cluster.server(index).restart(false);
    }
    let error = in_start_up_script().await.unwrap_err();
    assert!(
        matches!(&error, AdmitError::NotNew { node } if node == "memory-2"),
        "{error}"
    );
    let client = on_memory(&cluster, 1).build().unwrap();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(matches!(error, AcquireError::Quarantined { .. }), "{error}");
}

#[tokio::test]
async fn admit_only_new_cluster_on_redis() {
    let cluster = start(3);
    let client = on_redis(&cluster).build().unwrap();
    client.admit_new_cluster().await.unwrap();
    cluster[0].command(&["FLUSHALL"]);
    cluster[1].command(&["FLUSHALL"]);
    let error = client.admit_new_cluster().await.unwrap_err();
    assert!(
        matches!(&error, AdmitError::NotNew { node } if node.ends_with(&cluster[2].port().to_string())),
        "{error}"
    );
}

/// Each node has a replica. One that holds the lease fails over to its replica, which loses the
/// lock, and back.
#[tokio::test]
async fn failover_and_back() {
    let options = ServerOptions::new().config("repl-diskless-sync-delay", "0");
    let cluster = RedisCluster::start(3, &options).unwrap();
    let replica = RedisServer::start(&options).unwrap();
    let follow = |server: &RedisServer, master: &RedisServer| {
        server.command(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    };
    let linked = |server: &RedisServer| server.info("master_link_status").as_deref() == Some("up");
    follow(&replica, &cluster[1]);
    eventually("the replica is attached", || linked(&replica)).await;

    // Without strict identity such a node is refused, and the reason says what to do.
    let client = on_redis(&cluster).build().unwrap();
    let report = client.preflight().await;
    let refused = Problem::Refused(Reason::HasReplicas(1));
    assert_eq!(report.nodes[1].findings[0].problem, refused);
    assert!(refused.advice().contains("strict_identity"));

    let strict = || on_redis(&cluster).strict_identity(true).build().unwrap();
    let (client, rival) = (strict(), strict());
    client.admit_new_cluster().await.unwrap();
    rival.acquire("elsewhere").await.unwrap().release().await;
    let lease = client.acquire("r").await.unwrap();
    let key: &[u8] = b"redlock:lock:r";
    let has_lock = |server: &RedisServer| server.command(&[b"EXISTS", key]) == redis::Value::Int(1);
    eventually("all granted", || cluster.iter().all(has_lock)).await;
    // The third might as well not have: then the one that fails over decides.
    cluster[2].command(&[b"DEL", key]);
    eventually("the replica has the lock", || has_lock(&replica)).await;

    replica.command(&["REPLICAOF", "NO", "ONE"]);
    replica.command(&[b"DEL", key]);
    follow(&cluster[1], &replica);
    eventually("the old master follows", || linked(&cluster[1])).await;
    cluster[1].command(&["REPLICAOF", "NO", "ONE"]);
    assert!(!has_lock(&cluster[1]), "the lock was lost");

    for _ in 0..20 {
        nobody_gets_in(&rival, &lease).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn eviction_refused() {
    let cluster = start(3);
    let client = on_redis(&cluster).build().unwrap();
    client.admit_new_cluster().await.unwrap();
    for server in [&cluster[0], &cluster[1]] {
        server.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    }
    let report = client.preflight().await;
    assert!(!report.is_ready(), "{report}");
    assert_eq!(report.voting(), 1, "{report}");
    assert!(report.to_string().contains("volatile-lru"), "{report}");
    // A new client's acquisitions are refused, with the reason.
    let new = on_redis(&cluster).build().unwrap();
    let error = new.try_acquire("r").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("volatile-lru"), "{error}");
}
