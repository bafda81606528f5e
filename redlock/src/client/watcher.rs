//! The one task that keeps deadlines: of node calls, of leases, and of renewals.
//!
//! It sleeps at most [`LONGEST_SLEEP`] at a time, because timers stop while the machine sleeps and
//! clocks are only looked at when somebody is awake. A lease's end is therefore noticed at most that
//! late, whatever Redis, the network or a renewal do.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use futures::future::{self, Either};
use tokio::sync::Notify;

use super::{
    driver::{Driver, Expiry},
    shared::{Shared, lock},
};
use crate::{protocol::Reading, runtime::Runtime};

/// The longest that a loss can go unnoticed.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Renewals that are due within this are started together, in one batch per node.
const LOOK_AHEAD: Duration = Duration::from_millis(20);

/// Where a lease stands in the schedule.
pub(super) type Place = (Duration, u64);

/// What is due when.
///
/// Deadlines of calls are kept on CLOCK_MONOTONIC. Leases are kept on a clock of the schedule's own,
/// which advances by whatever *any* clock of the host counted since it was last looked at: it never
/// runs behind the elapsed time of any lease, so a machine that slept finds its leases due on waking.
pub(super) struct Schedule {
    calls: VecDeque<(Duration, Weak<Driver>, Expiry)>,
    leases: BTreeMap<Place, Weak<Driver>>,
    seen: Reading,
    now: Duration,
    next: u64,
    /// When the watcher wakes by itself, on CLOCK_MONOTONIC.
    wakes: Option<Duration>,
}

impl Schedule {
    pub(super) const fn new(now: Reading) -> Self {
        Self {
            calls: VecDeque::new(),
            leases: BTreeMap::new(),
            seen: now,
            now: Duration::ZERO,
            next: 0,
            wakes: None,
        }
    }

    fn advance(&mut self, reading: Reading) {
        self.now = self.now.saturating_add(reading.most_since(&self.seen));
        self.seen = reading;
    }

    fn insert_lease(&mut self, driver: Weak<Driver>, due_in: Duration) -> Place {
        self.next += 1;
        let place = (self.now.saturating_add(due_in), self.next);
        self.leases.insert(place, driver);
        place
    }

    fn is_early(&self, at: Duration) -> bool {
        self.wakes.is_none_or(|wakes| at < wakes)
    }
}

impl Shared {
    /// Has `expiry` told to `driver` once `node_timeout` has passed.
    pub(super) fn schedule_call(&self, driver: &Arc<Driver>, expiry: Expiry) {
        let at = self
            .runtime
            .monotonic()
            .saturating_add(self.config.node_timeout);
        let mut schedule = lock(&self.schedule);
        schedule
            .calls
            .push_back((at, Arc::downgrade(driver), expiry));
        if schedule.is_early(at) {
            self.watcher_wake.notify_one();
        }
    }

    /// Has `driver` looked at in `due_in` of the lease's own time, at the latest. A driver has one
    /// place in the schedule; it gives up the one it had.
    pub(super) fn schedule_lease(
        &self,
        driver: &Arc<Driver>,
        had: Option<Place>,
        now: Reading,
        due_in: Duration,
    ) -> Place {
        let mut schedule = lock(&self.schedule);
        had.and_then(|had| schedule.leases.remove(&had));
        schedule.advance(now);
        let place = schedule.insert_lease(Arc::downgrade(driver), due_in);
        let at = self
            .runtime
            .monotonic()
            .saturating_add(due_in.min(LONGEST_SLEEP));
        if schedule.is_early(at) {
            self.watcher_wake.notify_one();
        }
        place
    }

    /// Forgets a lease that is over.
    pub(super) fn unschedule_lease(&self, had: Place) {
        lock(&self.schedule).leases.remove(&had);
    }

    /// Does everything that is due; returns how long the watcher may sleep, or `None` when nothing is
    /// scheduled.
    fn keep_deadlines(&self) -> Option<Duration> {
        for (driver, expiry) in self.due_calls() {
            driver.expire(expiry);
        }
        for driver in self.due_leases() {
            driver.look(LOOK_AHEAD);
        }
        let monotonic = self.runtime.monotonic();
        let reading = self.runtime.read_clocks();
        let mut schedule = lock(&self.schedule);
        schedule.advance(reading);
        let call = schedule
            .calls
            .front()
            .map(|(at, ..)| at.saturating_sub(monotonic));
        let lease = schedule
            .leases
            .first_key_value()
            .map(|((at, _), _)| at.saturating_sub(schedule.now).min(LONGEST_SLEEP));
        let sleep = match (call, lease) {
            (Some(call), Some(lease)) => Some(call.min(lease)),
            (call, lease) => call.or(lease),
        };
        schedule.wakes = sleep.map(|sleep| monotonic.saturating_add(sleep));
        sleep
    }

    fn due_calls(&self) -> Vec<(Arc<Driver>, Expiry)> {
        let monotonic = self.runtime.monotonic();
        let mut schedule = lock(&self.schedule);
        let due = schedule.calls.partition_point(|(at, ..)| *at <= monotonic);
        schedule
            .calls
            .drain(..due)
            .filter_map(|(_, driver, expiry)| Some((driver.upgrade()?, expiry)))
            .collect()
    }

    fn due_leases(&self) -> Vec<Arc<Driver>> {
        let reading = self.runtime.read_clocks();
        let mut schedule = lock(&self.schedule);
        schedule.advance(reading);
        let horizon = (schedule.now.saturating_add(LOOK_AHEAD), u64::MAX);
        let later = schedule.leases.split_off(&horizon);
        std::mem::replace(&mut schedule.leases, later)
            .into_values()
            // Without its driver a lease was dropped, and released by that.
            .filter_map(|driver| driver.upgrade())
            .collect()
    }
}

/// Runs until the client and all its leases are gone.
pub(super) async fn watch(shared: Weak<Shared>, runtime: Arc<dyn Runtime>, wake: Arc<Notify>) {
    loop {
        let Some(sleep) = shared.upgrade().map(|shared| shared.keep_deadlines()) else {
            return;
        };
        match sleep {
            None => wake.notified().await,
            Some(sleep) => {
                // Whichever comes first; looking again too early is harmless.
                match future::select(std::pin::pin!(wake.notified()), runtime.sleep(sleep)).await {
                    Either::Left(_) | Either::Right(_) => {}
                }
            }
        }
    }
}
