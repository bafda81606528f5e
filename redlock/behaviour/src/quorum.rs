//! When an attempt is decided, and what is said when it failed.

use redlock::{Answer, Reason};

use crate::cluster::{Cluster, IMPATIENT, LONG, answer};

/// Decided at the q-th grant: a node that hangs is neither waited for nor counted.
pub async fn won_at_the_quorum_with_a_node_silent(cluster: &Cluster) {
    let client = cluster.client().await;
    cluster.nodes().stop(0);
    let start = cluster.runtime().monotonic();
    let lease = client.acquire("r").await.unwrap();
    assert!(
        cluster.since(start) < LONG / 6,
        "handed out before the silent node's time was over"
    );
    assert_eq!(answer(&lease, 0), None, "its answer is outstanding");
    cluster
        .until("the other four granted", || lease.held() == 4)
        .await;
    assert_eq!(lease.slack(), 1);
}

/// A quorum that granted is a success, whatever the others did.
pub async fn a_minority_that_is_down_masks_nothing(cluster: &Cluster) {
    let client = cluster.client().await;
    for node in [1, 3] {
        cluster.nodes().kill(node);
    }
    let lease = client.try_acquire("r").await.unwrap().unwrap();
    assert_eq!((lease.held(), lease.slack()), (3, 0));
    assert!([0, 2, 4].iter().all(|node| cluster.holds(*node, &lease)));
}

/// Too few nodes: an error that names those that did not agree. A quorum counts the configured nodes, not those that
/// can be reached; what the others granted is released.
pub async fn no_quorum_names_the_nodes(cluster: &Cluster) {
    let client = cluster.client().await;
    let down = [0, 2, 3];
    for node in down {
        cluster.nodes().kill(node);
    }
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable() && !error.is_contended(), "{error}");
    for node in down {
        let name = cluster.nodes().name(node);
        assert!(error.to_string().contains(&name), "{name} in: {error}");
    }
    let quorum = error.report().unwrap().quorum;
    assert_eq!((quorum.nodes(), quorum.needed()), (5, 3));
    cluster
        .until("what was granted is released", || {
            [1, 4]
                .iter()
                .all(|node| cluster.nodes().owner_of(*node, "r").is_none())
        })
        .await;
}

/// A quorum set above the majority is needed in full.
pub async fn a_larger_quorum_is_needed_in_full(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().quorum(4)).await;
    cluster.nodes().kill(0);
    let lease = client.acquire("r").await.unwrap();
    assert_eq!((lease.held(), lease.slack()), (4, 2));
    cluster.nodes().kill(1);
    let error = client.try_acquire("q").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let quorum = error.report().unwrap().quorum;
    assert_eq!((quorum.nodes(), quorum.needed()), (5, 4));
    assert!(lease.is_valid(), "and what is held stays held");
}

/// Half of an even number of nodes is no quorum, and that is known at once.
pub async fn an_even_split_is_decided(cluster: &Cluster) {
    let client = cluster.client().await;
    for node in [0, 1] {
        cluster.nodes().kill(node);
    }
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let report = error.report().unwrap();
    assert_eq!(report.granted() + report.outstanding(), 2, "{report}");
    cluster
        .until("the half that granted is released", || {
            [2, 3]
                .iter()
                .all(|node| cluster.nodes().owner_of(*node, "r").is_none())
        })
        .await;
}

/// A majority that hangs is given up after the node timeout, by name; what it executes late holds nothing up.
pub async fn a_silent_majority_times_out(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    for node in [0, 1] {
        cluster.nodes().stop(node);
    }
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let answers = &error.report().unwrap().nodes;
    for node in [0, 1] {
        assert!(
            matches!(
                answers[node].answer,
                Some(Answer::Unknown(Reason::TimedOut(_)))
            ),
            "{error}"
        );
        assert!(error.to_string().contains(&cluster.nodes().name(node)));
    }
    for node in [0, 1] {
        cluster.nodes().resume(node);
    }
    // Its own leftovers are released with it, so the next attempt is not blocked by them.
    assert!(client.acquire("r").await.unwrap().is_valid());
}

/// Grants past the majority are counted when they arrive, and so is what they are good for.
pub async fn slack_counts_late_grants(cluster: &Cluster) {
    let client = cluster.client().await;
    for node in [3, 4] {
        cluster.nodes().hold_requests(node);
    }
    let lease = client.acquire("r").await.unwrap();
    assert_eq!((lease.held(), lease.slack()), (3, 0));
    let deadline = lease.remaining();
    for node in [3, 4] {
        cluster.nodes().mend(node);
    }
    cluster.until_held_by_all(&lease).await;
    assert_eq!(lease.slack(), 2);
    assert!(lease.remaining() <= deadline, "the deadline stands");
}

/// A call past its deadline was perhaps executed, or will be: it is never a vote, and a release follows it.
pub async fn a_grant_after_its_deadline_is_released(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    cluster.nodes().stop(2);
    let lease = client.acquire("r").await.unwrap();
    cluster
        .until("the silent node is given up", || {
            matches!(
                answer(&lease, 2),
                Some(Answer::Unknown(Reason::TimedOut(_)))
            )
        })
        .await;
    cluster.nodes().resume(2);
    // Everything that is to be released is released then.
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert_eq!(cluster.nodes().owner_of(2, "r"), None);
    assert!(lease.is_valid());
    assert!(cluster.holds(0, &lease) && cluster.holds(1, &lease));
    assert_eq!((lease.held(), lease.slack()), (2, 0));
}

/// So it is when the node executed the call in time and the reply never comes: its release goes out behind it, without
/// waiting for what may never be known.
pub async fn a_grant_whose_reply_is_lost_is_released(cluster: &Cluster) {
    let client = cluster.admitted(cluster.lasting().node_timeout(IMPATIENT));
    let client = client.await;
    cluster.nodes().lose_replies(2);
    let lease = client.acquire("r").await.unwrap();
    cluster
        .until("the silent node executed it", || cluster.holds(2, &lease))
        .await;
    cluster
        .until("and was sent a release", || !cluster.holds(2, &lease))
        .await;
    cluster.nodes().mend(2);
    let drained = client.shutdown(LONG).await;
    assert!(drained.is_clean(), "{drained}");
    assert!(lease.is_valid());
    assert_eq!((lease.held(), lease.slack()), (2, 0));
}
