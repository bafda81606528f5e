//! Draining what is still to be released.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::future;

use super::shared::Shared;

/// What a shutdown could and could not deliver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShutdownReport {
    /// Releases that some node had not confirmed in time; their keys there end with their TTL.
    pub undelivered: Vec<Undelivered>,
}

/// One release that some nodes did not confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The resource, with bytes outside ASCII escaped.
    pub resource: String,
    /// The nodes that owe an answer.
    pub nodes: Vec<Arc<str>>,
    /// Whether a quorum of nodes is free all the same, so that others can acquire the resource.
    pub freed: bool,
}

impl ShutdownReport {
    /// Whether everything was delivered.
    pub const fn is_clean(&self) -> bool {
        self.undelivered.is_empty()
    }
}

impl fmt::Display for ShutdownReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("every release was delivered");
        }
        write!(
            f,
            "{} releases were not delivered everywhere",
            self.undelivered.len()
        )?;
        for release in &self.undelivered {
            write!(f, "; {} at {}", release.resource, release.nodes.join(", "))?;
        }
        Ok(())
    }
}

pub(super) async fn shutdown(shared: &Arc<Shared>, within: Duration) -> ShutdownReport {
    shared.closed.store(true, Ordering::Release);
    let drained = async {
        loop {
            let drained = shared.drained.notified();
            if !shared.is_draining() {
                return;
            }
            drained.await;
        }
    };
    future::select(std::pin::pin!(drained), shared.runtime.sleep(within)).await;
    let undelivered = shared
        .releasing()
        .into_iter()
        .map(|driver| {
            driver.read(|claim| Undelivered {
                resource: driver.lock.to_string(),
                nodes: claim
                    .releasing()
                    .undelivered()
                    .map(|node| shared.names[node].clone())
                    .collect(),
                freed: claim.releasing().is_free(),
            })
        })
        .collect();
    ShutdownReport { undelivered }
}
