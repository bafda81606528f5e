//! A held lock with an end.

use std::{sync::Arc, time::Duration};

use futures::future;
use tracing::Instrument as _;

use super::driver::Driver;
use crate::{
    error::ExtendError,
    protocol::{
        Answer, FencingToken, OwnerToken,
        claim::Failure,
        extend::{Loss, Round, State},
    },
    report::{ReleaseReport, Report},
};

/// A lease on a resource: held by a quorum of nodes until its deadline, unless it is extended,
/// released or lost before.
///
/// A lease does not stop its holder from working on after it ended, and nothing can: the process may
/// be paused between looking and acting. What makes that harmless is the [`Lease::fencing_token`]:
/// send it with every read and write of what the lock protects, and have the store refuse tokens
/// below the highest it has seen.
///
/// Dropping a lease releases it in the background. Dropping never blocks and never panics; where no
/// runtime is left to send the release, the keys expire with their TTL.
#[derive(Debug)]
pub struct Lease {
    driver: Arc<Driver>,
    ttl: Duration,
}

impl Lease {
    pub(super) const fn new(driver: Arc<Driver>, ttl: Duration) -> Self {
        Self { driver, ttl }
    }

    /// Waits until the attempt behind this lease is decided.
    pub(super) async fn decided(&self) {
        self.driver.decided().await;
    }

    /// The last look at the clock before the lease goes to its holder.
    pub(super) fn hand_out(&self) -> Result<(), Failure> {
        self.driver.hand_out()
    }

    /// When the nodes' answers say that the resource may be free.
    pub(super) fn free_in(&self) -> Option<Duration> {
        self.driver.read(|claim| claim.free_in())
    }

    /// Whether an answer said that two configured nodes are one server.
    pub(super) fn saw_same_server(&self) -> bool {
        self.driver
            .read(|claim| claim.answers().iter().flatten().any(Answer::is_same_server))
    }

    /// The resource, as it was named when it was acquired.
    pub fn resource(&self) -> &[u8] {
        self.driver.lock.resource()
    }

    /// The number that orders holders of this resource: it grows with every acquisition, whatever
    /// clocks do, and does not change when the lease is extended.
    ///
    /// Zero when the client was built without fencing; a store that has seen any other token refuses
    /// it.
    pub fn fencing_token(&self) -> FencingToken {
        FencingToken::new(self.driver.read(|claim| claim.counter()))
    }

    /// The random value that this lease's keys hold on the nodes. It orders nothing; do not send it
    /// to the protected store.
    pub fn owner_token(&self) -> OwnerToken {
        self.driver.owner
    }

    /// Time left until the deadline, by the client clock that says it is least; zero once the lease
    /// is over. There is no instant to read instead: `std::time::Instant` stops while a machine
    /// sleeps.
    pub fn remaining(&self) -> Duration {
        self.driver.remaining()
    }

    /// The deadline as clocks show it: a reading, and how much any one clock may count since it before
    /// the lease is over. `None` once it is known to be. Unlike [`Lease::remaining`], asking latches no elapsed
    /// time: a simulated world records deadlines with it without changing what the client believes.
    #[doc(hidden)]
    pub fn ends(&self) -> Option<(crate::protocol::Reading, Duration)> {
        self.driver.read(|claim| claim.ends())
    }

    /// Whether the lease is held at this moment, exactly. Once it is not, it never is again.
    ///
    /// The answer is about the moment of the call. Work that starts after it may run past the
    /// deadline; that is what the fencing token is for.
    pub fn is_valid(&self) -> bool {
        self.driver.state() == State::Held
    }

    /// How many nodes hold the lease at least until its deadline.
    pub fn held(&self) -> usize {
        self.driver
            .read(|claim| claim.holding().map_or(0, |holding| holding.held()))
    }

    /// How many nodes may lose their memory before somebody else could acquire:
    /// `held − (N − q) − 1`. Grants that arrive after the lease was handed out raise it.
    pub fn slack(&self) -> isize {
        self.driver
            .read(|claim| claim.holding().map_or(0, |holding| holding.slack()))
    }

    /// What every node last answered about this lease.
    pub fn report(&self) -> Report {
        self.driver.report()
    }

    /// Asks every node that holds the lease to hold it for `ttl` from now on.
    ///
    /// Keys that are gone are not set again, nothing is ever shortened, and the fencing token stays.
    ///
    /// # Errors
    ///
    /// [`ExtendError::Unknown`] when fewer than q nodes confirmed within the node timeout: the old
    /// deadline stands, and trying again before it is fine. [`ExtendError::Lost`] and
    /// [`ExtendError::Released`] when the lease is over. [`ExtendError::Ttl`] when nothing was sent.
    ///
    /// # Cancellation
    ///
    /// The calls under way go on; confirmations still move the deadline.
    pub async fn extend(&self, ttl: Duration) -> Result<(), ExtendError> {
        let ttl = self.driver.shared.config.check_ttl(ttl)?;
        let span = tracing::debug_span!("extend", resource = %self.driver.lock, ?ttl);
        let ended = self.driver.extend(ttl).instrument(span).await;
        match (self.driver.state(), ended) {
            (State::Held, Round::Renewed) => Ok(()),
            (State::Held, _) => Err(ExtendError::Unknown {
                remaining: self.remaining(),
                report: Box::new(self.report()),
            }),
            (State::Lost(loss), _) => Err(ExtendError::Lost(loss)),
            (State::Released, _) => Err(ExtendError::Released),
        }
    }

    /// Extends the lease in the background from now on, to the TTL it was acquired with, at a third of
    /// it by default, until it is released, dropped, lost, or older than the client's
    /// `max_lifetime`.
    ///
    /// A round that fails is tried again, about ten times per TTL, until the deadline. All leases of a
    /// client that are due are renewed together, in one batch per node. A lease that renews itself
    /// does not notice that the work under it hangs: set a `max_lifetime`, or use plain leases and
    /// [`Lease::extend`] as the work makes progress.
    pub fn keep_renewed(&self) {
        self.driver.keep_renewed(self.ttl);
    }

    /// Resolves when the lease is over: at its deadline at the latest (plus up to 100 ms in which
    /// the client's watcher may be asleep), at once when it is known to be taken over or was released.
    ///
    /// Never depends on Redis, the network or a renewal answering.
    ///
    /// # Cancellation
    ///
    /// Nothing happens.
    pub async fn lost(&self) {
        self.driver.over().await;
    }

    /// Like [`Lease::lost`], and says why; `None` when the lease was released instead.
    pub(super) async fn loss(&self) -> Option<Loss> {
        match self.driver.over().await {
            State::Lost(loss) => Some(loss),
            _ => None,
        }
    }

    /// Deletes the lease's keys, and waits until a quorum of nodes confirmed it: one round trip. Waits
    /// at most for the node timeout; what is outstanding then goes on in the background.
    ///
    /// Releasing twice, or after the lease expired, is fine. Keys that somebody else owns by now are
    /// left alone.
    ///
    /// # Cancellation
    ///
    /// The release goes on in the background. If the future is dropped before its first poll, so is
    /// the wish; dropping the lease releases it all the same.
    pub async fn release(&self) -> ReleaseReport {
        self.driver.release();
        let shared = &self.driver.shared;
        let most = shared.runtime.sleep(shared.config.node_timeout);
        let span = tracing::debug_span!("release", resource = %self.driver.lock);
        let freed = std::pin::pin!(self.driver.freed().instrument(span));
        future::select(freed, most).await;
        self.driver.release_report()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.driver.release();
    }
}
