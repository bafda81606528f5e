//! What a client leaves behind after a long life: nothing.
//!
//! `REDLOCK_CYCLES` sets how many cycles the long run makes: the default takes some seconds. A million
//! (release build, five redis-servers, two cores that builds shared) took 71 s; the process had 11.0, 11.0, 12.2
//! and 11.9 MiB resident after each quarter, and 26 descriptors throughout.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, on real time where servers are real"
)]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use futures::future;
use redlock::{Lease, Redlock};
use redlock_testkit::{RedisCluster, ServerOptions};

/// One test at a time: both look at the whole process.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What the operating system says of this process.
#[derive(Clone, Copy, Debug)]
struct Footprint {
    resident_kib: u64,
    descriptors: usize,
}

impl Footprint {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        let resident_kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        Self {
            resident_kib,
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
        }
    }
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

async fn client_of(cluster: &RedisCluster) -> Redlock {
    let client = Redlock::builder().nodes(cluster.urls()).build().unwrap();
    client.admit_new_cluster().await.unwrap();
    client
}

/// Keys of locks on a server; the guard record is one more key.
fn locks(cluster: &RedisCluster, index: usize) -> i64 {
    match cluster[index].command(&["DBSIZE"]) {
        redis::Value::Int(keys) => keys - 1,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_and_tasks_are_flat_over_many_cycles_while_a_node_comes_and_goes() {
    let _alone = ALONE.lock().await;
    let cycles: usize = match std::env::var("REDLOCK_CYCLES") {
        Ok(cycles) => cycles.parse().expect("REDLOCK_CYCLES is a number"),
        Err(_) => 20_000,
    };
    let cluster = RedisCluster::start(5, &ServerOptions::new()).unwrap();
    let client = client_of(&cluster).await;
    let (done, tasks_before) = (AtomicBool::new(false), tasks());
    let coming_and_going = async {
        while !done.load(Ordering::Relaxed) {
            cluster[4].kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            cluster[4].restart_empty().unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let cycling = async {
        let quarter = async |part: usize| {
            let work = (0..16).map(|task| {
                let client = &client;
                async move {
                    for index in 0..cycles / 4 / 16 {
                        let lease = client
                            .acquire(format!("{part}:{task}:{index}"))
                            .await
                            .unwrap();
                        // Half are released, half just dropped.
                        if index % 2 == 0 {
                            lease.release().await;
                        }
                    }
                }
            });
            future::join_all(work).await;
            Footprint::now()
        };
        let mut footprints = Vec::new();
        for part in 0..4 {
            footprints.push(quarter(part).await);
        }
        done.store(true, Ordering::Relaxed);
        footprints
    };
    let (footprints, ()) = future::join(cycling, coming_and_going).await;
    println!("{cycles} cycles, after each quarter: {footprints:?}");
    // Allocators and queues have found their size after the first quarter.
    let (first, last) = (footprints[0], footprints[3]);
    assert!(
        last.resident_kib < first.resident_kib + 8 * 1024,
        "memory grew: {footprints:?}"
    );
    assert!(last.descriptors <= first.descriptors + 4, "{footprints:?}");
    let report = client.shutdown(Duration::from_secs(15)).await;
    assert!(report.is_clean(), "{report}");
    for index in 0..4 {
        assert_eq!(locks(&cluster, index), 0, "locks left on node {index}");
    }
    drop(client);
    let start = Instant::now();
    while tasks() > tasks_before && start.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        tasks() <= tasks_before,
        "{} tasks are left of {tasks_before}",
        tasks()
    );
}

#[tokio::test]
async fn ten_thousand_leases_dropped_at_once_are_released_in_batches() {
    const LEASES: usize = 10_000;
    let _alone = ALONE.lock().await;
    let cluster = RedisCluster::start(3, &ServerOptions::new()).unwrap();
    client_of(&cluster).await;
    let client = Redlock::builder()
        .nodes(cluster.urls())
        .ttl(Duration::from_secs(25))
        .max_ttl(Duration::from_secs(30))
        // However slow this machine and its debug build are.
        .node_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    let mut leases: Vec<Lease> = Vec::with_capacity(LEASES);
    for chunk in 0..LEASES / 100 {
        let batch = (0..100).map(|index| client.acquire(format!("{chunk}:{index}")));
        leases.extend(
            future::join_all(batch)
                .await
                .into_iter()
                .map(Result::unwrap),
        );
    }
    assert!(locks(&cluster, 1) >= i64::try_from(LEASES).unwrap());
    let reads = || -> u64 {
        cluster[1]
            .info("total_reads_processed")
            .unwrap()
            .parse()
            .unwrap()
    };
    let before = reads();
    drop(leases);
    // A new acquisition does not wait for them: it returns while most are still to be released.
    let lease = client.acquire("while releasing").await.unwrap();
    let left = locks(&cluster, 1);
    assert!(left > 1_000, "{left} were left to release");
    drop(lease);
    let report = client.shutdown(Duration::from_secs(20)).await;
    assert!(report.is_clean(), "{report}");
    for index in 0..3 {
        assert_eq!(locks(&cluster, index), 0, "locks left on node {index}");
    }
    let writes = reads() - before;
    assert!(writes < 2_000, "{LEASES} releases took {writes} writes");
}
