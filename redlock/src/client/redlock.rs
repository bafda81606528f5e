//! The client.

use std::{fmt, sync::Arc, time::Duration};

use super::{
    admin,
    builder::Builder,
    lease::Lease,
    request::Request,
    shared::Shared,
    shutdown::{self, ShutdownReport},
};
use crate::{
    error::{AcquireError, AdmitError, WithError},
    preflight::Preflight,
    runtime::BoxFuture,
};

/// A client of one cluster of N independent nodes.
///
/// Cheap to clone; all clones share connections, the watcher and the release queue. One client per
/// process and cluster is enough.
#[derive(Clone)]
pub struct Redlock {
    shared: Arc<Shared>,
}

impl Redlock {
    /// Starts the configuration of a client; see [`Builder`] for the defaults.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A wish for a lease on `resource`, to be given a TTL or a waiting time of its own.
    pub fn request(&self, resource: impl AsRef<[u8]>) -> Request {
        Request::new(self.shared.clone(), resource.as_ref())
    }

    /// Waits for a lease on `resource`, at most the client's `acquire_timeout`.
    ///
    /// # Errors
    ///
    /// See [`Request::acquire`].
    ///
    /// # Cancellation
    ///
    /// Whatever the attempt under way left on nodes is released in the background.
    pub async fn acquire(&self, resource: impl AsRef<[u8]>) -> Result<Lease, AcquireError> {
        self.request(resource).acquire().await
    }

    /// Makes one attempt at a lease on `resource`: `None` when somebody else holds it.
    ///
    /// # Errors
    ///
    /// See [`Request::try_acquire`].
    ///
    /// # Cancellation
    ///
    /// Whatever the attempt left on nodes is released in the background.
    pub async fn try_acquire(
        &self,
        resource: impl AsRef<[u8]>,
    ) -> Result<Option<Lease>, AcquireError> {
        self.request(resource).try_acquire().await
    }

    /// Runs `body` under a lease on `resource` that is renewed meanwhile. When the lease is lost, the
    /// body is dropped at its present await.
    ///
    /// # Errors
    ///
    /// See [`Request::with`].
    ///
    /// # Cancellation
    ///
    /// The body is dropped first, then the keys are released in the background.
    pub async fn with<T>(
        &self,
        resource: impl AsRef<[u8]>,
        body: impl AsyncFnOnce(&Lease) -> T,
    ) -> Result<T, WithError> {
        self.request(resource).with(body).await
    }

    /// [`Redlock::with`] whose future is `Send` for any body whose boxed future is.
    ///
    /// # Errors
    ///
    /// See [`Request::with`].
    ///
    /// # Cancellation
    ///
    /// As [`Redlock::with`].
    pub async fn with_send<T, F>(
        &self,
        resource: impl AsRef<[u8]> + Send,
        body: F,
    ) -> Result<T, WithError>
    where
        T: Send,
        F: for<'a> FnOnce(&'a Lease) -> BoxFuture<'a, T> + Send,
    {
        let request = self.request(resource);
        request.with_send(body).await
    }

    /// Looks at every node and judges what it finds: who answers, whether it votes, and everything about
    /// its configuration, clock and permissions that speaks against relying on it. Print it when a
    /// service starts; [`Preflight::is_ready`] says whether locks can be acquired now.
    ///
    /// Opens one more connection to each Redis node, for as long as it takes. Changes nothing, except
    /// that a node which is due for a quarantine begins it.
    ///
    /// # Cancellation
    ///
    /// Nothing happens.
    pub async fn preflight(&self) -> Preflight {
        admin::preflight(&self.shared).await
    }

    /// Admits the nodes of a cluster that has *never held a lock*, so that it need not wait out the
    /// quarantine of `max_ttl` with which every unknown node begins. For the first deployment and for
    /// tests.
    ///
    /// Works only when all N nodes answer and none has a guard record. Do not leave it in a start-up
    /// script: if all nodes lose their memory together while a lease is held, it would admit them at
    /// once, and a second holder with them.
    ///
    /// # Errors
    ///
    /// [`AdmitError`], naming the node that did not answer or is not new.
    ///
    /// # Cancellation
    ///
    /// Some nodes may have been admitted; the others join after their quarantine.
    pub async fn admit_new_cluster(&self) -> Result<(), AdmitError> {
        admin::admit_new_cluster(&self.shared).await
    }

    /// Replaces the settings that every node stores by this client's, after a change of N, quorum,
    /// `max_ttl`, prefix, stripes, fencing or guard.
    ///
    /// Every node is quarantined for the larger of the old and the new `max_ttl`, so no lease can be
    /// acquired meanwhile. From then on clients with the old settings are refused, and what they hold is
    /// no longer extended: it ends within its TTL, before the nodes vote again. The hazard: a node
    /// that does *not* take part (removed from the configuration, or down now) still grants to clients
    /// with the old settings, so stop those clients first, and see that every old and new node
    /// answered. A change of the prefix or of the set of nodes makes two clusters that know nothing of
    /// each other.
    ///
    /// # Errors
    ///
    /// [`AdmitError`], naming the first node that did not answer or refused. Nodes before it have the
    /// new settings; calling again is safe.
    ///
    /// # Cancellation
    ///
    /// Some nodes may have the new settings; call again.
    pub async fn replace_settings(&self) -> Result<(), AdmitError> {
        admin::replace_settings(&self.shared).await
    }

    /// Refuses new acquisitions from now on and waits, at most `within`, until everything that was
    /// released is delivered.
    ///
    /// Leases that are still held stay held: their holders decide when they are done. Releases that
    /// are outstanding when this returns go on for as long as the runtime lives; those that never
    /// arrive end with the TTL of their keys.
    ///
    /// # Cancellation
    ///
    /// The client stays shut down; deliveries go on in the background.
    pub async fn shutdown(&self, within: Duration) -> ShutdownReport {
        shutdown::shutdown(&self.shared, within).await
    }
}

impl fmt::Debug for Redlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}
