//! Servers, clients of them, and waiting for what happens in the background.
//!
//! The tests beside it import everything from here.

use std::{collections::BTreeMap, sync::Mutex};
pub(crate) use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use futures::future;
pub(crate) use redlock::{AcquireError, Answer, BuildError, Builder, Lease, Reason, Redlock};
use redlock::{Address, ConnectError, Connector, NodeStream, SystemConnector, runtime::BoxFuture};
pub(crate) use redlock_testkit::{
    ClosedPort, Flow, Listener, Proxy, RedisCluster, RedisServer, ServerOptions,
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn builder(urls: impl IntoIterator<Item = String>) -> Builder {
    Redlock::builder().nodes(urls)
}

pub(crate) fn start(nodes: usize) -> RedisCluster {
    RedisCluster::start(nodes, &ServerOptions::new()).unwrap()
}

/// A cluster in service, and a client of it.
pub(crate) async fn admitted(nodes: usize) -> (RedisCluster, Redlock) {
    let cluster = start(nodes);
    let client = builder(cluster.urls()).build().unwrap();
    client.admit_new_cluster().await.unwrap();
    (cluster, client)
}

/// Waits until every node has a connection that answers.
pub(crate) async fn connected(client: &Redlock) {
    for node in client.preflight().await.nodes {
        assert!(node.facts.is_ok(), "{node:?}");
    }
}

/// Whether `server` holds a lock on `resource`.
pub(crate) fn is_locked(server: &RedisServer, resource: &str) -> bool {
    let key = format!("redlock:lock:{resource}");
    server.command(&["EXISTS", &key]) == redis::Value::Int(1)
}

/// Waits for something that happens in the background, for less than a TTL: a key that is gone because it
/// expired proves nothing.
pub(crate) async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < 8 * SECOND, "did not happen: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn is_outstanding(future: impl Future) -> bool {
    futures::FutureExt::now_or_never(future).is_none()
}

/// Opens sockets, and counts them by port.
#[derive(Debug)]
pub(crate) struct Counting {
    since: Instant,
    opened: Mutex<BTreeMap<u16, usize>>,
}

impl Counting {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            since: Instant::now(),
            opened: Mutex::default(),
        })
    }

    pub(crate) fn opened(&self, port: u16) -> usize {
        let opened = self.opened.lock().unwrap();
        opened.get(&port).copied().unwrap_or_default()
    }

    /// How often a client that waits longer and longer, up to a second, tries to connect to a node that
    /// is down.
    pub(crate) fn patient(&self) -> usize {
        10 + usize::try_from(self.since.elapsed().as_millis() / 500).unwrap()
    }
}

impl Connector for Counting {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        if let Address::Tcp { port, .. } = address {
            *self.opened.lock().unwrap().entry(*port).or_default() += 1;
        }
        SystemConnector.connect(address)
    }
}
