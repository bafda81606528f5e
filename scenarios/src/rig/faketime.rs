//! The wall clock of a real server, which shows what the host's wall clock shows.
//!
//! redis-server lives by its wall clock, so that is the one of its clocks that can be faulted: it steps, drifts and stands still
//! as the simulator's map of it says. A drift is made of steps far below a millisecond.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redlock_testkit::{Binary, Error, FakeTime, Shown};
use simulator::{clock::ClockName, host::Host};

use super::watch::{self, Watch};

/// How often a clock that drifts is looked after.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// What a clock may be off before it is told again, in nanoseconds.
const CLOSE: i64 = 100_000;
/// A clock that stands still gains this much in a second.
const FROZEN: i64 = -1_000_000;

/// The wall clock of one node.
#[derive(Debug)]
pub(super) struct FakeClock {
    clock: FakeTime,
    /// What it was last told to show.
    told: Mutex<Option<Shown>>,
}

impl FakeClock {
    /// A clock in `folder`, and a program there that is `server` under it.
    pub(super) fn install(
        folder: &Path,
        name: &str,
        server: &Path,
        library: &Path,
    ) -> Result<(Arc<Self>, Binary), Error> {
        let clock = FakeTime::new(folder.join(format!("{name}-clock")), Shown::Ahead(0))?;
        let program = folder.join(format!("{name}-server"));
        let program = clock.wrap(server, library, &program)?;
        let told = Mutex::default();
        Ok((Arc::new(Self { clock, told }), program))
    }

    /// Has the server's clock show what the host's wall clock shows.
    pub(super) fn follow(&self, host: &Host, watch: Watch) -> Result<(), Error> {
        let now = watch.now();
        let (shows, rate) = host.clocks(|clocks| {
            let wall = clocks.map(ClockName::Wall);
            (wall.at(now), wall.rate_error_at(now))
        });
        let wanted = if rate == FROZEN {
            Shown::Still(shows)
        } else {
            Shown::Ahead(shows.saturating_sub(watch::wall_clock()))
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.is_some_and(|told| is_close(told, wanted)) {
            self.clock.set(wanted)?;
            *told = Some(wanted);
        }
        Ok(())
    }
}

/// A moment is exact, a difference is read from two clocks one after the other.
fn is_close(told: Shown, wanted: Shown) -> bool {
    match (told, wanted) {
        (Shown::Ahead(one), Shown::Ahead(other)) => one.abs_diff(other) < CLOSE.unsigned_abs(),
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_still_is_told_exactly_and_a_difference_nearly() {
        let close = |one, other| is_close(one, other);
        assert!(close(Shown::Ahead(5), Shown::Ahead(CLOSE)));
        assert!(!close(Shown::Ahead(5), Shown::Ahead(CLOSE + 5)));
        assert!(close(Shown::Still(5), Shown::Still(5)));
        assert!(!close(Shown::Still(5), Shown::Still(6)));
        assert!(!close(Shown::Still(0), Shown::Ahead(0)));
    }
}
