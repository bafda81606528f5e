//! The runtime of services: tokio and the operating system.

use std::time::Duration;

use rand::TryRng as _;

use super::{BoxFuture, NoRuntime, Runtime, clocks};
use crate::protocol::Reading;

/// Tokio's timers and tasks, the operating system's clocks and random bytes.
///
/// Tasks are spawned on the tokio runtime of the caller, so a client can be built outside of one.
#[derive(Clone, Copy, Debug)]
pub struct TokioRuntime {
    use_wall_clock: bool,
}

impl TokioRuntime {
    /// Measures elapsed time by CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW and the wall clock. The wall
    /// clock only ever shortens a lease (the largest elapsed time counts), so it is on by default.
    pub const fn new() -> Self {
        Self {
            use_wall_clock: true,
        }
    }

    /// Leaves the wall clock out, for hosts whose wall clock steps forward often: each such step
    /// would end leases early.
    pub const fn without_wall_clock() -> Self {
        Self {
            use_wall_clock: false,
        }
    }
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for TokioRuntime {
    fn read_clocks(&self) -> Reading {
        Reading {
            boot: clocks::boot(),
            raw: clocks::raw(),
            wall: self.use_wall_clock.then(clocks::wall),
        }
    }

    fn monotonic(&self) -> Duration {
        clocks::monotonic()
    }

    fn wall_micros(&self) -> u64 {
        u64::try_from(clocks::wall().as_micros()).unwrap_or(u64::MAX)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam that sleeps for everyone else"
    )]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        let handle = tokio::runtime::Handle::try_current().map_err(|_| NoRuntime)?;
        drop(handle.spawn(task));
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // Without a working system generator no token can be drawn safely: there is nothing to
        // fall back to.
        rand::rngs::SysRng
            .try_fill_bytes(bytes)
            .expect("the operating system's random generator works");
    }
}
