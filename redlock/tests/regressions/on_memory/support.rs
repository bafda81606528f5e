//! A world of in-memory nodes.
//!
//! The tests beside it import everything from here.

pub(crate) use std::{future::Future, pin::pin, sync::Arc, time::Duration};

pub(crate) use futures::{FutureExt as _, future};
pub(crate) use redlock::{
    AcquireError, Answer, Builder, ExtendError, Lease, OnLoss, Reason, Redlock, Runtime as _,
    TtlError, WithError,
    memory::{HostClock, MemoryCluster, MemoryServer, VerbKind, VirtualRuntime},
};

/// Five nodes (or as many as asked for), and a host whose clocks can be scripted.
pub(crate) struct World {
    pub(crate) cluster: MemoryCluster,
    pub(crate) host: Arc<VirtualRuntime>,
}

impl World {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            cluster: MemoryCluster::new(nodes),
            host: Arc::new(VirtualRuntime::new(1)),
        }
    }

    pub(crate) fn builder(&self) -> Builder {
        Redlock::builder()
            .memory_nodes(&self.cluster)
            .runtime(self.host.clone())
    }

    pub(crate) fn client(&self) -> Redlock {
        self.builder().build().unwrap()
    }

    /// A client on a host of its own.
    pub(crate) fn other_client(&self, seed: u64) -> Redlock {
        self.builder()
            .runtime(Arc::new(VirtualRuntime::new(seed)))
            .build()
            .unwrap()
    }

    pub(crate) fn node(&self, index: usize) -> MemoryServer {
        self.cluster.server(index)
    }

    pub(crate) fn nodes(&self, indices: impl IntoIterator<Item = usize>) -> Vec<MemoryServer> {
        indices.into_iter().map(|index| self.node(index)).collect()
    }

    pub(crate) async fn pass(&self, time: Duration) {
        self.host.sleep(time).await;
    }

    /// How many nodes hold a lock on `resource`.
    pub(crate) fn locked(&self, resource: &[u8]) -> usize {
        self.cluster
            .servers()
            .filter(|server| server.owner_of(resource).is_some())
            .count()
    }
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.now_or_never().is_none()
}
