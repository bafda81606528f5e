//! The seam between the client and the world: clocks, timers, tasks and random bytes.
//!
//! Everything that the client does to the outside of Redis goes through one [`Runtime`], so that a
//! simulated host can drift, pause and be replayed. [`TokioRuntime`] is the default; services need
//! nothing else.

mod clocks;
mod tokio;

use std::{fmt, future::Future, pin::Pin, time::Duration};

use crate::protocol::Reading;

pub use self::tokio::TokioRuntime;

/// A future without a name, as the seams hand them over.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// No runtime is there to run a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("called outside of an asynchronous runtime")]
pub struct NoRuntime;

/// Clock, timers, spawner and random bytes of the host that a client runs on.
pub trait Runtime: Send + Sync + fmt::Debug + 'static {
    /// Reads the clocks by which the validity of leases is measured.
    fn read_clocks(&self) -> Reading;

    /// CLOCK_MONOTONIC, from an origin of its own: for back-off and the deadlines of calls.
    fn monotonic(&self) -> Duration;

    /// The wall clock in microseconds since 1970, from which fencing tokens are proposed. A wrong
    /// one costs a round trip, never safety.
    fn wall_micros(&self) -> u64;

    /// Resolves once `duration` has passed on CLOCK_MONOTONIC, at least. May stand still while the
    /// machine sleeps.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Runs `task` in the background, on this host.
    ///
    /// # Errors
    ///
    /// [`NoRuntime`] when nothing can run it; the task is dropped.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime>;

    /// Fills `bytes` from a generator that cannot be guessed: owner tokens and jitter.
    fn fill_random(&self, bytes: &mut [u8]);
}
