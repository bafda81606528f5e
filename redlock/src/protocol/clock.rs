//! Readings of a host's clocks, and elapsed time that only errs on the safe side.

use std::time::Duration;

/// What the clocks of this host showed at one moment.
///
/// Each field counts from an origin of its own; only differences between two readings of the same
/// host mean anything. A clock that the platform lacks repeats another one (see
/// [`crate::runtime`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// CLOCK_BOOTTIME: monotonic, slewed by the time daemon, counts while the machine sleeps.
    pub boot: Duration,
    /// CLOCK_MONOTONIC_RAW: monotonic, never slewed, stops while the machine sleeps.
    pub raw: Duration,
    /// CLOCK_REALTIME since the epoch: steps and slews. `None` when the client does not use it.
    pub wall: Option<Duration>,
}

impl Reading {
    /// The largest time that any clock says has passed since `earlier`.
    pub fn most_since(&self, earlier: &Self) -> Duration {
        if planted!(ClockStopsInSuspend) {
            return self.raw.saturating_sub(earlier.raw);
        }
        let wall = match (self.wall, earlier.wall) {
            (Some(now), Some(then)) => now.saturating_sub(then),
            _ => Duration::ZERO,
        };
        self.boot
            .saturating_sub(earlier.boot)
            .max(self.raw.saturating_sub(earlier.raw))
            .max(wall)
    }

    /// The smallest time that any clock says has passed since `earlier`: for waits that must not be
    /// too short. A wall clock that shows no time passed, or less, was stepped back and says nothing.
    pub fn least_since(&self, earlier: &Self) -> Duration {
        let least = self
            .boot
            .saturating_sub(earlier.boot)
            .min(self.raw.saturating_sub(earlier.raw));
        match (self.wall, earlier.wall) {
            (Some(now), Some(then)) if now > then => least.min(now - then),
            _ => least,
        }
    }
}

/// Elapsed time of one lease, latched as a running maximum.
///
/// More elapsed time only shortens a validity window, so one honest clock among the three is enough:
/// the stopwatch shows the largest that any of them reports (`Instant` alone stops while a machine
/// sleeps; the wall clock alone steps).
///
/// A lease has several starting points, one per renewal round. [`Stopwatch::mark`] makes a reading a
/// starting point: from then on the maximum is taken over what each clock counted *since that
/// reading*. Without this, a forward step of the wall clock before the mark, undone after it, would
/// hide real time that passed since the mark.
#[derive(Clone, Debug)]
pub struct Stopwatch {
    base: Reading,
    base_elapsed: Duration,
    elapsed: Duration,
}

impl Stopwatch {
    /// Starts at `now` with nothing elapsed.
    pub const fn start(now: Reading) -> Self {
        Self {
            base: now,
            base_elapsed: Duration::ZERO,
            elapsed: Duration::ZERO,
        }
    }

    /// The time elapsed since the start, by the clock that counted most. Never decreases.
    pub fn observe(&mut self, now: &Reading) -> Duration {
        let seen = self.base_elapsed.saturating_add(now.most_since(&self.base));
        self.elapsed = self.elapsed.max(seen);
        self.elapsed
    }

    /// The reading and the amount on any single clock since it at which `elapsed` will be reached.
    /// Latches nothing.
    pub const fn reaches(&self, elapsed: Duration) -> (Reading, Duration) {
        (self.base, elapsed.saturating_sub(self.base_elapsed))
    }

    /// Observes `now` and makes it a starting point: any later elapsed time minus the returned one
    /// is at least what each single clock counted in between.
    pub fn mark(&mut self, now: Reading) -> Duration {
        let elapsed = self.observe(&now);
        self.base = now;
        self.base_elapsed = elapsed;
        elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading(boot_ms: u64, raw_ms: u64, wall_ms: u64) -> Reading {
        Reading {
            boot: Duration::from_millis(boot_ms),
            raw: Duration::from_millis(raw_ms),
            wall: Some(Duration::from_millis(wall_ms)),
        }
    }

    #[test]
    fn time_asleep_counts() {
        // CLOCK_MONOTONIC_RAW stopped for the minute that the machine slept.
        let mut watch = Stopwatch::start(reading(0, 0, 0));
        assert_eq!(
            watch.observe(&reading(60_100, 100, 0)),
            Duration::from_millis(60_100)
        );
    }

    #[test]
    fn a_wall_clock_that_steps_forward_and_back_never_gives_time_back() {
        let mut watch = Stopwatch::start(reading(0, 0, 0));
        assert_eq!(
            watch.observe(&reading(10, 10, 3_600_010)),
            Duration::from_millis(3_600_010)
        );
        assert_eq!(
            watch.observe(&reading(20, 20, 20)),
            Duration::from_millis(3_600_010)
        );
    }

    #[test]
    fn the_least_that_passed_is_what_the_slowest_clock_counted() {
        let start = reading(0, 0, 1_000);
        let ms = Duration::from_millis;
        assert_eq!(reading(9, 8, 1_007).least_since(&start), ms(7));
        assert_eq!(reading(60_100, 100, 61_100).least_since(&start), ms(100));
        assert_eq!(reading(9, 8, 3_601_000).least_since(&start), ms(8));
        assert_eq!(reading(9, 8, 0).least_since(&start), ms(8), "stepped back");
        let without = Reading {
            wall: None,
            ..start
        };
        assert_eq!(reading(9, 8, 1_001).least_since(&without), ms(8));
        assert_eq!(reading(0, 8, 1_009).least_since(&start), ms(0), "frozen");
    }

    #[test]
    fn what_is_left_counts_from_the_last_mark() {
        let mut watch = Stopwatch::start(reading(0, 0, 0));
        let ms = Duration::from_millis;
        assert_eq!(watch.reaches(ms(50)), (reading(0, 0, 0), ms(50)));
        watch.mark(reading(20, 30, 0));
        assert_eq!(watch.reaches(ms(50)), (reading(20, 30, 0), ms(20)));
        watch.observe(&reading(20, 45, 0));
        assert_eq!(watch.reaches(ms(50)), (reading(20, 30, 0), ms(20)));
    }

    #[test]
    fn a_step_before_a_mark_hides_no_time_after_it() {
        // +2 s on the wall clock, a renewal round starts, the step is undone, 1 s passes.
        let mut watch = Stopwatch::start(reading(0, 0, 0));
        let round = watch.mark(reading(3_000, 3_000, 5_000));
        assert_eq!(round, Duration::from_millis(5_000));
        let later = watch.observe(&reading(4_000, 4_000, 4_000));
        assert_eq!(later - round, Duration::from_millis(1_000));
    }

    proptest! {
        /// However clocks behave between marks, the stopwatch never runs behind any clock.
        #[test]
        fn never_behind_an_honest_clock(steps in proptest::collection::vec(
            (0u64..5_000, 0u64..5_000, 0u64..10_000, any::<bool>()), 1..40,
        )) {
            let (mut boot, mut raw, mut wall) = (0, 0, 100_000u64);
            let mut watch = Stopwatch::start(reading(boot, raw, wall));
            let mut marks = vec![(Duration::ZERO, boot, raw)];
            for (boot_step, raw_step, wall_step, mark) in steps {
                boot += boot_step;
                raw += raw_step;
                wall = (wall + wall_step).saturating_sub(5_000);
                let now = reading(boot, raw, wall);
                let elapsed = if mark { watch.mark(now) } else { watch.observe(&now) };
                for (at, boot_at, raw_at) in &marks {
                    let passed = elapsed - *at;
                    prop_assert!(passed >= Duration::from_millis(boot - boot_at));
                    prop_assert!(passed >= Duration::from_millis(raw - raw_at));
                }
                if mark {
                    marks.push((elapsed, boot, raw));
                }
            }
        }
    }
}
