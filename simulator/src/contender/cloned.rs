//! A client whose random numbers are somebody else's, too.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rand::{Rng as _, rngs::ChaCha8Rng};
use redlock::{BoxFuture, NoRuntime, Runtime, protocol::Reading};

use crate::random::{Purpose, stream};

/// A runtime whose random bytes follow from a number instead of from its host: all clients with the same number draw the same bytes in the same
/// order, as programs on machines do that were cloned with the state of their generators.
#[derive(Debug)]
pub(crate) struct ClonedGenerator {
    runtime: Arc<dyn Runtime>,
    random: Mutex<ChaCha8Rng>,
}

impl ClonedGenerator {
    /// That of the clones with this number.
    pub(crate) fn new(runtime: Arc<dyn Runtime>, number: u64) -> Self {
        Self {
            runtime,
            random: Mutex::new(stream(number, Purpose::Host, "clones", 0, 0)),
        }
    }
}

impl Runtime for ClonedGenerator {
    fn read_clocks(&self) -> Reading {
        self.runtime.read_clocks()
    }

    fn monotonic(&self) -> Duration {
        self.runtime.monotonic()
    }

    fn wall_micros(&self) -> u64 {
        self.runtime.wall_micros()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.runtime.sleep(duration)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        self.runtime.spawn(task)
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.fill_bytes(bytes);
    }
}
