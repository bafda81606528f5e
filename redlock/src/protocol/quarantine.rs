//! How long a node that may have forgotten keys stays out, as one client measures it.
//!
//! A quarantine on the node's own clock alone would trust the clock that steps just after boot. So a
//! quarantine carries a random nonce, and the node is admitted only by a call that *proves* a wait: a
//! client answers with the nonce once it has measured `length/(1 − ρ_c)` on the smallest of its clocks
//! since it first heard it. Whatever the node forgot was granted before that moment, so by then it has
//! expired everywhere.

use std::time::Duration;

use super::{clock::Reading, validity::Drift};

/// One client's measurement of one node's quarantine. `N` is the nonce.
#[derive(Clone, Debug)]
pub struct Wait<N> {
    current: Option<Heard<N>>,
}

#[derive(Clone, Debug)]
struct Heard<N> {
    nonce: N,
    length: Duration,
    first: Reading,
}

impl<N> Default for Wait<N> {
    fn default() -> Self {
        Self { current: None }
    }
}

impl<N: PartialEq> Wait<N> {
    /// The node answered that its quarantine `nonce` takes `length`. The measurement starts with the
    /// first answer that carries the nonce; another nonce starts another one.
    ///
    /// `now` must be read after the answer arrived.
    pub fn hear(&mut self, nonce: N, length: Duration, now: Reading) {
        match &mut self.current {
            Some(heard) if heard.nonce == nonce => heard.length = heard.length.max(length),
            _ => {
                self.current = Some(Heard {
                    nonce,
                    length,
                    first: now,
                });
            }
        }
    }

    /// The node was admitted: what was measured proves nothing about a later quarantine.
    pub fn forget(&mut self) {
        self.current = None;
    }

    /// Whether no quarantine is known.
    pub const fn is_over(&self) -> bool {
        self.current.is_none()
    }

    /// How much is still to be measured; `None` when no quarantine is known.
    pub fn left(&self, now: &Reading, drift: &Drift) -> Option<Duration> {
        let heard = self.current.as_ref()?;
        let mut measured = now.least_since(&heard.first);
        if planted!(QuarantineShort) {
            measured += heard.length / 4 * 3;
        }
        Some(
            drift
                .certainly_passed(heard.length)
                .saturating_sub(measured),
        )
    }

    /// The nonce, once enough was measured. `now` must be read before the call that carries it is
    /// written.
    pub fn proof(&self, now: &Reading, drift: &Drift) -> Option<&N> {
        let done = self.left(now, drift)?.is_zero();
        let heard = self.current.as_ref()?;
        done.then_some(&heard.nonce)
    }
}

/// How long after an answer a node in quarantine is looked at when nobody acquires: a little after what `remains`, because a
/// look that comes a microsecond too early is in vain, and timers do not follow the slowest clock. The least that it takes
/// is no burden where a clock stands still, and little beside the quarantine itself.
pub(crate) fn look_after(remains: Duration, max_ttl: Duration) -> Duration {
    const MS: Duration = Duration::from_millis(1);
    let over = remains.saturating_add(remains / 1_000 + MS);
    over.max((max_ttl / 20).clamp(MS, 100 * MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Ppm;

    const MINUTE: Duration = Duration::from_secs(60);

    fn at(boot: u64, raw: u64, wall: u64) -> Reading {
        Reading {
            boot: Duration::from_secs(boot),
            raw: Duration::from_secs(raw),
            wall: Some(Duration::from_secs(wall)),
        }
    }

    #[test]
    fn the_wait_is_measured_from_the_first_answer_with_the_nonce() {
        let mut wait = Wait::default();
        assert_eq!(wait.left(&at(0, 0, 0), &Drift::NONE), None);
        wait.hear(1, MINUTE, at(100, 100, 100));
        wait.hear(1, MINUTE, at(130, 130, 130));
        let left = wait.left(&at(130, 130, 130), &Drift::NONE);
        assert_eq!(left, Some(MINUTE / 2));
        assert_eq!(wait.proof(&at(159, 159, 159), &Drift::NONE), None);
        assert_eq!(wait.proof(&at(160, 160, 160), &Drift::NONE), Some(&1));
        // Another nonce is another quarantine.
        wait.hear(2, MINUTE, at(160, 160, 160));
        assert_eq!(wait.proof(&at(200, 200, 200), &Drift::NONE), None);
        wait.forget();
        assert_eq!(wait.proof(&at(999, 999, 999), &Drift::NONE), None);
    }

    #[test]
    fn the_smallest_clock_counts_and_may_be_slow() {
        let mut wait = Wait::default();
        wait.hear((), MINUTE, at(0, 0, 0));
        for early in [at(999, 59, 999), at(59, 999, 999), at(999, 999, 59)] {
            assert_eq!(wait.proof(&early, &Drift::NONE), None, "{early:?}");
        }
        let half_speed = Drift {
            client_rate: Ppm(500_000),
            ..Drift::NONE
        };
        assert_eq!(wait.proof(&at(119, 119, 119), &half_speed), None);
        assert!(wait.proof(&at(120, 120, 120), &half_speed).is_some());
    }

    #[test]
    fn the_longest_length_heard_counts() {
        let mut wait = Wait::default();
        wait.hear((), MINUTE, at(0, 0, 0));
        wait.hear((), 2 * MINUTE, at(1, 1, 1));
        wait.hear((), MINUTE, at(2, 2, 2));
        assert_eq!(wait.proof(&at(119, 119, 119), &Drift::NONE), None);
        assert!(wait.proof(&at(120, 120, 120), &Drift::NONE).is_some());
    }

    /// A quarantine of 50 ms ends in time as well, and one whose clock stands still keeps nobody busy.
    #[test]
    fn looks_are_as_far_apart_as_the_quarantine_is_long() {
        let millis = Duration::from_millis;
        for (max_ttl, least) in [
            (0, 1),
            (10, 1),
            (50, 2),
            (100, 5),
            (2_000, 100),
            (60_000, 100),
        ] {
            let after = |remains| look_after(millis(remains), millis(max_ttl));
            assert_eq!(after(0).as_millis(), least);
            assert_eq!(after(1_000), millis(1_002));
        }
    }
}
