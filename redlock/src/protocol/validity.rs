//! How long a holder may rely on a TTL, given how wrong clocks may be.

use std::{fmt, time::Duration};

/// Parts per million, for clock rates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ppm(pub u32);

impl fmt::Display for Ppm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ppm", self.0)
    }
}

const MILLION: u128 = 1_000_000;

/// How wrong clocks may be without two holders: the assumption on which exclusion rests.
///
/// The validity of a TTL is
///
/// ```text
/// V(ttl) = (ttl − g − σ_s)(1 − ρ_c)/(1 + ρ_s) − σ_c − r
/// ```
///
/// with clock rates wrong by at most ρ_c (this client, too slow) and ρ_s (nodes, too fast), steps of
/// at most σ_s (nodes, forward) and σ_c (this client, backward), g the granularity of expiry on the
/// node and r the rounding of our own arithmetic. If every clock keeps to these bounds and no node
/// forgets a key, the windows of two holders are disjoint in real time under any delay, loss,
/// reordering and pause. The bound is tight: one microsecond more and windows overlap.
///
/// Only a fast node and a slow client can break exclusion. A slow node, a paused node or a fast
/// client costs time, not safety.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// ρ_c: how slow the best of this client's clocks may run.
    pub client_rate: Ppm,
    /// ρ_s: how fast a node's wall clock may run.
    pub node_rate: Ppm,
    /// σ_c: how far all of this client's clocks may step back or stand still together.
    pub client_step: Duration,
    /// σ_s: how far a node's wall clock may step forward during one TTL.
    pub node_step: Duration,
    /// g: how early a node may expire a key. Redis up to 7.4 keeps it through the last millisecond
    /// (0); later ones delete it as the millisecond begins (1 ms).
    pub expiry_granularity: Duration,
    /// r: the rounding in our own arithmetic.
    pub rounding: Duration,
}

impl Drift {
    /// The allowance that Redlock clients customarily make: 1% of the TTL and 2 ms.
    ///
    /// That is ρ = 5,026 ppm on both sides (1% is (1 − ρ)/(1 + ρ) = 0.99), 1 ms of expiry
    /// granularity and 1 ms of rounding; rounded to whole ppm so that the allowance is never below
    /// the customary one (it is 17 µs above it at a TTL of 10 s). It is far more than quartz (200
    /// ppm) and ntpd's slew (500 ppm) need, and too little for chrony's default slew on a node
    /// (83,333 ppm), or for a single ntpd step (128 ms) below a TTL of 12.6 s.
    pub const CUSTOMARY: Self = Self {
        client_rate: Ppm(5_026),
        node_rate: Ppm(5_026),
        client_step: Duration::ZERO,
        node_step: Duration::ZERO,
        expiry_granularity: Duration::from_millis(1),
        rounding: Duration::from_millis(1),
    };

    /// Perfect clocks and no rounding: V(ttl) = ttl. For tests and for teaching.
    pub const NONE: Self = Self {
        client_rate: Ppm(0),
        node_rate: Ppm(0),
        client_step: Duration::ZERO,
        node_step: Duration::ZERO,
        expiry_granularity: Duration::ZERO,
        rounding: Duration::ZERO,
    };

    /// V(ttl): how long after `t1`, read before the first byte was sent, the holder may rely on keys
    /// with this TTL. Zero when the allowance eats the whole TTL. Rounded down to the nanosecond.
    ///
    /// This is the only place that computes it: acquisition, late grants and every round of renewal
    /// go through here.
    pub fn validity(&self, ttl: Duration) -> Duration {
        if planted!(NoDriftAllowance) {
            return ttl;
        }
        let kept = ttl
            .saturating_sub(self.expiry_granularity)
            .saturating_sub(self.node_step)
            .as_nanos();
        let slow = MILLION.saturating_sub(u128::from(self.client_rate.0));
        let fast = MILLION + u128::from(self.node_rate.0);
        // Divided first where the product would overflow; that loses less than one part in 2^64.
        let scaled = match kept.checked_mul(slow) {
            Some(product) => product / fast,
            None => (kept / fast).saturating_mul(slow),
        };
        nanoseconds(scaled)
            .saturating_sub(self.client_step)
            .saturating_sub(self.rounding)
    }

    /// The time that a holder of a node key must wait, on the slowest of its own clocks, to be sure
    /// that a key with this TTL has expired: ttl/(1 − ρ_c), rounded up.
    pub fn certainly_passed(&self, ttl: Duration) -> Duration {
        let slow = MILLION
            .saturating_sub(u128::from(self.client_rate.0))
            .max(1);
        let waited = ttl.as_nanos().saturating_mul(MILLION).div_ceil(slow);
        nanoseconds(waited).saturating_add(self.client_step)
    }
}

impl Default for Drift {
    fn default() -> Self {
        Self::CUSTOMARY
    }
}

fn nanoseconds(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    match u64::try_from(nanos / SECOND) {
        Ok(seconds) => {
            let rest = u32::try_from(nanos % SECOND).unwrap_or_default();
            Duration::new(seconds, rest)
        }
        Err(_) => Duration::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drift(rho_ppm: u32) -> Drift {
        Drift {
            client_rate: Ppm(rho_ppm),
            node_rate: Ppm(rho_ppm),
            ..Drift::NONE
        }
    }

    /// What the allowance must be for a TTL of 10 s, computed by hand from D* = ttl − V.
    #[test]
    fn the_allowance_at_ten_seconds() {
        let ttl = Duration::from_secs(10);
        for (rho_ppm, allowance_us) in [
            (0, 0),
            (200, 3_999),
            (5_000, 99_502),
            (10_000, 198_019),
            (100_000, 1_818_181),
            (83_333, 1_538_455),
        ] {
            let lost = ttl - drift(rho_ppm).validity(ttl);
            assert_eq!(lost.as_micros(), allowance_us, "ρ = {rho_ppm} ppm");
        }
    }

    #[test]
    fn the_default_is_the_customary_allowance_and_never_less() {
        for ttl_ms in [50, 1_000, 10_000, 30_000, 86_400_000] {
            let ttl = Duration::from_millis(ttl_ms);
            let customary = ttl - ttl / 100 - Duration::from_millis(2);
            let ours = Drift::default().validity(ttl);
            // At most 2 ppm of the TTL stricter, plus the hundredth of the millisecond of g.
            let slack = ttl / 500_000 + Duration::from_micros(10);
            assert!(
                ours <= customary + Duration::from_micros(10),
                "{ttl:?}: {ours:?} > {customary:?}"
            );
            assert!(
                ours + slack >= customary,
                "{ttl:?}: {ours:?} < {customary:?}"
            );
        }
    }

    #[test]
    fn each_term_is_charged_where_the_formula_has_it() {
        let ttl = Duration::from_secs(1);
        let ms = Duration::from_millis;
        let table = [
            (
                Drift {
                    node_step: ms(100),
                    ..drift(10_000)
                },
                (1.0 - 0.1) * 0.99 / 1.01,
            ),
            (
                Drift {
                    expiry_granularity: ms(1),
                    ..drift(10_000)
                },
                0.999 * 0.99 / 1.01,
            ),
            (
                Drift {
                    client_step: ms(100),
                    ..drift(10_000)
                },
                0.99 / 1.01 - 0.1,
            ),
            (
                Drift {
                    rounding: ms(1),
                    ..drift(10_000)
                },
                0.99 / 1.01 - 0.001,
            ),
        ];
        for (drift, expected) in table {
            let got = drift.validity(ttl).as_secs_f64();
            assert!(
                (got - expected).abs() < 1e-8,
                "{drift:?}: {got} is not {expected}"
            );
        }
    }

    #[test]
    fn an_allowance_above_the_ttl_leaves_nothing() {
        assert_eq!(
            Drift::default().validity(Duration::from_millis(2)),
            Duration::ZERO
        );
        assert_eq!(Drift::default().validity(Duration::ZERO), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn no_number_overflows_and_validity_never_exceeds_the_ttl(
            secs in any::<u64>(), nanos in 0u32..1_000_000_000,
            client in any::<u32>(), node in any::<u32>(), step in any::<u64>(),
        ) {
            let ttl = Duration::new(secs, nanos);
            let drift = Drift {
                client_rate: Ppm(client),
                node_rate: Ppm(node),
                client_step: Duration::from_nanos(step),
                node_step: Duration::from_nanos(step),
                ..Drift::CUSTOMARY
            };
            prop_assert!(drift.validity(ttl) <= ttl);
            prop_assert!(drift.certainly_passed(ttl) >= ttl);
        }

        /// Theorem 1 in the worst case: zero latency, the node as fast and the client as slow as
        /// allowed. The key outlives the window.
        #[test]
        fn a_key_outlives_its_window_at_the_worst_rates(
            ttl_ms in 3u64..100_000, client in 0u32..200_000, node in 0u32..200_000,
        ) {
            let ttl = Duration::from_millis(ttl_ms);
            let drift = Drift { client_rate: Ppm(client), node_rate: Ppm(node), ..Drift::NONE };
            let window = drift.validity(ttl).as_secs_f64() / (1.0 - f64::from(client) / 1e6);
            let key = ttl.as_secs_f64() / (1.0 + f64::from(node) / 1e6);
            prop_assert!(window <= key + 1e-9);
        }
    }
}
