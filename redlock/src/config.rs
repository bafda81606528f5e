//! The client's configuration, checked once, when it is built.

use std::time::Duration;

use crate::{
    error::{ResourceError, TtlError},
    protocol::{Drift, Quorum, key::LockKey, retry::Backoff},
    settings::Settings,
};

/// No `max_ttl` is longer: a year.
pub(crate) const LONGEST_MAX_TTL: Duration = Duration::from_secs(365 * 86_400);

/// What the client was built with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) settings: Settings,
    pub(crate) drift: Drift,
    pub(crate) ttl: Duration,
    pub(crate) min_validity: Duration,
    pub(crate) node_timeout: Duration,
    pub(crate) acquire_timeout: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) renew_after_percent: u32,
    pub(crate) max_lifetime: Option<Duration>,
}

impl Config {
    pub(crate) const fn quorum(&self) -> Quorum {
        self.settings.quorum
    }

    /// `ttl` in the whole milliseconds that nodes are sent, if it can be used.
    pub(crate) fn check_ttl(&self, ttl: Duration) -> Result<Duration, TtlError> {
        let max_ttl = self.settings.max_ttl;
        if ttl > max_ttl && !planted!(TtlAboveMax) {
            return Err(TtlError::AboveMax { ttl, max_ttl });
        }
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return Err(TtlError::TooShort(ttl));
        }
        let sent = Duration::from_millis(millis);
        if self.drift.validity(sent) <= self.min_validity {
            return Err(TtlError::BelowAllowance {
                ttl,
                min_validity: self.min_validity,
                least: self.least_ttl(),
            });
        }
        Ok(sent)
    }

    /// The key of `resource`, if it can be used.
    pub(crate) fn lock_key(&self, resource: &[u8]) -> Result<LockKey, ResourceError> {
        match resource.len() {
            0 => Err(ResourceError::Empty),
            length if length > LockKey::MAX_RESOURCE_BYTES => Err(ResourceError::TooLong(length)),
            _ => Ok(LockKey::new(
                &self.settings.prefix,
                resource,
                self.settings.stripes,
            )),
        }
    }

    /// When a lease that was renewed at `0` with `ttl` is renewed next.
    pub(crate) fn renew_after(&self, ttl: Duration) -> Duration {
        ttl.saturating_mul(self.renew_after_percent) / 100
    }

    /// How long after the start of a failed round of renewal the next one starts: ten per TTL, and
    /// never in a hot loop.
    pub(crate) fn renew_retry_after(&self, ttl: Duration) -> Duration {
        (ttl / 10).clamp(Duration::from_millis(10), Duration::from_secs(1))
    }

    /// The smallest TTL in milliseconds that leaves more than `min_validity`, by bisection on the
    /// monotone validity.
    fn least_ttl(&self) -> Duration {
        let (mut low, mut high) = (
            0_u64,
            u64::try_from(LONGEST_MAX_TTL.as_millis()).unwrap_or(u64::MAX),
        );
        while low < high {
            let middle = low + (high - low) / 2;
            if self.drift.validity(Duration::from_millis(middle)) > self.min_validity {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Duration::from_millis(low)
    }
}
