//! One wish for a lease, and the ways to have it granted.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::future::{self, Either};
use tracing::Instrument as _;

use super::{driver::Driver, lease::Lease, shared::Shared};
use crate::{
    error::{AcquireError, WithError},
    protocol::{claim::Failure, key::LockKey},
    report::Report,
    runtime::BoxFuture,
};

/// What happens to the body of [`crate::Redlock::with`] when its lease is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// The body's future is dropped at its present await, then the keys are released. The default:
    /// work that must not run twice must not run on without its lease.
    #[default]
    Cancel,
    /// The body runs to its end; it can ask its lease. For work that is fenced and better finished
    /// than torn.
    Finish,
}

/// A wish for a lease on one resource, made with [`crate::Redlock::request`].
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is acquired"]
pub struct Request {
    shared: Arc<Shared>,
    resource: Vec<u8>,
    ttl: Duration,
    within: Duration,
    on_loss: OnLoss,
}

impl Request {
    pub(super) fn new(shared: Arc<Shared>, resource: &[u8]) -> Self {
        Self {
            ttl: shared.config.ttl,
            within: shared.config.acquire_timeout,
            resource: resource.to_vec(),
            on_loss: OnLoss::Cancel,
            shared,
        }
    }

    /// The TTL to ask the nodes for, in whole milliseconds; the client's default otherwise. At most
    /// the cluster's `max_ttl`.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long [`Request::acquire`] may wait, by CLOCK_MONOTONIC; the client's `acquire_timeout`
    /// otherwise. [`Duration::MAX`] waits without end.
    pub const fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// What happens to the body of [`Request::with`] when the lease is lost.
    pub const fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.on_loss = on_loss;
        self
    }

    /// Makes one attempt: `None` when the resource is held by somebody else.
    ///
    /// # Errors
    ///
    /// Anything else that kept the attempt from succeeding; see [`AcquireError`].
    ///
    /// # Cancellation
    ///
    /// Whatever the attempt left on nodes is released in the background.
    pub async fn try_acquire(&self) -> Result<Option<Lease>, AcquireError> {
        let (key, ttl) = self.check()?;
        match self.attempt(&key, ttl).instrument(self.span(&key)).await {
            Ok(lease) => Ok(Some(lease)),
            Err(Attempt {
                error: AcquireError::Contended { .. },
                ..
            }) => Ok(None),
            Err(Attempt { error, .. }) => Err(error),
        }
    }

    /// Waits until the resource is acquired, with jittered, capped back-off that knows how long the
    /// holder's TTL still lasts. Every attempt has an owner token and a validity of its own.
    ///
    /// # Errors
    ///
    /// When the waiting time is over, what the last attempt failed with. At once, when waiting cannot
    /// help: a misconfiguration, or a quarantine that outlasts the waiting time.
    ///
    /// # Cancellation
    ///
    /// Whatever the attempt under way left on nodes is released in the background.
    pub async fn acquire(&self) -> Result<Lease, AcquireError> {
        let (key, ttl) = self.check()?;
        self.wait(&key, ttl).instrument(self.span(&key)).await
    }

    /// Acquires, runs `body` with the lease while it is renewed in the background, and releases.
    ///
    /// # Errors
    ///
    /// [`WithError::Acquire`] when the body never ran, [`WithError::Lost`] when it was cancelled
    /// because the lease was lost.
    ///
    /// # Cancellation
    ///
    /// The body's future is dropped first, then the keys are released in the background. The same
    /// order holds when the body panics.
    pub async fn with<T>(&self, body: impl AsyncFnOnce(&Lease) -> T) -> Result<T, WithError> {
        let lease = self.acquire().await?;
        lease.keep_renewed();
        run(&lease, body(&lease), self.on_loss).await
    }

    /// [`Request::with`] for callers that need the whole future to be `Send`, as in a spawned task of
    /// a generic function: the body returns a boxed future.
    ///
    /// # Errors
    ///
    /// As [`Request::with`].
    ///
    /// # Cancellation
    ///
    /// As [`Request::with`].
    pub async fn with_send<T, F>(&self, body: F) -> Result<T, WithError>
    where
        T: Send,
        F: for<'a> FnOnce(&'a Lease) -> BoxFuture<'a, T> + Send,
    {
        let lease = self.acquire().await?;
        lease.keep_renewed();
        run(&lease, body(&lease), self.on_loss).await
    }

    fn check(&self) -> Result<(Arc<LockKey>, Duration), AcquireError> {
        let config = &self.shared.config;
        let key = config.lock_key(&self.resource)?;
        let ttl = config.check_ttl(self.ttl)?;
        Ok((Arc::new(key), ttl))
    }

    fn span(&self, key: &LockKey) -> tracing::Span {
        tracing::debug_span!("acquire", resource = %key)
    }

    async fn wait(&self, key: &Arc<LockKey>, ttl: Duration) -> Result<Lease, AcquireError> {
        let runtime = &self.shared.runtime;
        let start = runtime.monotonic();
        let mut attempts = 0_u32;
        loop {
            let failed = match self.attempt(key, ttl).await {
                Ok(lease) => return Ok(lease),
                Err(failed) => failed,
            };
            attempts = attempts.saturating_add(1);
            let waited = runtime.monotonic().saturating_sub(start);
            let left = self.within.saturating_sub(waited);
            let wait = failed.wait(&self.shared, attempts - 1);
            match wait {
                Some(wait) if wait < left => runtime.sleep(wait).await,
                _ => return Err(failed.after(waited, attempts)),
            }
        }
    }

    async fn attempt(&self, key: &Arc<LockKey>, ttl: Duration) -> Result<Lease, Attempt> {
        let shared = &self.shared;
        if shared.closed.load(Ordering::Acquire) {
            return Err(Attempt::hopeless(AcquireError::ShutDown));
        }
        shared
            .ensure_watcher()
            .map_err(|_| Attempt::hopeless(AcquireError::NoRuntime))?;
        // From here on, going away releases what the attempt left: that is what dropping a lease does.
        let lease = Lease::new(Driver::start(shared, key, ttl), ttl);
        lease.decided().await;
        let failed = match lease.hand_out() {
            Ok(()) => {
                // Two configured nodes are one server: nobody should find that out later.
                if !lease.saw_same_server() {
                    tracing::debug!(resource = %key, token = %lease.fencing_token(), "acquired");
                    return Ok(lease);
                }
                let report = Box::new(lease.report());
                Attempt::hopeless(AcquireError::Misconfigured { report })
            }
            Err(failure) => Attempt::new(failure, &lease, ttl),
        };
        tracing::debug!(resource = %key, error = %failed.error, "attempt failed");
        Err(failed)
    }
}

async fn run<T>(
    lease: &Lease,
    body: impl Future<Output = T>,
    on_loss: OnLoss,
) -> Result<T, WithError> {
    let value = match on_loss {
        OnLoss::Finish => Ok(body.await),
        OnLoss::Cancel => {
            // In this block, so that the body is dropped before anything is released.
            match future::select(pin!(lease.loss()), pin!(body)).await {
                Either::Right((value, _)) => Ok(value),
                // Released by the body itself: it decides when it is done.
                Either::Left((None, body)) => Ok(body.await),
                Either::Left((Some(loss), _)) => Err(WithError::Lost(loss)),
            }
        }
    };
    lease.release().await;
    value
}

/// A failed attempt, and what its nodes said about trying again.
struct Attempt {
    error: AcquireError,
    free_in: Option<Duration>,
}

impl Attempt {
    const fn hopeless(error: AcquireError) -> Self {
        Self {
            error,
            free_in: None,
        }
    }

    fn new(failure: Failure, lease: &Lease, ttl: Duration) -> Self {
        let report = Box::new(lease.report());
        let free_in = lease.free_in();
        let error = match failure {
            Failure::TooSlow { elapsed, validity } => AcquireError::TooSlow {
                elapsed,
                ttl,
                validity,
                report,
            },
            Failure::NoQuorum | Failure::Cancelled => classify(report),
        };
        Self { error, free_in }
    }

    /// How long to wait before the next attempt; `None` when none can help.
    fn wait(&self, shared: &Shared, failures: u32) -> Option<Duration> {
        let backoff = shared
            .config
            .backoff
            .wait(failures, self.free_in, shared.random());
        match &self.error {
            AcquireError::Contended { .. }
            | AcquireError::NoQuorum { .. }
            | AcquireError::TooSlow { .. } => Some(backoff),
            AcquireError::Quarantined { remaining, .. } => Some(remaining.saturating_add(backoff)),
            _ => None,
        }
    }

    fn after(self, waited: Duration, attempts: u32) -> AcquireError {
        match self.error {
            AcquireError::Contended { report, .. } => AcquireError::Contended {
                waited,
                attempts,
                report,
            },
            error => error,
        }
    }
}

/// Why no quorum was reached. The decision may have fallen before every node answered; such nodes
/// count for whatever the others said, because what matters is whether waiting helps.
fn classify(report: Box<Report>) -> AcquireError {
    let quorum = report.quorum;
    if report.has_same_server() || quorum.out_of_reach(report.misconfigured()) {
        return AcquireError::Misconfigured { report };
    }
    let open = report.granted() + report.outstanding();
    if report.contended() > 0 && quorum.reached(open + report.contended()) {
        let waited = report.elapsed;
        return AcquireError::Contended {
            waited,
            attempts: 1,
            report,
        };
    }
    match report.quorum_admitted_in() {
        Some(remaining) if report.quarantined() > 0 => {
            AcquireError::Quarantined { remaining, report }
        }
        _ => AcquireError::NoQuorum { report },
    }
}
