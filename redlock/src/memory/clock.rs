//! A clock that can be stepped, frozen and made to run at another rate.

use std::time::Duration;

/// What a clock shows, as a function of true time.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScriptedClock {
    /// True time when the script last changed.
    since: Duration,
    /// What the clock showed then.
    shown: Duration,
    rate_ppm: i32,
    frozen: bool,
}

impl ScriptedClock {
    /// A perfect clock that shows `shown` at true time `now`.
    pub(super) const fn new(now: Duration, shown: Duration) -> Self {
        Self {
            since: now,
            shown,
            rate_ppm: 0,
            frozen: false,
        }
    }

    pub(super) fn read(&self, now: Duration) -> Duration {
        if self.frozen {
            return self.shown;
        }
        let passed = now.saturating_sub(self.since).as_nanos();
        let factor = u128::try_from(1_000_000 + i64::from(self.rate_ppm)).unwrap_or(0);
        let counted = passed.saturating_mul(factor) / 1_000_000;
        self.shown.saturating_add(nanoseconds(counted))
    }

    pub(super) fn step_forward(&mut self, now: Duration, by: Duration) {
        self.rebase(now);
        self.shown = self.shown.saturating_add(by);
    }

    pub(super) fn step_back(&mut self, now: Duration, by: Duration) {
        self.rebase(now);
        self.shown = self.shown.saturating_sub(by);
    }

    /// The clock gains `ppm` microseconds per second; below −1,000,000 it stands still.
    pub(super) fn set_rate(&mut self, now: Duration, ppm: i32) {
        self.rebase(now);
        self.rate_ppm = ppm;
    }

    pub(super) fn set_frozen(&mut self, now: Duration, frozen: bool) {
        self.rebase(now);
        self.frozen = frozen;
    }

    fn rebase(&mut self, now: Duration) {
        self.shown = self.read(now);
        self.since = now;
    }
}

fn nanoseconds(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    let seconds = u64::try_from(nanos / SECOND).unwrap_or(u64::MAX);
    let rest = u32::try_from(nanos % SECOND).unwrap_or_default();
    Duration::new(seconds, rest)
}

/// Microseconds of `time`, as servers count.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_clock_follows_its_script_from_the_moment_it_changes() {
        let mut clock = ScriptedClock::new(seconds(10), seconds(1_000));
        assert_eq!(clock.read(seconds(15)), seconds(1_005));
        clock.set_rate(seconds(20), 100_000);
        assert_eq!(clock.read(seconds(30)), seconds(1_021));
        clock.set_frozen(seconds(30), true);
        assert_eq!(clock.read(seconds(99)), seconds(1_021));
        clock.step_forward(seconds(99), seconds(9));
        clock.set_frozen(seconds(100), false);
        clock.set_rate(seconds(100), -1_000_000);
        assert_eq!(clock.read(seconds(200)), seconds(1_030));
        clock.step_back(seconds(200), seconds(5_000));
        assert_eq!(clock.read(seconds(300)), Duration::ZERO);
        assert_eq!(clock.read(Duration::MAX), Duration::ZERO);
    }
}
