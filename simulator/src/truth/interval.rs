//! Stretches of true time.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::TrueTime;

/// From `start` up to, and without, `end`: two intervals that touch do not overlap.
/// [`TrueTime::MAX`] as an end is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interval {
    /// Its first instant.
    #[serde(rename = "start_ns")]
    pub start: TrueTime,
    /// The first instant after it.
    #[serde(rename = "end_ns")]
    pub end: TrueTime,
}

impl Interval {
    /// All of time.
    pub const ALWAYS: Self = Self {
        start: TrueTime::ZERO,
        end: TrueTime::MAX,
    };

    /// From `start` to `end`; empty when `end` is not later.
    pub fn new(start: TrueTime, end: TrueTime) -> Self {
        Self {
            start,
            end: end.max(start),
        }
    }

    /// Whether it has no instant.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether `at` is in it.
    pub fn contains(&self, at: TrueTime) -> bool {
        self.start <= at && at < self.end
    }

    /// The instants that are in both; `None` when there are none.
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// How long it is; `None` when it never ends.
    pub fn length(&self) -> Option<Duration> {
        (self.end < TrueTime::MAX).then(|| self.end.since(self.start))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.end == TrueTime::MAX {
            write!(f, "from {} on", self.start)
        } else {
            write!(f, "from {} to {}", self.start, self.end)
        }
    }
}

/// Intervals that neither overlap nor touch, earliest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// No instant.
    pub const NONE: Self = Self(Vec::new());

    /// The instants that are in at least one of `intervals`.
    pub fn union(intervals: impl IntoIterator<Item = Interval>) -> Self {
        let mut sorted: Vec<_> = intervals
            .into_iter()
            .filter(|interval| !interval.is_empty())
            .collect();
        sorted.sort_unstable();
        let mut merged: Vec<Interval> = Vec::with_capacity(sorted.len());
        for interval in sorted {
            match merged.last_mut() {
                Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
                _ => merged.push(interval),
            }
        }
        Self(merged)
    }

    /// The instants that are in at least `needed` of `sets`. With none needed, always.
    pub fn at_least(needed: usize, sets: &[Self]) -> Self {
        if needed == 0 {
            return Self(vec![Interval::ALWAYS]);
        }
        // Ends sort before starts of the same instant, so that the count there is that of the instant itself.
        let mut edges: Vec<(TrueTime, bool)> = Vec::new();
        for interval in sets.iter().flat_map(|set| &set.0) {
            edges.push((interval.start, true));
            edges.push((interval.end, false));
        }
        edges.sort_unstable();
        let mut found = Vec::new();
        let (mut count, mut since) = (0_usize, None);
        for (at, begins) in edges {
            if begins {
                count += 1;
            } else {
                count -= 1;
            }
            match since {
                None if count >= needed => since = Some(at),
                Some(start) if count < needed => {
                    found.push(Interval::new(start, at));
                    since = None;
                }
                _ => {}
            }
        }
        Self::union(found)
    }

    /// The intervals, earliest first.
    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    /// Whether there is no instant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `at` is in one of them.
    pub fn contains(&self, at: TrueTime) -> bool {
        self.at(at).is_some()
    }

    /// The interval that `at` is in.
    pub fn at(&self, at: TrueTime) -> Option<Interval> {
        let after = self.0.partition_point(|interval| interval.start <= at);
        let found = self.0[..after].last()?;
        found.contains(at).then_some(*found)
    }

    /// The first instant from `from` on that is in none of them; [`TrueTime::MAX`] when all are.
    pub fn end_from(&self, from: TrueTime) -> TrueTime {
        self.at(from).map_or(from, |interval| interval.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> TrueTime {
        TrueTime::from_millis(ms)
    }

    fn between(start: u64, end: u64) -> Interval {
        Interval::new(at(start), at(end))
    }

    #[test]
    fn touching_intervals_do_not_overlap_and_their_union_is_one() {
        assert_eq!(between(0, 5).overlap(&between(5, 9)), None);
        assert_eq!(between(0, 5).overlap(&between(4, 9)), Some(between(4, 5)));
        let union = Intervals::union([between(5, 9), between(0, 5), between(7, 7)]);
        assert_eq!(union.as_slice(), [between(0, 9)]);
        assert!(union.contains(at(5)) && !union.contains(at(9)));
        assert_eq!(union.end_from(at(3)), at(9));
        assert_eq!(union.end_from(at(9)), at(9));
    }

    #[test]
    fn one_that_takes_over_without_a_gap_keeps_the_count() {
        let sets = [[between(0, 5)], [between(5, 9)]].map(Intervals::union);
        assert_eq!(Intervals::at_least(1, &sets).as_slice(), [between(0, 9)]);
        assert!(Intervals::at_least(2, &sets).is_empty());
    }

    proptest! {
        /// Counting instant by instant finds the same.
        #[test]
        fn at_least_is_what_counting_finds(
            raw in proptest::collection::vec(proptest::collection::vec((0u64..30, 0u64..30), 0..4), 0..5),
            needed in 0usize..4,
        ) {
            let sets: Vec<_> = raw
                .iter()
                .map(|set| Intervals::union(set.iter().map(|(a, b)| between(*a, *b))))
                .collect();
            let found = Intervals::at_least(needed, &sets);
            for ms in 0..40 {
                let count = raw
                    .iter()
                    .filter(|set| set.iter().any(|(a, b)| *a <= ms && ms < *b))
                    .count();
                prop_assert_eq!(found.contains(at(ms)), count >= needed);
            }
            for pair in found.as_slice().windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
        }
    }
}
