//! What arrives late, and what goes missing.

use super::support::*;

#[tokio::test]
async fn release_other_owner() {
    let (cluster, client) = admitted(3).await;
    let lease = client.acquire("r").await.unwrap();
    for server in cluster.iter() {
        server.command(&["SET", "redlock:lock:r", "somebody else", "PX", "60000"]);
    }
    lease.release().await;
    assert!(cluster.iter().all(|server| is_locked(server, "r")));
}

#[tokio::test]
async fn late_grant_released() {
    let (cluster, _) = admitted(3).await;
    let slow = Proxy::to(&cluster[2]).unwrap();
    let urls = [cluster[0].url(), cluster[1].url(), slow.url()];
    let client = builder(urls).node_timeout(SECOND / 2).build().unwrap();
    connected(&client).await;
    // The acquire call is kept in the network until after the decision.
    let held = slow.next_request("redlock:lock:r");
    slow.requests(Flow::Hold);
    let lease = client.acquire("r").await.unwrap();
    held.held().await;
    assert_eq!(lease.held(), 2);
    // Past its decision deadline its release is queued behind it on the same connection.
    let report = || lease.report().nodes[2].answer.clone();
    eventually("the slow node's call timed out", || {
        matches!(report(), Some(Answer::Unknown(Reason::TimedOut(_))))
    })
    .await;
    slow.pass();
    client.shutdown(5 * SECOND).await;
    assert!(!is_locked(&cluster[2], "r"), "released after its SET");
    assert!(is_locked(&cluster[0], "r") && lease.is_valid());
    assert_eq!(lease.held(), 2, "and never counted");
}

#[tokio::test]
async fn lost_reply_released() {
    let (cluster, _) = admitted(3).await;
    let deaf = Proxy::to(&cluster[2]).unwrap();
    let urls = [cluster[0].url(), cluster[1].url(), deaf.url()];
    let client = builder(urls).node_timeout(SECOND / 2).build().unwrap();
    connected(&client).await;
    let swallowed = deaf.next_reply_to("redlock:lock:r");
    deaf.replies_to("redlock:lock:r", Flow::Swallow);
    cluster[1].stop();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    swallowed.swallowed().await;
    cluster[1].cont();
    deaf.pass();
    eventually("the node whose reply was lost is free", || {
        !is_locked(&cluster[2], "r")
    })
    .await;
}

#[tokio::test]
async fn release_after_cancel() {
    let (cluster, _) = admitted(3).await;
    let proxies: Vec<_> = cluster
        .iter()
        .map(|server| Proxy::to(server).unwrap())
        .collect();
    let client = builder(proxies.iter().map(Proxy::url))
        .node_timeout(SECOND / 2)
        .build()
        .unwrap();
    connected(&client).await;
    let swallowed: Vec<_> = proxies
        .iter()
        .map(|proxy| {
            proxy.replies(Flow::Hold);
            proxy.next_reply_to("redlock:lock:r")
        })
        .collect();
    {
        let mut acquiring = std::pin::pin!(client.acquire("r"));
        assert!(is_outstanding(acquiring.as_mut()).await);
        future::join_all(swallowed.iter().map(|reply| reply.held())).await;
        assert!(cluster.iter().all(|server| is_locked(server, "r")));
    }
    for proxy in &proxies {
        proxy.pass();
    }
    eventually("the cancelled acquisition left nothing", || {
        cluster.iter().all(|server| !is_locked(server, "r"))
    })
    .await;
}

/// Dropping a lease on every kind of runtime, outside of one, during shutdown and during a panic.
#[test]
fn drop_everywhere() {
    let cluster = start(3);
    let client = || builder(cluster.urls()).build().unwrap();
    let free = |resource: &str| {
        let start = Instant::now();
        while cluster.iter().any(|server| is_locked(server, resource)) {
            assert!(start.elapsed() < 5 * SECOND, "{resource} was not released");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let current = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let multi = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    current().block_on(async { client().admit_new_cluster().await.unwrap() });

    let runtime = current();
    let one = client();
    runtime.block_on(async {
        drop(one.acquire("current_thread").await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    });
    free("current_thread");

    let two = client();
    multi.block_on(async { drop(two.acquire("multi_thread").await.unwrap()) });
    free("multi_thread");

    let outside = multi.block_on(two.acquire("outside")).unwrap();
    drop(outside);
    free("outside");

    let other_thread = multi.block_on(two.acquire("other thread")).unwrap();
    std::thread::spawn(move || drop(other_thread))
        .join()
        .unwrap();
    free("other thread");

    let panicking = multi.block_on(two.acquire("panic")).unwrap();
    let panicked = std::thread::spawn(move || {
        let _lease = panicking;
        panic!("on purpose");
    });
    assert!(panicked.join().is_err());
    free("panic");

    // The runtime is gone: nothing can be sent, and dropping neither blocks nor panics.
    let runtime = current();
    let three = client();
    let orphan = runtime
        .block_on(three.request("orphan").ttl(SECOND).acquire())
        .unwrap();
    drop(runtime);
    drop(orphan);
    drop(three);
    free("orphan");

    // During the shutdown of its runtime.
    let runtime = current();
    let four = Arc::new(client());
    runtime.block_on(async {
        let lease = four
            .request("in a task")
            .ttl(SECOND)
            .acquire()
            .await
            .unwrap();
        tokio::spawn(async move {
            let _lease = lease;
            future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    });
    drop(runtime);
    free("in a task");
    // The same client goes on under another runtime.
    multi.block_on(async { drop(four.acquire("another runtime").await.unwrap()) });
    free("another runtime");
}
