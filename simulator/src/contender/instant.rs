//! A client whose only clock is `Instant`.

use std::{sync::Arc, time::Duration};

use redlock::{BoxFuture, NoRuntime, Runtime, protocol::Reading};

/// A runtime that measures leases by CLOCK_MONOTONIC alone, as whoever uses `Instant` does: it stands still while the machine
/// sleeps.
#[derive(Debug)]
pub(super) struct InstantOnly(pub(super) Arc<dyn Runtime>);

impl Runtime for InstantOnly {
    fn read_clocks(&self) -> Reading {
        let shown = self.0.monotonic();
        Reading {
            boot: shown,
            raw: shown,
            wall: None,
        }
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }

    fn wall_micros(&self) -> u64 {
        self.0.wall_micros()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        self.0.spawn(task)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }
}
