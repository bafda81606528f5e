//! The four clocks of a host and what disturbs them.

use std::time::Duration;

use redlock::protocol::Reading;
use serde::{Deserialize, Serialize};

use super::map::{ClockMap, LocalTime, Ppm};
use crate::time::TrueTime;

/// The clocks that a host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockName {
    /// CLOCK_REALTIME: steps and slews. Redis expires keys by it.
    Wall,
    /// CLOCK_MONOTONIC: slewed, stops in suspend. Timers follow it.
    Monotonic,
    /// CLOCK_MONOTONIC_RAW: never slewed, stops in suspend.
    Raw,
    /// CLOCK_BOOTTIME: slewed, counts in suspend.
    Boot,
}

impl ClockName {
    /// All of them, in the order in which they are kept.
    pub const ALL: [Self; 4] = [Self::Wall, Self::Monotonic, Self::Raw, Self::Boot];

    const fn index(self) -> usize {
        self as usize
    }
}

/// What goes on for a while with a clock. Disturbances of one clock add up; frozen wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The rate is off by this much more.
    Drift(Ppm),
    /// The clock stands still.
    Freeze,
}

const FROZEN: Ppm = -1_000_000;

#[derive(Clone, Debug)]
struct Clock {
    map: ClockMap,
    /// The rate error when nothing disturbs it.
    usual: Ppm,
    drifts: Vec<Ppm>,
    freezes: u32,
}

impl Clock {
    fn rate_error(&self) -> Ppm {
        if self.freezes > 0 {
            return FROZEN;
        }
        self.drifts
            .iter()
            .fold(self.usual, |sum, drift| sum.saturating_add(*drift))
            .max(FROZEN)
    }
}

/// The clocks of one host.
#[derive(Clone, Debug)]
pub struct Clocks([Clock; 4]);

impl Clocks {
    /// Clocks of a host whose oscillator is off by `rate_error_ppm`. The wall clock shows `wall` (nanoseconds
    /// since 1970) as the world begins, the others `uptime`.
    pub fn new(wall: LocalTime, uptime: Duration, rate_error_ppm: Ppm) -> Self {
        let uptime = i64::try_from(uptime.as_nanos()).unwrap_or(i64::MAX);
        Self(ClockName::ALL.map(|name| Clock {
            map: ClockMap::new(
                if name == ClockName::Wall {
                    wall
                } else {
                    uptime
                },
                rate_error_ppm,
            ),
            usual: rate_error_ppm,
            drifts: Vec::new(),
            freezes: 0,
        }))
    }

    /// One clock, with its past.
    pub fn map(&self, name: ClockName) -> &ClockMap {
        &self.0[name.index()].map
    }

    /// Steps a clock by `step` nanoseconds.
    pub fn step(&mut self, name: ClockName, at: TrueTime, step: LocalTime) {
        let clock = &mut self.0[name.index()];
        let rate = clock.rate_error();
        clock.map.change(at, step, rate);
    }

    /// Starts to disturb a clock.
    pub fn disturb(&mut self, name: ClockName, at: TrueTime, disturbance: Disturbance) {
        let clock = &mut self.0[name.index()];
        match disturbance {
            Disturbance::Drift(ppm) => clock.drifts.push(ppm),
            Disturbance::Freeze => clock.freezes += 1,
        }
        let rate = clock.rate_error();
        clock.map.change(at, 0, rate);
    }

    /// Ends one such disturbance.
    pub fn calm(&mut self, name: ClockName, at: TrueTime, disturbance: Disturbance) {
        let clock = &mut self.0[name.index()];
        match disturbance {
            Disturbance::Drift(ppm) => {
                if let Some(found) = clock.drifts.iter().position(|drift| *drift == ppm) {
                    clock.drifts.remove(found);
                }
            }
            Disturbance::Freeze => clock.freezes = clock.freezes.saturating_sub(1),
        }
        let rate = clock.rate_error();
        clock.map.change(at, 0, rate);
    }

    /// What a clock shows; clocks that can be shown as a [`Duration`] never show less than zero.
    pub fn show(&self, name: ClockName, at: TrueTime) -> Duration {
        duration(self.map(name).at(at))
    }

    /// The clocks by which a client measures validity.
    pub fn reading(&self, at: TrueTime) -> Reading {
        Reading {
            boot: self.show(ClockName::Boot, at),
            raw: self.show(ClockName::Raw, at),
            wall: Some(self.show(ClockName::Wall, at)),
        }
    }
}

fn duration(local: LocalTime) -> Duration {
    Duration::from_nanos(u64::try_from(local.max(0)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> TrueTime = TrueTime::from_millis;

    #[test]
    fn overlapping_disturbances_end_one_by_one() {
        let mut clocks = Clocks::new(0, Duration::from_secs(100), 50);
        let wall = ClockName::Wall;
        let rate = |clocks: &Clocks, ms| clocks.map(wall).rate_error_at(MS(ms));
        clocks.disturb(wall, MS(1), Disturbance::Drift(200));
        clocks.disturb(wall, MS(2), Disturbance::Freeze);
        clocks.disturb(wall, MS(3), Disturbance::Drift(-100));
        clocks.calm(wall, MS(4), Disturbance::Freeze);
        clocks.calm(wall, MS(5), Disturbance::Drift(200));
        clocks.calm(wall, MS(6), Disturbance::Drift(-100));
        let rates = [0, 1, 2, 3, 4, 5, 6].map(|ms| rate(&clocks, ms));
        assert_eq!(rates, [50, 250, FROZEN, FROZEN, 150, -50, 50]);
        assert_eq!(
            clocks.map(ClockName::Boot).segments().len(),
            1,
            "the others are not touched"
        );
    }

    #[test]
    fn a_step_keeps_the_rate() {
        let mut clocks = Clocks::new(1_000_000_000, Duration::ZERO, 0);
        clocks.disturb(ClockName::Wall, MS(0), Disturbance::Drift(10_000));
        clocks.step(ClockName::Wall, MS(1_000), -5_000_000_000);
        assert_eq!(clocks.map(ClockName::Wall).at(MS(2_000)), -1_980_000_000);
        assert_eq!(clocks.show(ClockName::Wall, MS(2_000)), Duration::ZERO);
    }
}
