//! Who gets the lock, and when.

use std::time::Duration;

use futures::future;
use redlock::{AcquireError, Redlock};

use crate::cluster::{Cluster, IMPATIENT, LONG};

const SECOND: Duration = Duration::from_secs(1);

/// A lease is the same owner token on the nodes; released, nothing of it is left.
pub async fn a_lease_is_acquired_and_released(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    assert!(lease.is_valid());
    assert!(lease.remaining() < LONG, "less than the TTL");
    assert!(lease.fencing_token().as_u64() > 0);
    cluster.until_held_by_all(&lease).await;
    assert!(cluster.all().all(|node| cluster.holds(node, &lease)));
    let report = lease.release().await;
    assert!(report.freed, "{report}");
    assert!(!lease.is_valid());
    cluster.until_free("r").await;
    let next = client.try_acquire("r").await.unwrap().unwrap();
    assert_ne!(next.owner_token(), lease.owner_token());
}

/// Of two clients, one holds a resource; other resources are nobody's business.
pub async fn two_clients_exclude_each_other(cluster: &Cluster) {
    let one = cluster.client().await;
    let other = cluster.rival();
    for (holder, rival) in [(&one, &other), (&other, &one)] {
        let held = holder.acquire("r").await.unwrap();
        assert!(rival.try_acquire("r").await.unwrap().is_none());
        assert!(rival.try_acquire("q").await.unwrap().is_some());
        assert!(held.is_valid());
        assert!(held.release().await.freed);
        cluster.until_free("q").await;
    }
}

/// Many ask at the same time: never two hold it, and all get it in the end.
pub async fn contenders_take_turns(cluster: &Cluster) {
    let first = cluster.client().await;
    let clients: Vec<Redlock> = std::iter::once(first)
        .chain((1..4).map(|_| cluster.rival()))
        .collect();
    let holders = std::cell::Cell::new(0_u32);
    let turns = clients.iter().map(async |client| {
        for _ in 0..3 {
            let lease = client.acquire("r").await.unwrap();
            holders.set(holders.get() + 1);
            assert_eq!(holders.get(), 1, "two holders");
            cluster.pass(Duration::from_millis(3)).await;
            assert!(lease.is_valid());
            holders.set(holders.get() - 1);
            lease.release().await;
        }
    });
    future::join_all(turns).await;
}

/// One attempt at what is held, by the holder's client too, says so and changes nothing.
pub async fn one_attempt_says_that_it_is_held(cluster: &Cluster) {
    let client = cluster.client().await;
    let held = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&held).await;
    for client in [&client, &cluster.rival()] {
        assert!(client.try_acquire("r").await.unwrap().is_none());
        assert!(client.shutdown(LONG).await.is_clean());
    }
    assert!(cluster.all().all(|node| cluster.holds(node, &held)));
    assert!(held.is_valid());
}

/// A waiter is given the lock once its holder released it, with a validity of its own.
pub async fn a_waiter_gets_it_after_the_release(cluster: &Cluster) {
    let client = cluster.client().await;
    let held = client.acquire("r").await.unwrap();
    let rival = cluster.rival();
    let waiting = async {
        let lease = rival.acquire("r").await.unwrap();
        assert!(!held.is_valid(), "two holders");
        lease
    };
    let releasing = async {
        cluster.pass(SECOND).await;
        assert!(held.is_valid());
        held.release().await;
    };
    let (lease, ()) = future::join(waiting, releasing).await;
    assert!(lease.is_valid());
    assert!(lease.fencing_token() > held.fencing_token());
}

/// A holder that says nothing any more is waited out, and not a moment less.
pub async fn a_waiter_gets_it_after_the_expiry(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let held = client.acquire("r").await.unwrap();
    let rival = cluster.brief().build().unwrap();
    let lease = rival.acquire("r").await.unwrap();
    assert!(!held.is_valid(), "two holders");
    assert!(lease.fencing_token() > held.fencing_token());
}

/// Who waits in vain is told for how long and how often.
pub async fn a_wait_in_vain_ends_with_contended(cluster: &Cluster) {
    let client = cluster.client().await;
    let held = client.acquire("r").await.unwrap();
    let rival = cluster.rival();
    let error = rival.request("r").within(SECOND).acquire().await;
    let error = error.unwrap_err();
    assert!(error.is_contended(), "{error}");
    let latest = SECOND + cluster.nodes().lateness();
    assert!(
        matches!(error, AcquireError::Contended { attempts: 2.., waited, .. } if waited <= latest),
        "{error:?}"
    );
    assert!(held.is_valid());
    // Nothing of its attempts is left to block anybody.
    held.release().await;
    assert!(client.acquire("r").await.unwrap().is_valid());
}

/// Tokens grow from holder to holder, whichever majority grants: the plain maximum of the nodes' own counters does
/// not, through nodes 12, 13, 12, 13, 23.
pub async fn fencing_tokens_grow_through_any_majority(cluster: &Cluster) {
    cluster.client().await;
    let mut last = None;
    for left_out in [2, 1, 2, 1, 0] {
        cluster.nodes().stop(left_out);
        let client = cluster.lasting().node_timeout(10 * IMPATIENT);
        let client = client.build().unwrap();
        let lease = client.acquire("r").await.unwrap();
        assert!(Some(lease.fencing_token()) > last);
        last = Some(lease.fencing_token());
        lease.release().await;
        cluster.nodes().resume(left_out);
        assert!(client.shutdown(LONG).await.is_clean());
    }
}

/// Whatever of the protection is switched off, or on in addition, one holds it at a time.
pub async fn every_choice_of_protection_excludes(cluster: &Cluster) {
    for (fencing, guard, strict) in [
        (true, true, true),
        (false, true, false),
        (true, false, false),
        (false, false, false),
    ] {
        let with = || {
            cluster
                .lasting()
                .prefix(format!("p-{fencing}-{guard}-{strict}"))
                .fencing(fencing)
                .restart_guard(guard)
                .strict_identity(strict)
        };
        let client = cluster.admitted(with()).await;
        let rival = with().build().unwrap();
        let held = client.acquire("r").await.unwrap();
        assert!(rival.try_acquire("r").await.unwrap().is_none());
        held.extend(LONG).await.unwrap();
        assert!(held.release().await.freed);
        let next = rival.acquire("r").await.unwrap();
        assert!(client.try_acquire("r").await.unwrap().is_none());
        assert_eq!(next.fencing_token().as_u64() > 0, fencing);
        assert_eq!(next.fencing_token() > held.fencing_token(), fencing);
    }
}

/// Two resources never share a key, whatever their names are made of.
pub async fn resources_never_share_a_key(cluster: &Cluster) {
    let client = cluster.client().await;
    let long = [b'x'; 4_096];
    let resources: [&[u8]; 12] = [
        b"a",
        b"a:",
        b":a",
        b"a:bc",
        b"ab:c",
        b"\0",
        b"\0\0",
        b"\r\n",
        b"\xff\xfe",
        b"guard",
        &long,
        &long[1..],
    ];
    let attempts = resources.map(|resource| client.try_acquire(resource));
    for lease in future::join_all(attempts).await {
        let lease = lease.unwrap();
        assert!(lease.is_some_and(|lease| lease.is_valid()));
    }
    for unusable in [&b""[..], &[b'x'; 1 << 16]] {
        let error = client.try_acquire(unusable).await.unwrap_err();
        assert!(matches!(error, AcquireError::Resource(_)), "{error}");
    }
}
