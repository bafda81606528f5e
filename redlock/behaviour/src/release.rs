//! What is left behind: nothing, and nothing of anybody else is touched.

use std::{pin::pin, time::Duration};

use futures::{FutureExt as _, future};
use redlock::{AcquireError, ExtendError};

use crate::cluster::{Cluster, IMPATIENT, LONG};

const SECOND: Duration = Duration::from_secs(1);

/// Releasing twice, or after the end, is no error.
pub async fn releasing_twice_is_fine(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let lease = client.acquire("r").await.unwrap();
    assert!(lease.release().await.freed);
    assert!(lease.release().await.freed);
    let expired = client.acquire("r").await.unwrap();
    expired.lost().await;
    cluster.until_free("r").await;
    let report = expired.release().await;
    assert!(report.freed, "{report}");
}

/// A holder that comes late finds somebody else's key, and leaves it alone.
pub async fn releasing_leaves_another_owner_alone(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let old = client.acquire("r").await.unwrap();
    old.lost().await;
    let rival = cluster.brief().build().unwrap();
    let new = rival.acquire("r").await.unwrap();
    new.keep_renewed();
    cluster.until_held_by_all(&new).await;
    old.release().await;
    drop(old);
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert!(new.is_valid());
    assert!(cluster.all().all(|node| cluster.holds(node, &new)));
}

/// A lease that is dropped is released in the background.
pub async fn a_dropped_lease_is_released(cluster: &Cluster) {
    let client = cluster.client().await;
    drop(client.acquire("r").await.unwrap());
    cluster.until_free("r").await;
    let request = client.request("r").within(SECOND);
    assert!(request.acquire().await.unwrap().is_valid());
}

/// An acquisition that nobody waits for any more leaves nothing, whether or not nodes had executed it.
pub async fn a_cancelled_acquisition_leaves_nothing(cluster: &Cluster) {
    let client = cluster.client().await;
    // Before any node got to know of it.
    for node in cluster.all() {
        cluster.nodes().hold_requests(node);
    }
    assert!(client.acquire("r").now_or_never().is_none());
    for node in cluster.all() {
        cluster.nodes().mend(node);
    }
    // Between the grants and their replies.
    for node in cluster.all() {
        cluster.nodes().lose_replies(node);
    }
    {
        let mut acquiring = pin!(client.acquire("q"));
        let granted = pin!(cluster.until("all nodes granted", || {
            cluster.locked("q") == cluster.all().len()
        }));
        let ended = future::select(&mut acquiring, granted).await;
        assert!(matches!(ended, future::Either::Right(_)), "it was answered");
    }
    for node in cluster.all() {
        cluster.nodes().mend(node);
    }
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert_eq!((cluster.locked("r"), cluster.locked("q")), (0, 0));
}

/// A call whose reply was lost was perhaps executed: its node is sent a release like those that granted.
pub async fn a_lost_reply_is_released(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    for node in cluster.all() {
        cluster.nodes().lose_replies(node);
    }
    let attempt = pin!(client.try_acquire("r"));
    let executed = pin!(cluster.until("all nodes executed it", || {
        cluster.locked("r") == cluster.all().len()
    }));
    let (attempt, ()) = future::join(attempt, executed).await;
    let error = attempt.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    // Behind the call on its connection, whether or not anybody hears of it.
    cluster.until_free("r").await;
    for node in cluster.all() {
        cluster.nodes().mend(node);
    }
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
}

/// A node that was down while its key was released is told when it is back, if it still has it.
pub async fn a_release_waits_for_a_node_that_is_down(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    cluster.nodes().kill(1);
    let report = lease.release().await;
    assert!(report.freed, "two of three are enough: {report}");
    let report = client.shutdown(SECOND).await;
    assert_eq!(report.undelivered.len(), 1, "{report}");
    cluster.nodes().start(1);
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert_eq!(cluster.locked("r"), 0);
}

/// An attempt that got one node of three does not stand in its own way.
pub async fn a_partial_grant_does_not_block_the_retry(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    for node in [0, 1] {
        cluster.nodes().stop(node);
    }
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    // Node 2 granted; without its vote and with node 1 still hanging there is no quorum.
    cluster.nodes().resume(0);
    let lease = client.acquire("r").await.unwrap();
    assert!(cluster.holds(0, &lease) && cluster.holds(2, &lease));
    cluster.nodes().resume(1);
}

/// A release wins over a renewal that is under way: no key comes back.
pub async fn a_release_wins_over_an_extension(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    for node in cluster.all() {
        cluster.nodes().hold_requests(node);
    }
    let releasing = async {
        let released = lease.release();
        for node in cluster.all() {
            cluster.nodes().mend(node);
        }
        released.await
    };
    let (extended, released) = future::join(lease.extend(LONG), releasing).await;
    assert!(
        matches!(extended, Err(ExtendError::Released)),
        "{extended:?}"
    );
    assert!(released.freed, "{released}");
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert_eq!(cluster.locked("r"), 0);
}

/// A client that is shut down has delivered what was dropped, takes on nothing new, and leaves holders alone.
pub async fn shutdown_drains(cluster: &Cluster) {
    let client = cluster.client().await;
    let kept = client.acquire("kept").await.unwrap();
    for index in 0..20 {
        drop(client.acquire(format!("r{index}")).await.unwrap());
    }
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert!((0..20).all(|index| cluster.locked(&format!("r{index}")) == 0));
    let error = client.acquire("q").await.unwrap_err();
    assert!(matches!(error, AcquireError::ShutDown), "{error}");
    assert!(kept.is_valid());
    assert!(kept.release().await.freed);
}

/// What a shutdown could not deliver is named, and delivered later.
pub async fn shutdown_names_what_is_undelivered(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    cluster.nodes().stop(1);
    drop(lease);
    cluster
        .until("the others are free", || {
            [0, 2]
                .iter()
                .all(|node| cluster.nodes().owner_of(*node, "r").is_none())
        })
        .await;
    let report = client.shutdown(SECOND).await;
    assert_eq!(report.undelivered.len(), 1, "{report}");
    let release = &report.undelivered[0];
    assert_eq!((release.resource.as_str(), release.freed), ("r", true));
    assert_eq!(release.nodes.len(), 1);
    assert!(
        release.nodes[0].contains(&cluster.nodes().name(1)),
        "{report}"
    );
    cluster.nodes().resume(1);
    let report = client.shutdown(LONG).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(cluster.locked("r"), 0);
}
