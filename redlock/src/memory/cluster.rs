//! N servers, and clients that connect to them.

use std::sync::Arc;

use super::{node::MemoryNode, server::MemoryServer};
use crate::{node::Node, protocol::Drift, runtime::Runtime, settings::Settings};

/// Independent servers in memory: a handle, cheap to clone. Any number of clients connect to them.
///
/// [`MemoryCluster::new`] is a cluster in service. With [`MemoryCluster::never_admitted`] its servers
/// are as Redis servers are on their first day: they do not vote before the first deployment's call,
/// or for `max_ttl`.
#[derive(Clone, Debug)]
pub struct MemoryCluster {
    servers: Arc<[MemoryServer]>,
}

impl MemoryCluster {
    /// `nodes` servers that take over the settings of the first client and vote at once. A server
    /// that forgets everything later is quarantined like any other.
    pub fn new(nodes: usize) -> Self {
        Self::with(nodes, true)
    }

    /// `nodes` servers that may have forgotten locks, for all anybody knows.
    pub fn never_admitted(nodes: usize) -> Self {
        Self::with(nodes, false)
    }

    fn with(nodes: usize, welcoming: bool) -> Self {
        Self {
            servers: (0..nodes)
                .map(|index| MemoryServer::new(index, welcoming))
                .collect(),
        }
    }

    /// The number of servers.
    pub fn len(&self) -> usize {
        self.servers.len()
    }

    /// Whether there are no servers.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// Server `index`, to script and to look at.
    ///
    /// # Panics
    ///
    /// When there are not that many.
    pub fn server(&self, index: usize) -> MemoryServer {
        self.servers[index].clone()
    }

    /// All servers, in order.
    pub fn servers(&self) -> impl Iterator<Item = MemoryServer> + '_ {
        self.servers.iter().cloned()
    }

    /// A client's connection to server `index`, with the customary allowance for drift. The servers'
    /// clocks start with the `runtime` of the first client.
    ///
    /// # Panics
    ///
    /// When there are not that many servers.
    pub fn connect(
        &self,
        index: usize,
        settings: &Arc<Settings>,
        runtime: &Arc<dyn Runtime>,
    ) -> Arc<dyn Node> {
        self.connect_with(index, settings, runtime, Drift::default())
    }

    /// As [`MemoryCluster::connect`], for a client whose clocks may be as wrong as `drift` says.
    ///
    /// # Panics
    ///
    /// When there are not that many servers.
    pub fn connect_with(
        &self,
        index: usize,
        settings: &Arc<Settings>,
        runtime: &Arc<dyn Runtime>,
        drift: Drift,
    ) -> Arc<dyn Node> {
        let server = &self.servers[index];
        Arc::new(MemoryNode::new(server, settings, runtime, drift))
    }

    /// A client's connections to all servers, in order.
    pub fn nodes(
        &self,
        settings: &Arc<Settings>,
        runtime: &Arc<dyn Runtime>,
    ) -> Vec<Arc<dyn Node>> {
        (0..self.len())
            .map(|index| self.connect(index, settings, runtime))
            .collect()
    }
}
