//! One clock as a function of true time.

use serde::{Deserialize, Serialize};

use crate::time::TrueTime;

/// What a clock shows, in nanoseconds since its own origin; the wall clock's origin is 1970. Signed: a wall
/// clock may be stepped before its origin.
pub type LocalTime = i64;

/// Parts per million; a clock that gains 200 µs per second has a rate error of 200.
pub type Ppm = i64;

const MILLION: i128 = 1_000_000;

/// From `from` on, the clock shows `local` plus the true time passed, times one million and `rate_error_ppm`
/// millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockSegment {
    /// Where the segment begins.
    #[serde(rename = "from_ns")]
    pub from: TrueTime,
    /// What the clock shows there.
    #[serde(rename = "local_ns")]
    pub local: LocalTime,
    /// How much faster than true time the clock runs; −1,000,000 is a frozen clock.
    pub rate_error_ppm: Ppm,
}

impl ClockSegment {
    fn rate(&self) -> i128 {
        MILLION + i128::from(self.rate_error_ppm)
    }

    fn local_at(&self, at: TrueTime) -> LocalTime {
        let passed = i128::from(at.as_nanos()) - i128::from(self.from.as_nanos());
        saturate(i128::from(self.local) + (passed * self.rate()).div_euclid(MILLION))
    }

    /// The first instant from `self.from` on at which the segment, if it went on for ever, shows at least
    /// `local`.
    fn reaches(&self, local: LocalTime) -> Option<TrueTime> {
        if self.local >= local {
            return Some(self.from);
        }
        if self.rate() <= 0 {
            return None;
        }
        let missing = (i128::from(local) - i128::from(self.local)) * MILLION;
        // Rounded up: at the instant before, the clock does not show it yet.
        let passed = -(-missing).div_euclid(self.rate());
        let nanos = i128::from(self.from.as_nanos()) + passed;
        u64::try_from(nanos).ok().map(TrueTime::from_nanos)
    }
}

/// Clocks end at the ends of their range, 292 years from 1970.
fn saturate(local: i128) -> LocalTime {
    i64::try_from(local).unwrap_or(if local < 0 { i64::MIN } else { i64::MAX })
}

/// A clock: piecewise linear in true time, with its past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockMap {
    segments: Vec<ClockSegment>,
}

impl ClockMap {
    /// A clock that shows `local` as the world begins.
    pub fn new(local: LocalTime, rate_error_ppm: Ppm) -> Self {
        Self {
            segments: vec![ClockSegment {
                from: TrueTime::ZERO,
                local,
                rate_error_ppm,
            }],
        }
    }

    /// The pieces, oldest first.
    pub fn segments(&self) -> &[ClockSegment] {
        &self.segments
    }

    /// Appends a piece; it must not begin before the last one. A piece that begins where the last one does
    /// replaces it.
    ///
    /// # Panics
    ///
    /// When it begins earlier: the past does not change.
    pub fn append(&mut self, segment: ClockSegment) {
        let last = self
            .segments
            .last()
            .map_or(TrueTime::ZERO, |last| last.from);
        assert!(segment.from >= last, "the past of a clock does not change");
        if segment.from == last {
            self.segments.pop();
        }
        self.segments.push(segment);
    }

    /// Steps the clock by `step` nanoseconds at `at`, and has it run with `rate_error_ppm` from then on.
    pub fn change(&mut self, at: TrueTime, step: LocalTime, rate_error_ppm: Ppm) {
        let local = self.at(at).saturating_add(step);
        self.append(ClockSegment {
            from: at,
            local,
            rate_error_ppm,
        });
    }

    /// What the clock shows at `at`.
    pub fn at(&self, at: TrueTime) -> LocalTime {
        self.segment_at(at).local_at(at)
    }

    /// The rate error at `at`.
    pub fn rate_error_at(&self, at: TrueTime) -> Ppm {
        self.segment_at(at).rate_error_ppm
    }

    /// The pieces that have a length before `end`: from, to, rate error.
    pub fn pieces(&self, end: TrueTime) -> impl Iterator<Item = (TrueTime, TrueTime, Ppm)> {
        let ends = self.segments.iter().skip(1).map(|next| next.from);
        let pieces = self.segments.iter().zip(ends.chain([end]));
        pieces
            .map(move |(segment, to)| (segment.from, to.min(end), segment.rate_error_ppm))
            .filter(|(from, to, _)| from < to)
    }

    /// When the clock was stepped, and how far, in nanoseconds. Steps of one instant are one.
    pub fn steps(&self) -> impl Iterator<Item = (TrueTime, LocalTime)> {
        self.segments.windows(2).filter_map(|pair| {
            let step = pair[1].local.saturating_sub(pair[0].local_at(pair[1].from));
            (step != 0).then_some((pair[1].from, step))
        })
    }

    fn segment_at(&self, at: TrueTime) -> &ClockSegment {
        let index = self.segments.partition_point(|segment| segment.from <= at);
        &self.segments[index.max(1) - 1]
    }

    /// The first instant at or after `from` at which the clock shows at least `local`, if nothing but what is
    /// recorded happens to it; `None` when it never does.
    pub fn first_reaching(&self, from: TrueTime, local: LocalTime) -> Option<TrueTime> {
        let first = self
            .segments
            .partition_point(|segment| segment.from <= from)
            .max(1)
            - 1;
        for (index, segment) in self.segments.iter().enumerate().skip(first) {
            let start = segment.from.max(from);
            // From the segment's own beginning, not from what it shows at `start`: that is rounded.
            let reached = if segment.local_at(start) >= local {
                Some(start)
            } else {
                segment.reaches(local)
            };
            let end = self.segments.get(index + 1).map(|next| next.from);
            match reached {
                Some(at) if end.is_none_or(|end| at < end) => return Some(at),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn steps_drifts_and_freezes_add_up() {
        let mut clock = ClockMap::new(100 * SECOND, 0);
        clock.change(TrueTime::from_millis(1_000), 5 * SECOND, 10_000);
        clock.change(TrueTime::from_millis(2_000), 0, -1_000_000);
        clock.change(TrueTime::from_millis(3_000), -SECOND, 0);
        let at = |ms| clock.at(TrueTime::from_millis(ms));
        assert_eq!(at(0), 100 * SECOND);
        assert_eq!(at(999), 100_999 * 1_000_000);
        assert_eq!(at(1_000), 106 * SECOND);
        assert_eq!(at(2_000), 107_010 * 1_000_000);
        assert_eq!(at(2_500), 107_010 * 1_000_000);
        assert_eq!(at(3_500), 106_510 * 1_000_000);
    }

    #[test]
    fn a_time_that_is_stepped_over_is_reached_at_the_step() {
        let mut clock = ClockMap::new(0, 0);
        clock.change(TrueTime::from_millis(1_000), 5 * SECOND, 0);
        assert_eq!(
            clock.first_reaching(TrueTime::ZERO, 3 * SECOND),
            Some(TrueTime::from_millis(1_000))
        );
        assert_eq!(
            clock.first_reaching(TrueTime::ZERO, SECOND / 2),
            Some(TrueTime::from_millis(500))
        );
        let late = TrueTime::from_millis(1_500);
        assert_eq!(
            clock.first_reaching(late, SECOND / 2),
            Some(late),
            "long reached"
        );
        clock.change(TrueTime::from_millis(2_000), 0, -1_000_000);
        assert_eq!(
            clock.first_reaching(TrueTime::ZERO, 9 * SECOND),
            None,
            "frozen before it"
        );
    }

    proptest! {
        /// `first_reaching` is what a search millisecond by millisecond would find.
        #[test]
        fn the_first_instant_is_the_first(
            changes in proptest::collection::vec((1u64..50, -40_000_000i64..40_000_000, -1_000_000i64..1_000_000), 0..6),
            local in -100_000_000i64..400_000_000,
            from in 0u64..200_000_000,
        ) {
            let mut clock = ClockMap::new(0, 0);
            let mut at = 0;
            for (later, step, rate) in changes {
                at += later;
                clock.change(TrueTime::from_millis(at), step, rate);
            }
            // Where clocks show fractions of a nanosecond, too.
            let from = TrueTime::from_nanos(from);
            match clock.first_reaching(from, local) {
                Some(found) => {
                    prop_assert!(found >= from && clock.at(found) >= local);
                    let before = TrueTime::from_nanos(found.as_nanos().saturating_sub(1));
                    prop_assert!(found == from || clock.at(before) < local);
                    for ms in 0..1_000 {
                        let earlier = TrueTime::from_millis(ms);
                        prop_assert!(earlier < from || earlier >= found || clock.at(earlier) < local);
                    }
                }
                None => for ms in 0..1_000 {
                    let at = TrueTime::from_millis(ms);
                    prop_assert!(at < from || clock.at(at) < local);
                },
            }
        }
    }
}
