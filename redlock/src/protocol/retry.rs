//! How long to wait before the next attempt.

use std::time::Duration;

/// Jittered, capped back-off that knows how long the holder's TTL still lasts.
///
/// The jitter is what ends a split vote: contenders that wait equally long split the nodes again and
/// again. The wait is never zero and the arithmetic never overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait after the first failure; doubles with each further one.
    pub base: Duration,
    /// The longest wait at all.
    pub cap: Duration,
}

impl Backoff {
    /// No wait is shorter: a zero `base` must not spin.
    pub const SHORTEST: Duration = Duration::from_millis(1);

    /// The wait before attempt `failures + 1`, from 64 random bits.
    ///
    /// Half of it is fixed and half is random. When the nodes said that the lock frees itself in
    /// `free_in`, waiting longer than that is pointless: the wait ends shortly after, again with
    /// jitter, because others wait for the same instant.
    pub fn wait(&self, failures: u32, free_in: Option<Duration>, random: u64) -> Duration {
        let cap = self.cap.max(Self::SHORTEST);
        let doubled = self.base.saturating_mul(1 << failures.min(20));
        let ceiling = doubled.clamp(Self::SHORTEST, cap);
        let wait = share(ceiling, random);
        match free_in {
            Some(left) if left < wait => {
                let base = self.base.clamp(Self::SHORTEST, cap);
                left.saturating_add(share(base, random))
            }
            _ => wait,
        }
    }
}

impl Default for Backoff {
    /// 20 ms doubling up to 500 ms: the first wait is many round trips in one data centre, the last
    /// finds a released lock within half a second.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(20),
            cap: Duration::from_millis(500),
        }
    }
}

/// Between half of `ceiling` and all of it.
fn share(ceiling: Duration, random: u64) -> Duration {
    let half = ceiling / 2;
    let nanos = half.as_nanos().saturating_mul(u128::from(random)) >> 64;
    let extra = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    (half + extra).max(Backoff::SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let backoff = Backoff::default();
        let ceilings: Vec<_> = (0..8)
            .map(|failures| backoff.wait(failures, None, u64::MAX).as_millis() + 1)
            .collect();
        assert_eq!(ceilings, [20, 40, 80, 160, 320, 500, 500, 500]);
    }

    #[test]
    fn a_lock_about_to_expire_is_tried_right_after() {
        let backoff = Backoff::default();
        let wait = backoff.wait(10, Some(Duration::from_millis(30)), 0);
        assert_eq!(wait, Duration::from_millis(40));
    }

    proptest! {
        #[test]
        fn every_wait_is_positive_and_within_bounds(
            base in any::<u64>(), cap in any::<u64>(), failures in any::<u32>(),
            free_in in proptest::option::of(any::<u64>()), random in any::<u64>(),
        ) {
            let backoff = Backoff { base: Duration::from_nanos(base), cap: Duration::from_nanos(cap) };
            let free_in = free_in.map(Duration::from_nanos);
            let wait = backoff.wait(failures, free_in, random);
            prop_assert!(wait >= Backoff::SHORTEST);
            prop_assert!(wait <= backoff.cap.max(Backoff::SHORTEST).saturating_mul(2));
        }
    }
}
