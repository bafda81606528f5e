//! A lease's end on the clock that all processes share.

use std::time::Duration;

use redlock::Lease;

use super::clock::{Moment, now};

/// When the lease ends, on the clock that all processes share. The clock is read before the lease is asked, so that the
/// answer is never too late, and at most a millisecond too early: if this process was off the processor in between, it asks
/// again. None when the lease is over.
pub(crate) fn deadline(lease: &Lease) -> Option<Moment> {
    for _ in 0..10 {
        let before = now();
        let remaining = lease.remaining();
        if remaining.is_zero() {
            return None;
        }
        if now() - before < Duration::from_millis(1) {
            return Some(before + remaining);
        }
    }
    None
}
