//! True time of a live run.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    /// One that begins after `lead`; until then it stands at the beginning.
    pub(super) fn start(lead: Duration) -> Self {
        let lead = u64::try_from(lead.as_nanos()).unwrap_or(u64::MAX);
        Self {
            origin_ns: machine().saturating_add(lead),
        }
    }

    /// How long it is until it begins.
    pub(super) fn lead(self) -> Duration {
        Duration::from_nanos(self.origin_ns.saturating_sub(machine()))
    }

    /// The present.
    pub(super) fn now(self) -> TrueTime {
        TrueTime::from_nanos(machine().saturating_sub(self.origin_ns))
    }

    /// How long it is until then; zero when that is over.
    pub(super) fn until(self, at: TrueTime) -> Duration {
        at.since(self.now()) + self.lead()
    }
}

/// The machine's wall clock, in nanoseconds since 1970: nodes live by it, so the clients' wall clocks begin with it.
#[expect(clippy::disallowed_methods, reason = "live runs are on real time")]
pub(super) fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
    })
}

fn machine() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    // The clock counts up from zero, so neither field is ever negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(time.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
