//! The operating system's clocks.
//!
//! | platform | `boot` | `raw` | monotonic |
//! |---|---|---|---|
//! | Linux, Android | CLOCK_BOOTTIME | CLOCK_MONOTONIC_RAW | CLOCK_MONOTONIC |
//! | other | `Instant` | `Instant` | `Instant` |
//!
//! On macOS `Instant` stops while the machine sleeps, on Windows it does not. There the wall clock is
//! what notices a sleep, so do not switch it off.

use std::time::Duration;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod imp {
    use super::Duration;
    use rustix::time::{ClockId, clock_gettime};

    fn read(id: ClockId) -> Duration {
        let time = clock_gettime(id);
        // These clocks count up from zero, so neither field is ever negative.
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    }

    pub(in crate::runtime) fn boot() -> Duration {
        read(ClockId::Boottime)
    }

    pub(in crate::runtime) fn raw() -> Duration {
        read(ClockId::MonotonicRaw)
    }

    pub(in crate::runtime) fn monotonic() -> Duration {
        read(ClockId::Monotonic)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod imp {
    use super::Duration;
    use std::{sync::OnceLock, time::Instant};

    static ORIGIN: OnceLock<Instant> = OnceLock::new();

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam that reads clocks for everyone else"
    )]
    pub(in crate::runtime) fn monotonic() -> Duration {
        ORIGIN.get_or_init(Instant::now).elapsed()
    }

    pub(in crate::runtime) fn boot() -> Duration {
        monotonic()
    }

    pub(in crate::runtime) fn raw() -> Duration {
        monotonic()
    }
}

pub(super) use imp::{boot, monotonic, raw};

/// CLOCK_REALTIME since 1970; zero before.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the seam that reads clocks for everyone else"
)]
pub(super) fn wall() -> Duration {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_move_forward() {
        let before = (boot(), raw(), monotonic());
        std::hint::black_box((0..100_000_u64).sum::<u64>());
        assert!(boot() >= before.0 && raw() >= before.1 && monotonic() >= before.2);
        assert!(wall() > Duration::from_secs(1_700_000_000));
    }
}
