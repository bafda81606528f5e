//! Nodes that forget, and what they may decide afterwards.

use redlock::{AcquireError, AdmitError, Answer, ExtendError, Lease, Reason, Redlock};

use crate::cluster::{Cluster, LONG, answer};

/// Of three nodes, one forgets the lease and a second never had it: together they would be a quorum. The first does not
/// vote.
async fn a_forgetful_node_does_not_vote(cluster: &Cluster, forget: impl FnOnce()) {
    let client = cluster.client().await;
    let rival = cluster.rival();
    let elsewhere = rival.acquire("elsewhere").await.unwrap();
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    cluster.nodes().delete(2, "r");
    forget();
    assert_eq!(cluster.nodes().owner_of(1, "r"), None, "it forgot");
    for _ in 0..10 {
        for client in [&rival, &cluster.rival()] {
            nobody_gets_in(client, &lease).await;
        }
        cluster.pass(std::time::Duration::from_millis(20)).await;
    }
    assert!(elsewhere.is_valid(), "nor does what others hold end");
}

async fn nobody_gets_in(rival: &Redlock, held: &Lease) {
    let attempt = rival.try_acquire("r").await;
    assert!(!matches!(attempt, Ok(Some(_))), "two holders");
    assert!(held.is_valid());
}

/// A node that restarted without its data does not vote.
pub async fn a_node_restarted_empty_does_not_vote(cluster: &Cluster) {
    a_forgetful_node_does_not_vote(cluster, || {
        cluster.nodes().kill(1);
        cluster.nodes().start(1);
    })
    .await;
}

/// A node that was flushed does not vote, although neither its connections nor its identity changed.
pub async fn a_flushed_node_does_not_vote(cluster: &Cluster) {
    a_forgetful_node_does_not_vote(cluster, || cluster.nodes().flush(1)).await;
}

/// Nodes that restarted empty vote again after `max_ttl`, and not before.
pub async fn restarted_nodes_vote_after_max_ttl(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let before = client.acquire("r").await.unwrap();
    assert!(before.release().await.freed);
    let start = cluster.runtime().monotonic();
    for node in cluster.all() {
        cluster.nodes().kill(node);
        cluster.nodes().start(node);
    }
    votes_after_max_ttl(cluster, &client, start).await;
}

/// So do nodes that were flushed.
pub async fn flushed_nodes_vote_after_max_ttl(cluster: &Cluster) {
    let client = cluster.admitted(cluster.brief()).await;
    let before = client.acquire("r").await.unwrap();
    assert!(before.release().await.freed);
    let start = cluster.runtime().monotonic();
    for node in cluster.all() {
        cluster.nodes().flush(node);
    }
    votes_after_max_ttl(cluster, &client, start).await;
}

/// Nobody acquires anything while nodes are quarantined. A client that is there and does nothing measures the time and proves
/// it by itself: whoever comes then finds nodes that vote.
pub async fn an_idle_client_ends_a_quarantine(cluster: &Cluster) {
    let idle = cluster.admitted(cluster.brief()).await;
    let before = idle.acquire("r").await.unwrap();
    assert!(before.release().await.freed);
    let start = cluster.runtime().monotonic();
    for node in cluster.all() {
        cluster.nodes().kill(node);
        cluster.nodes().start(node);
    }
    // Each of these has measured nothing, and is gone before it could.
    let late = || cluster.brief().build().unwrap();
    let max_ttl = cluster.nodes().short_ttl();
    cluster.pass(max_ttl).await;
    cluster
        .until_asked("a quorum votes", async || {
            late().preflight().await.is_ready()
        })
        .await;
    let waited = cluster.since(start);
    assert!(waited >= max_ttl, "{waited:?} of {max_ttl:?}");
    assert!(late().try_acquire("r").await.unwrap().is_some());
    drop(idle);
}

async fn votes_after_max_ttl(cluster: &Cluster, client: &Redlock, start: std::time::Duration) {
    let lease = client.acquire("r").await.unwrap();
    let waited = cluster.since(start);
    let max_ttl = cluster.nodes().short_ttl();
    assert!(waited >= max_ttl, "{waited:?} of {max_ttl:?}");
    assert!(lease.is_valid());
}

/// Nobody can tell a node that kept everything from one that lost its last writes, so it does not vote either. But it
/// confirms what it holds.
pub async fn a_node_restarted_with_its_data_confirms_and_does_not_vote(cluster: &Cluster) {
    let client = cluster.client().await;
    let request = client.request("r").ttl(LONG / 2);
    let lease = request.acquire().await.unwrap();
    cluster.until_held_by_all(&lease).await;
    cluster.nodes().kill(1);
    cluster.nodes().start(1);
    cluster
        .until_asked("the node confirmed an extension", async || {
            let extended = lease.extend(LONG).await.is_ok();
            extended && lease.held() == 3
        })
        .await;
    assert!(cluster.holds(1, &lease));
    assert!(cluster.nodes().ttl_of(1, "r").unwrap() > LONG / 2);
    // Once more, so that nothing of its connecting is in the way.
    cluster
        .until_asked("the node said that it is quarantined", async || {
            let other = client.acquire("other").await.unwrap();
            let told = answer(&other, 1);
            assert!(!matches!(told, Some(Answer::Granted { .. })), "it voted");
            other.release().await;
            matches!(told, Some(Answer::Quarantined { .. }))
        })
        .await;
}

/// A cluster is put into service once: not while a node is silent, not again, and not when all nodes but one forgot.
pub async fn only_a_new_cluster_is_admitted(cluster: &Cluster) {
    let client = cluster.rival();
    cluster.nodes().kill(2);
    let error = client.admit_new_cluster().await.unwrap_err();
    assert!(matches!(error, AdmitError::Unreachable { .. }), "{error}");
    assert!(
        error.to_string().contains(&cluster.nodes().name(2)),
        "{error}"
    );
    cluster.nodes().start(2);
    cluster
        .until_asked("admitted", async || {
            client.admit_new_cluster().await.is_ok()
        })
        .await;
    assert!(client.acquire("r").await.unwrap().is_valid());
    for node in [0, 1] {
        cluster.nodes().flush(node);
    }
    // One that knows nothing of the nodes finds the one that remembers, and one that knows them asks no further.
    let error = cluster.rival().admit_new_cluster().await.unwrap_err();
    let remembers = cluster.nodes().name(2);
    assert!(
        matches!(&error, AdmitError::NotNew { node } if node.contains(&remembers)),
        "{error}"
    );
    let error = client.admit_new_cluster().await.unwrap_err();
    assert!(matches!(error, AdmitError::NotNew { .. }), "{error}");
}

/// Nobody can tell a new node from one that forgot: without the call of the first deployment it is quarantined like
/// any other, the error says what to do, and waiting helps too.
pub async fn an_unknown_cluster_is_quarantined(cluster: &Cluster) {
    let client = cluster.brief().build().unwrap();
    let start = cluster.runtime().monotonic();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(matches!(error, AcquireError::Quarantined { .. }), "{error}");
    assert!(error.to_string().contains("admit_new_cluster"), "{error}");
    assert!(!client.preflight().await.is_ready());
    votes_after_max_ttl(cluster, &client, start).await;
    assert!(client.preflight().await.is_ready());
    let error = client.admit_new_cluster().await.unwrap_err();
    assert!(matches!(error, AdmitError::NotNew { .. }), "{error}");
}

/// A client that was told something else than the nodes is refused, by the name of the setting; the others go on.
pub async fn settings_that_disagree_are_refused_by_name(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    let other = cluster.lasting().max_ttl(LONG * 2).stripes(7);
    let other = other.build().unwrap();
    let error = other.try_acquire("q").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    for said in [
        "max_ttl_ms is 120000 here and 60000 on the node",
        "stripes is 7 here and 256 on the node",
    ] {
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(cluster.locked("q"), 0);
    lease.extend(LONG).await.unwrap();
    assert!(client.acquire("q").await.unwrap().is_valid());
}

/// Settings are replaced on purpose only: every node is quarantined for it, what was held ends as it would have, and
/// clients with the old settings are refused from then on.
pub async fn replacing_settings_starts_anew(cluster: &Cluster) {
    let old = cluster.admitted(cluster.brief()).await;
    let held = old.acquire("r").await.unwrap();
    let new = cluster.brief().stripes(7).build().unwrap();
    let start = cluster.runtime().monotonic();
    new.replace_settings().await.unwrap();
    let error = old.try_acquire("q").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    let error = held.extend(cluster.nodes().short_ttl()).await;
    assert!(error.is_err(), "{error:?}");
    let error = new.try_acquire("q").await.unwrap_err();
    assert!(matches!(error, AcquireError::Quarantined { .. }), "{error}");
    votes_after_max_ttl(cluster, &new, start).await;
    assert!(!held.is_valid());
}

/// A preflight says who votes, and that fewer than a quorum is not enough.
pub async fn preflight_counts_the_votes(cluster: &Cluster) {
    let client = cluster.client().await;
    let report = client.preflight().await;
    assert_eq!((report.voting(), report.is_ready()), (3, true), "{report}");
    cluster.nodes().kill(2);
    let report = client.preflight().await;
    assert_eq!((report.voting(), report.is_ready()), (2, true), "{report}");
    assert!(report.nodes[2].facts.is_err(), "{report}");
    cluster.nodes().flush(0);
    let report = client.preflight().await;
    assert_eq!((report.voting(), report.is_ready()), (1, false), "{report}");
}

/// A node that forgot a lease costs it slack; when the nodes that remember it are fewer than a quorum, it is lost at
/// once, though its deadline is far away.
pub async fn forgetful_nodes_cost_slack_and_then_the_lease(cluster: &Cluster) {
    let client = cluster.client().await;
    let lease = client.acquire("r").await.unwrap();
    cluster.until_held_by_all(&lease).await;
    assert_eq!(lease.slack(), 1);
    cluster.nodes().flush(1);
    lease.extend(LONG).await.unwrap();
    cluster
        .until("the node said that it forgot", || lease.held() == 2)
        .await;
    assert_eq!(lease.slack(), 0);
    cluster.nodes().flush(0);
    let error = lease.extend(LONG).await.unwrap_err();
    assert!(matches!(error, ExtendError::Lost(_)), "{error}");
    assert!(!lease.is_valid());
    assert_eq!(cluster.nodes().owner_of(0, "r"), None, "never set again");
}

/// What somebody else keeps at the key of a resource is neither a vote nor touched.
pub async fn a_foreign_key_is_no_vote_and_left_alone(cluster: &Cluster) {
    let client = cluster.client().await;
    cluster.nodes().plant_foreign_key(0, "r");
    let lease = client.acquire("r").await.unwrap();
    cluster
        .until("the node said what it found", || {
            let told = answer(&lease, 0);
            matches!(told, Some(Answer::Refused(Reason::ForeignKey(_))))
        })
        .await;
    assert!(lease.release().await.freed);
    cluster.nodes().plant_foreign_key(1, "q");
    cluster.nodes().plant_foreign_key(2, "q");
    let error = client.try_acquire("q").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    for (node, resource) in [(0, "r"), (1, "q"), (2, "q")] {
        assert!(cluster.nodes().has_foreign_key(node, resource));
    }
}
