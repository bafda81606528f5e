//! True time: what no host of the world knows.

use std::{fmt, ops, time::Duration};

use serde::{Deserialize, Serialize};

/// An instant of true time, in nanoseconds since the world began.
///
/// Hosts have clocks of their own ([`crate::clock`]), which may be wrong; the world, the history and the
/// checkers use this one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TrueTime(u64);

impl TrueTime {
    /// The beginning of the world.
    pub const ZERO: Self = Self(0);

    /// Later than everything.
    pub const MAX: Self = Self(u64::MAX);

    /// `nanoseconds` after the beginning.
    pub const fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// `milliseconds` after the beginning.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since the beginning.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Time since `earlier`; zero when that is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl From<Duration> for TrueTime {
    fn from(since_start: Duration) -> Self {
        Self(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl ops::Add<Duration> for TrueTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from(duration).0))
    }
}

/// Seconds with as many digits as are needed: `12.0305 s`.
impl fmt::Display for TrueTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let fraction = format!("{nanoseconds:09}");
        let digits = fraction.trim_end_matches('0').len().max(3);
        write!(f, "{seconds}.{} s", &fraction[..digits])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shown_in_seconds_with_no_digit_lost() {
        assert_eq!(TrueTime::from_millis(12_030).to_string(), "12.030 s");
        assert_eq!(
            TrueTime::from_nanos(1_000_000_001).to_string(),
            "1.000000001 s"
        );
        assert_eq!(TrueTime::ZERO.to_string(), "0.000 s");
    }
}
