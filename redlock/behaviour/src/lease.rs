//! How a lease is prolonged, and how it ends.

use std::time::Duration;

use futures::{FutureExt as _, future};
use redlock::{AcquireError, ExtendError, TtlError};

use crate::cluster::{Cluster, IMPATIENT, LONG};

const SECOND: Duration = Duration::from_secs(1);

/// An extension moves the deadline and the keys' TTLs, and keeps the fencing token.
pub async fn extending_prolongs(cluster: &Cluster) {
    let client = cluster.client().await;
    let request = client.request("r").ttl(LONG / 2);
    let lease = request.acquire().await.unwrap();
    cluster.until_held_by_all(&lease).await;
    let (token, owner) = (lease.fencing_token(), lease.owner_token());
    lease.extend(LONG).await.unwrap();
    assert!(lease.remaining() > LONG / 2);
    assert_eq!((lease.fencing_token(), lease.owner_token()), (token, owner));
    cluster.until_held_by_all(&lease).await;
    for node in cluster.all() {
        assert!(cluster.nodes().ttl_of(node, "r").unwrap() > LONG / 2);
    }
}

/// An extension to less than what is left changes nothing.
pub async fn extending_never_shortens(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    lease.extend(SECOND).await.unwrap();
    assert!(lease.remaining() > LONG / 2);
    for node in cluster.all() {
        assert!(cluster.nodes().ttl_of(node, "r").unwrap() > LONG / 2);
    }
}

/// Keys that are gone are not set again: the lease is lost.
pub async fn extending_never_reacquires(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    for node in cluster.all() {
        cluster.nodes().delete(node, "r");
    }
    let error = lease.extend(LONG).await.unwrap_err();
    assert!(matches!(error, ExtendError::Lost(_)), "{error}");
    assert!(!lease.is_valid());
    assert_eq!(cluster.locked("r"), 0);
}

/// Nor is a lease that is past its deadline, though its keys may be gone for good reason.
pub async fn extending_an_expired_lease_fails(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let lease = client.acquire("r").await.unwrap();
    lease.lost().await;
    let error = lease.extend(cluster.nodes().short_ttl()).await;
    assert!(matches!(error, Err(ExtendError::Lost(_))), "{error:?}");
    cluster.until_free("r").await;
    assert!(!lease.is_valid());
}

/// The restart guard counts on the maximum, so nothing above it is even sent.
pub async fn a_ttl_above_the_maximum_is_refused(cluster: &Cluster) {
    let client = cluster.client().await;
    let above = LONG + SECOND;
    let error = client.request("r").ttl(above).acquire().await.unwrap_err();
    assert!(
        matches!(error, AcquireError::Ttl(TtlError::AboveMax { .. })),
        "{error}"
    );
    assert_eq!(cluster.locked("r"), 0);
    let request = client.request("r").ttl(LONG / 2);
    let lease = request.acquire().await.unwrap();
    cluster.until_held_by_all(&lease).await;
    let error = lease.extend(above).await.unwrap_err();
    assert!(matches!(error, ExtendError::Ttl(_)), "{error}");
    assert!(lease.is_valid());
    for node in cluster.all() {
        assert!(cluster.nodes().ttl_of(node, "r").unwrap() <= LONG / 2);
    }
}

/// An extension that fewer than q nodes confirm leaves the lease as it was, and can be tried again.
pub async fn a_failed_extension_keeps_the_lease(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    let request = client.request("r").ttl(LONG / 2);
    // The timeout is short for this machine perhaps, but not for long.
    let lease = request.acquire().await.unwrap();
    let silent = [0, 2, 4];
    for node in silent {
        cluster.nodes().stop(node);
    }
    let before = lease.remaining();
    let error = lease.extend(LONG).await.unwrap_err();
    assert!(matches!(error, ExtendError::Unknown { .. }), "{error}");
    assert!(lease.is_valid());
    assert!(lease.remaining() <= before, "the old deadline stands");
    for node in silent {
        cluster.nodes().resume(node);
    }
    cluster
        .until_asked("extended at last", async || {
            lease.extend(LONG).await.is_ok()
        })
        .await;
    assert!(lease.remaining() > before);
}

/// An extension whose confirmations are lost may have moved the keys, and never moves the deadline.
pub async fn a_lost_confirmation_moves_no_deadline(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    let request = client.request("r").ttl(LONG / 2);
    let lease = request.acquire().await.unwrap();
    cluster.until_held_by_all(&lease).await;
    for node in cluster.all() {
        cluster.nodes().lose_replies(node);
    }
    let before = lease.remaining();
    let prolonged = cluster.until("all nodes executed it", || {
        let left = |node| cluster.nodes().ttl_of(node, "r");
        cluster.all().all(|node| left(node) > Some(LONG / 2))
    });
    let (extended, ()) = future::join(lease.extend(LONG), prolonged).await;
    assert!(
        matches!(extended, Err(ExtendError::Unknown { .. })),
        "{extended:?}"
    );
    assert!(lease.is_valid());
    assert!(lease.remaining() <= before, "the old deadline stands");
    for node in cluster.all() {
        cluster.nodes().mend(node);
    }
    cluster
        .until_asked("extended at last", async || {
            lease.extend(LONG).await.is_ok()
        })
        .await;
    assert!(lease.remaining() > before);
}

/// A lease that is kept renewed lasts for as long as its nodes do.
pub async fn renewal_outlives_many_ttls(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let lease = client.acquire("r").await.unwrap();
    lease.keep_renewed();
    let token = lease.fencing_token();
    let rival = cluster.brief().build().unwrap();
    for _ in 0..6 {
        cluster.pass(cluster.nodes().short_ttl() / 2).await;
        assert!(lease.is_valid());
        assert!(rival.try_acquire("r").await.unwrap().is_none());
    }
    assert_eq!(lease.fencing_token(), token);
    assert!(lease.release().await.freed);
    cluster.until_free("r").await;
}

/// Nodes that hang for a part of a TTL cost a lease nothing that is kept renewed.
pub async fn renewal_survives_an_outage(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    lease.keep_renewed();
    let ttl = cluster.nodes().short_ttl();
    for node in cluster.all() {
        cluster.nodes().stop(node);
    }
    // The first renewal is due after a third, and is not answered.
    cluster.pass(ttl * 2 / 5).await;
    for node in cluster.all() {
        cluster.nodes().resume(node);
    }
    cluster.pass(ttl).await;
    assert!(lease.is_valid());
}

/// The deadline needs nobody to answer: with every node hanging and a renewal under way, the holder hears of it
/// at most 100 ms late. The loss is final, though the nodes come back with its keys.
pub async fn loss_is_told_by_the_deadline_and_is_final(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    for node in cluster.all() {
        cluster.nodes().stop(node);
    }
    lease.keep_renewed();
    let (start, remaining) = (cluster.runtime().monotonic(), lease.remaining());
    lease.lost().await;
    let waited = cluster.since(start);
    assert!(!lease.is_valid());
    // Where another clock was ahead by as much.
    let early = Duration::from_millis(1);
    assert!(waited + early >= remaining, "{waited:?} of {remaining:?}");
    let latest = remaining + SECOND / 10 + cluster.nodes().lateness();
    assert!(waited <= latest, "{waited:?} of {remaining:?}");
    for node in cluster.all() {
        cluster.nodes().resume(node);
    }
    cluster.pass(SECOND / 10).await;
    assert!(!lease.is_valid());
    assert_eq!(lease.remaining(), Duration::ZERO);
    let error = lease.extend(cluster.nodes().short_ttl()).await;
    assert!(matches!(error, Err(ExtendError::Lost(_))), "{error:?}");
}

/// Nodes that say "not yours" end a lease before its deadline.
pub async fn loss_is_told_when_the_keys_are_gone(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    assert!(lease.lost().now_or_never().is_none());
    for node in [0, 1] {
        cluster.nodes().delete(node, "r");
    }
    let (_, extended) = future::join(lease.lost(), lease.extend(LONG)).await;
    assert!(
        matches!(extended, Err(ExtendError::Lost(_))),
        "{extended:?}"
    );
    assert!(!lease.is_valid());
}

/// Leases are not renewed beyond the age that the client allows.
pub async fn max_lifetime_ends_renewal(cluster: &Cluster) {
    let ttl = cluster.nodes().short_ttl();
    let client = cluster
        .admitted(cluster.brief().max_lifetime(2 * ttl))
        .await;
    let lease = client.acquire("r").await.unwrap();
    let start = cluster.runtime().monotonic();
    lease.keep_renewed();
    lease.lost().await;
    let lived = cluster.since(start);
    assert!(lived > ttl, "{lived:?}: it was renewed");
    let latest = 2 * ttl + SECOND / 10 + cluster.nodes().lateness();
    assert!(lived <= latest, "{lived:?}");
}
