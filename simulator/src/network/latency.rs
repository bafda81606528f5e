//! How long a segment travels.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::random::{Purpose, below, stream};

/// The latency of one segment in one direction.
///
/// Most are near the least; a few, the tail, are much longer, as in a data centre. Drawn in whole nanoseconds with
/// integer arithmetic, so that it is the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// The least, in microseconds.
    pub min_us: u64,
    /// The most, but for the tail; three of four segments are within the first half of the range.
    pub max_us: u64,
    /// Of a million segments, how many are in the tail.
    pub tail_ppm: u32,
    /// The most that the tail adds.
    pub tail_max_us: u64,
}

/// 0.2 to 0.5 ms, one in 10,000 up to 2 s: a data centre (the figures of Pingmesh, roughly).
impl Default for Latency {
    fn default() -> Self {
        Self {
            min_us: 200,
            max_us: 500,
            tail_ppm: 100,
            tail_max_us: 2_000_000,
        }
    }
}

impl Latency {
    /// Always the same.
    pub const fn constant(latency_us: u64) -> Self {
        Self {
            min_us: latency_us,
            max_us: latency_us,
            tail_ppm: 0,
            tail_max_us: 0,
        }
    }

    /// The latency of segment `sequence` of connection `connection` on `link`.
    pub(crate) fn draw(&self, seed: u64, link: &str, connection: u64, sequence: u64) -> Duration {
        let mut random = stream(seed, Purpose::Latency, link, connection, sequence);
        let mut share = |range_us: u64| {
            let (one, two) = (below(&mut random, 1 << 20), below(&mut random, 1 << 20));
            // The smaller of the two products leans to the short side.
            let lean = u128::from(one) * u128::from(two);
            u64::try_from((u128::from(range_us) * 1_000 * lean) >> 40).unwrap_or(u64::MAX)
        };
        let usual = self
            .min_us
            .saturating_mul(1_000)
            .saturating_add(share(self.max_us.saturating_sub(self.min_us)));
        let tail = share(self.tail_max_us);
        let in_tail = below(&mut random, 1_000_000) < u64::from(self.tail_ppm);
        Duration::from_nanos(if in_tail {
            usual.saturating_add(tail)
        } else {
            usual
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_keep_their_range_and_lean_to_the_short_side() {
        let latency = Latency {
            tail_ppm: 0,
            ..Latency::default()
        };
        let mut drawn: Vec<_> = (0..2_000)
            .map(|sequence| latency.draw(1, "a>b", 1, sequence))
            .collect();
        drawn.sort();
        assert!(
            drawn[0] >= Duration::from_micros(200) && drawn[1_999] < Duration::from_micros(500)
        );
        assert!(
            drawn[1_400] < Duration::from_micros(350),
            "{:?}",
            drawn[1_400]
        );
    }

    #[test]
    fn the_tail_is_as_rare_as_it_says() {
        let latency = Latency {
            tail_ppm: 50_000,
            ..Latency::default()
        };
        let long = (0..4_000)
            .filter(|sequence| latency.draw(1, "a>b", 1, *sequence) > Duration::from_micros(500));
        let count = long.count();
        assert!((120..=280).contains(&count), "{count} of 4,000");
    }
}
