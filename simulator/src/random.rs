//! One seed, separate streams: what is drawn for one purpose shifts nothing that is drawn for another.

use rand::{Rng as _, SeedableRng as _, rngs::ChaCha8Rng};

/// What random numbers are drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The faults of a plan.
    Plan,
    /// The latency of one segment.
    Latency,
    /// Whether one transmission of a segment is lost.
    Loss,
    /// What a client's workload does when.
    Workload,
    /// What a host draws: owner tokens, jitter, run ids, the errors of its clocks.
    Host,
}

/// The generator for `purpose` at `place` (a host, a link) and the two numbers that tell draws there apart.
///
/// The four words are the key of a ChaCha8 generator, so every stream is independent of every other.
pub fn stream(seed: u64, purpose: Purpose, place: &str, one: u64, two: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let words = [seed, fnv1a(purpose, place), one, two];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number below `bound`, which must not be zero. Without rejection: the bias is below 2⁻³² for the bounds
/// that worlds use, and one draw is one word of the stream.
pub fn below(random: &mut ChaCha8Rng, bound: u64) -> u64 {
    let wide = u128::from(random.next_u64()) * u128::from(bound);
    u64::try_from(wide >> 64).unwrap_or_default()
}

/// FNV-1a, 64 bits: names to numbers, the same everywhere.
fn fnv1a(purpose: Purpose, place: &str) -> u64 {
    let tag = [purpose as u8];
    tag.iter()
        .chain(place.as_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeatable_and_apart() {
        let draw =
            |seed, purpose, place, one, two| stream(seed, purpose, place, one, two).next_u64();
        let base = draw(7, Purpose::Latency, "a>b", 1, 2);
        assert_eq!(base, draw(7, Purpose::Latency, "a>b", 1, 2));
        let others = [
            draw(8, Purpose::Latency, "a>b", 1, 2),
            draw(7, Purpose::Loss, "a>b", 1, 2),
            draw(7, Purpose::Latency, "b>a", 1, 2),
            draw(7, Purpose::Latency, "a>b", 2, 2),
            draw(7, Purpose::Latency, "a>b", 1, 3),
        ];
        assert!(others.iter().all(|other| *other != base), "{others:?}");
        assert_eq!(base, 3_710_600_082_414_796_305, "fixed for ever");
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = stream(1, Purpose::Workload, "client-1", 0, 0);
        let drawn: Vec<_> = (0..1_000).map(|_| below(&mut random, 3)).collect();
        assert!(
            [0, 1, 2]
                .iter()
                .all(|wanted| drawn.iter().filter(|found| *found == wanted).count() > 250)
        );
        assert!(drawn.iter().all(|found| *found < 3));
    }
}
