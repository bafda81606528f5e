//! True time of a live run.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use simulator::TrueTime;

/// CLOCK_MONOTONIC of the machine, from the beginning of the run. All processes of a machine share that clock, and no fault
/// of a plan touches it: it is what histories of live runs are written in.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    origin_ns: u64,
}

impl Watch {
    /// One that begins now.
    pub(super) fn start() -> Self {
        Self {
            origin_ns: machine(),
        }
    }

    /// The present.
    pub(super) fn now(self) -> TrueTime {
        TrueTime::from_nanos(machine().saturating_sub(self.origin_ns))
    }

    /// How long it is until then; zero when that is over.
    pub(super) fn until(self, at: TrueTime) -> Duration {
        at.since(self.now())
    }
}

fn machine() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // The clock counts up from zero, so neither field is ever negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
