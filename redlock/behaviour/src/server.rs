//! What only a Redis server can do to its clients.

use redlock::Answer;

use crate::cluster::{Cluster, LONG, answer};

/// A server that forgot the scripts is sent them again within the same call: one attempt, no error.
pub async fn forgotten_scripts_are_sent_again(cluster: &Cluster) {
    let client = cluster.client().await;
    let forget = || {
        cluster
            .all()
            .for_each(|node| cluster.nodes().flush_scripts(node))
    };
    for round in 0..3 {
        forget();
        let resource = format!("r{round}");
        let lease = client.try_acquire(&resource).await.unwrap().unwrap();
        cluster.until_held_by_all(&lease).await;
        forget();
        lease.extend(LONG).await.unwrap();
        forget();
        assert!(lease.release().await.freed);
        cluster.until_free(&resource).await;
    }
}

/// A node that turned into a replica refuses, with the reason; it never votes.
pub async fn a_node_that_turned_read_only_refuses(cluster: &Cluster) {
    let client = cluster.client().await;
    cluster.nodes().make_read_only(0);
    cluster
        .until_asked("the replica said what it is", async || {
            let lease = client.acquire("r").await.unwrap();
            cluster
                .until("the others granted", || lease.held() == 2)
                .await;
            let told = answer(&lease, 0);
            assert!(!matches!(told, Some(Answer::Granted { .. })), "it voted");
            lease.release().await;
            cluster.until_free("r").await;
            matches!(&told, Some(Answer::Refused(reason)) if reason.is_misconfiguration())
        })
        .await;
    let preflight = client.preflight().await;
    assert!(preflight.nodes[0].facts.is_err(), "{preflight}");
}
