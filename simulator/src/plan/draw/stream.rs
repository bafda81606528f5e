//! Random numbers that are the same everywhere and for ever.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};

/// One of the streams that belong to the drawing of plans from a seed. Streams do not influence each other: what is
/// drawn for one kind of fault is the same whatever is drawn for the others.
///
/// Ranges are computed here, from 64 bits each: libraries of distributions may change theirs between versions, and
/// a seed has to mean the same plan for as long as somebody keeps it.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream `number` of `seed`.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        // Other users of the same seed have other words here.
        key[8..12].copy_from_slice(b"plan");
        let mut random = ChaCha8Rng::from_seed(key);
        random.set_stream(number);
        Self(random)
    }

    /// From `least` to `most`, both included.
    pub(super) fn range(&mut self, least: u64, most: u64) -> u64 {
        let count = u128::from(most.saturating_sub(least)) + 1;
        let drawn = (u128::from(self.0.next_u64()) * count) >> 64;
        least.saturating_add(u64::try_from(drawn).unwrap_or(u64::MAX))
    }

    /// From `least` to `most`, each order of magnitude as often as any other.
    pub(super) fn scaled(&mut self, least: u64, most: u64) -> u64 {
        let (low, high) = (least.max(1).ilog2(), most.max(1).ilog2());
        let power = self.range(low.into(), high.into());
        let floor = 1_u64 << power.min(63);
        let ceiling = floor.saturating_mul(2) - 1;
        self.range(floor.max(least), ceiling.min(most))
    }

    /// True in one of `of` cases.
    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.range(1, of) == 1
    }

    /// One of them.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let last = choices.len().checked_sub(1)?;
        let index = self.range(0, u64::try_from(last).unwrap_or(u64::MAX));
        choices.get(usize::try_from(index).ok()?)
    }

    /// `count` of them (all, if there are fewer), in any order.
    pub(super) fn some<T: Clone>(&mut self, choices: &[T], count: usize) -> Vec<T> {
        let mut left = choices.to_vec();
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(last) = left.len().checked_sub(1)
        {
            let index = self.range(0, u64::try_from(last).unwrap_or(u64::MAX));
            taken.push(left.swap_remove(usize::try_from(index).unwrap_or(last)));
        }
        taken
    }

    /// In whole microseconds, at least one.
    pub(super) fn duration(&mut self, least: Duration, most: Duration) -> Duration {
        Duration::from_micros(self.scaled(micros(least).max(1), micros(most).max(1)))
    }
}

/// Whole microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen, and computed with another implementation of ChaCha8: another number here means that every seed
    /// ever noted down means another plan.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let drawn = |seed, stream| {
            let mut stream = Stream::new(seed, stream);
            [0; 3].map(|_| stream.range(0, 999_999))
        };
        assert_eq!(drawn(1, 0), [983_519, 731_418, 574_907]);
        assert_eq!(drawn(1, 1), [752_322, 54_937, 365_798]);
        assert_eq!(drawn(2, 0), [285_179, 515_923, 345_708]);
    }

    #[test]
    fn ranges_include_both_ends_and_nothing_else() {
        let mut stream = Stream::new(7, 0);
        let mut counts = [0_u32; 5];
        for _ in 0..5_000 {
            let drawn = stream.range(3, 7);
            counts[usize::try_from(drawn - 3).unwrap()] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1_150).contains(count)),
            "{counts:?}"
        );
        assert_eq!(stream.range(4, 4), 4);
        assert!((0..100).all(|_| stream.range(0, u64::MAX) > 0));
        for _ in 0..1_000 {
            assert!((5..=70_000).contains(&stream.scaled(5, 70_000)));
        }
    }

    #[test]
    fn some_are_different_ones() {
        let mut stream = Stream::new(7, 0);
        let mut five = stream.some(&[1, 2, 3, 4, 5], 9);
        five.sort_unstable();
        assert_eq!(five, [1, 2, 3, 4, 5]);
        assert_eq!(stream.some(&[1, 2, 3], 2).len(), 2);
        assert_eq!(stream.pick::<u8>(&[]), None);
    }
}
