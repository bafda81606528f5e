//! Time and tasks: the one place of live runs that touches the ambient ones.
//!
//! Supervisor and workers run on one machine and compare readings of one clock, CLOCK_BOOTTIME. That is the point of the
//! check: windows are compared on a clock that no participant can have wrong.

use std::{
    future::Future,
    ops::{Add, Sub},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A reading of the machine's clock, in nanoseconds since it booted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub(crate) struct Moment(u64);

impl Moment {
    /// Nanoseconds since the machine booted; tests make histories of them.
    #[cfg(test)]
    pub(crate) const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }
}

impl Moment {
    /// The moment this much earlier; the clock's beginning when there is none.
    pub(crate) fn before(self, earlier: Duration) -> Self {
        let nanos = u64::try_from(earlier.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(later.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

/// The time since an earlier moment; zero when it is not earlier.
impl Sub for Moment {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Now.
pub(crate) fn now() -> Moment {
    let time = clock_gettime(CLOCK);
    // The clock counts up from zero, so neither field is ever negative.
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    Moment::default()
        + seconds
        + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default())
}

#[expect(clippy::disallowed_methods, reason = "live runs are on real time")]
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// The future's value, or none when it takes longer than `most`.
#[expect(clippy::disallowed_methods, reason = "live runs are on real time")]
pub(crate) async fn within<T>(most: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(most, future).await.ok()
}

/// Runs a task in the background, for as long as the runtime lives.
#[expect(clippy::disallowed_methods, reason = "live runs are on tokio itself")]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}
