//! What behaviours stand on: a cluster, clients of it, and waiting.

use std::{sync::Arc, time::Duration};

use redlock::{Answer, Builder, Lease, Redlock, Runtime};

use crate::nodes::Nodes;

/// Long enough that nothing expires while a behaviour runs.
pub const LONG: Duration = Duration::from_secs(60);
/// How long anything that happens in the background may take. Shorter than [`LONG`]: a key that is gone because it
/// expired shows nothing.
const BACKGROUND: Duration = Duration::from_secs(20);
/// How long a call may take where silence is not the subject: no machine is so busy.
const PATIENT: Duration = Duration::from_secs(10);
/// How long a call may take where nodes are silent on purpose.
pub const IMPATIENT: Duration = Duration::from_millis(500);

/// The cluster that a behaviour runs on.
pub struct Cluster {
    nodes: Box<dyn Nodes>,
}

impl Cluster {
    /// A cluster of these nodes.
    pub fn new(nodes: impl Nodes + 'static) -> Self {
        Self {
            nodes: Box::new(nodes),
        }
    }

    /// The nodes.
    pub fn nodes(&self) -> &dyn Nodes {
        &*self.nodes
    }

    /// All nodes' numbers.
    pub fn all(&self) -> std::ops::Range<usize> {
        0..self.nodes.count()
    }

    /// A client whose leases outlast the behaviour, with time for every call.
    pub fn lasting(&self) -> Builder {
        self.nodes
            .builder()
            .ttl(LONG)
            .max_ttl(LONG)
            .node_timeout(PATIENT)
            .acquire_timeout(BACKGROUND)
    }

    /// A client whose leases can be waited out.
    pub fn brief(&self) -> Builder {
        let ttl = self.nodes.short_ttl();
        self.lasting().ttl(ttl).max_ttl(ttl)
    }

    /// The cluster is put into service by a client of this configuration.
    pub async fn admitted(&self, builder: Builder) -> Redlock {
        let client = builder.build().unwrap();
        client.admit_new_cluster().await.unwrap();
        client
    }

    /// The cluster in service, with a client whose leases outlast the behaviour.
    pub async fn client(&self) -> Redlock {
        self.admitted(self.lasting()).await
    }

    /// Another such client.
    pub fn rival(&self) -> Redlock {
        self.lasting().build().unwrap()
    }

    /// The clock of the clients.
    pub fn runtime(&self) -> Arc<dyn Runtime> {
        self.nodes.runtime()
    }

    /// How long ago `start` was, on the clients' monotonic clock.
    pub fn since(&self, start: Duration) -> Duration {
        self.runtime().monotonic().saturating_sub(start)
    }

    /// Lets time pass.
    pub async fn pass(&self, time: Duration) {
        self.runtime().sleep(time).await;
    }

    /// Waits for something that happens in the background.
    pub async fn until(&self, what: &str, mut happened: impl FnMut() -> bool) {
        self.until_asked(what, async || happened()).await;
    }

    /// As [`Cluster::until`], for something that has to be asked for.
    pub async fn until_asked(&self, what: &str, mut happened: impl AsyncFnMut() -> bool) {
        let start = self.runtime().monotonic();
        while !happened().await {
            assert!(self.since(start) < BACKGROUND, "did not happen: {what}");
            self.pass(Duration::from_millis(10)).await;
        }
    }

    /// How many nodes hold a lock on `resource`.
    pub fn locked(&self, resource: &str) -> usize {
        self.all()
            .filter(|node| self.nodes.owner_of(*node, resource).is_some())
            .count()
    }

    /// Waits until no node holds a lock on `resource`.
    pub async fn until_free(&self, resource: &str) {
        self.until("every node is free of the lock", || {
            self.locked(resource) == 0
        })
        .await;
    }

    /// Waits until every node holds this lease and said so.
    pub async fn until_held_by_all(&self, lease: &Lease) {
        self.until("every node's grant arrived", || {
            lease.held() == self.nodes.count()
        })
        .await;
    }

    /// Whether `node` holds this lease's key.
    pub fn holds(&self, node: usize, lease: &Lease) -> bool {
        let resource = std::str::from_utf8(lease.resource()).unwrap();
        let owner = self.nodes.owner_of(node, resource);
        owner.as_deref() == Some(lease.owner_token().as_str())
    }
}

/// What `node` last answered about this lease.
pub fn answer(lease: &Lease, node: usize) -> Option<Answer> {
    lease.report().nodes[node].answer.clone()
}
