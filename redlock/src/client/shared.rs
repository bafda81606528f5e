//! What all clones of a client, its leases and its watcher share.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    driver::Driver,
    watcher::{self, Schedule},
};
use crate::{
    config::Config,
    node::Node,
    protocol::{OwnerToken, key::LockKey},
    runtime::{NoRuntime, Runtime},
};

/// Locks `mutex` even if a panic happened while it was held: everything behind these locks is
/// consistent between statements, and releasing locks must go on during a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) nodes: Vec<Arc<dyn Node>>,
    pub(super) names: Vec<Arc<str>>,
    pub(super) schedule: Mutex<Schedule>,
    /// Wakes the watcher: something is due earlier than it thought, or the client is gone.
    pub(super) watcher_wake: Arc<Notify>,
    watcher_alive: Arc<AtomicBool>,
    /// Claims with a release on its way, by number.
    releasing: Mutex<BTreeMap<u64, Arc<Driver>>>,
    /// Told whenever `releasing` becomes empty.
    pub(super) drained: Notify,
    pub(super) closed: AtomicBool,
    /// Per stripe, one more than the highest fencing counter that any node answered.
    next_counters: Vec<AtomicU64>,
    next_id: AtomicU64,
    #[cfg(feature = "planted-bugs")]
    owners: Mutex<BTreeMap<Vec<u8>, OwnerToken>>,
    /// Leases whose release was forgotten: renewed although nobody holds them any more.
    #[cfg(feature = "planted-bugs")]
    forgotten: Mutex<BTreeMap<u64, Arc<Driver>>>,
}

impl Shared {
    pub(super) fn new(
        config: Config,
        runtime: Arc<dyn Runtime>,
        nodes: Vec<Arc<dyn Node>>,
    ) -> Self {
        let stripes = if config.settings.fencing {
            config.settings.stripes
        } else {
            0
        };
        let names = nodes.iter().map(|node| Arc::from(node.name())).collect();
        let schedule = Mutex::new(Schedule::new(runtime.read_clocks()));
        Self {
            config,
            runtime,
            nodes,
            names,
            schedule,
            watcher_wake: Arc::default(),
            watcher_alive: Arc::default(),
            releasing: Mutex::default(),
            drained: Notify::new(),
            closed: AtomicBool::new(false),
            next_counters: (0..stripes).map(|_| AtomicU64::new(0)).collect(),
            next_id: AtomicU64::new(0),
            #[cfg(feature = "planted-bugs")]
            owners: Mutex::default(),
            #[cfg(feature = "planted-bugs")]
            forgotten: Mutex::default(),
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn fresh_owner(&self) -> OwnerToken {
        let mut bytes = [0; OwnerToken::RANDOM_BYTES];
        self.runtime.fill_random(&mut bytes);
        OwnerToken::from_random(bytes)
    }

    /// The owner token of an attempt at `key`.
    #[cfg(not(feature = "planted-bugs"))]
    pub(super) fn owner_for(&self, _key: &LockKey) -> OwnerToken {
        self.fresh_owner()
    }

    /// The owner token of an attempt at `key`; with the bug planted, one per resource and client.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn owner_for(&self, key: &LockKey) -> OwnerToken {
        if planted!(OneTokenForAllAttempts) {
            let mut owners = lock(&self.owners);
            return *owners
                .entry(key.key().to_vec())
                .or_insert_with(|| self.fresh_owner());
        }
        self.fresh_owner()
    }

    /// Keeps a lease alive that its holder let go: its renewal timer owns it.
    #[cfg(feature = "planted-bugs")]
    pub(super) fn remember(&self, driver: &Arc<Driver>) {
        lock(&self.forgotten).insert(driver.id(), driver.clone());
    }

    pub(super) fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        self.runtime.fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The counter to propose: the wall clock, so that all nodes answer the same in one round, or
    /// past the highest counter seen, for when this wall clock is behind. Nodes clamp it.
    pub(super) fn proposal(&self, key: &LockKey) -> u64 {
        match self.next_counters.get(key.stripe() as usize) {
            Some(next) => next.load(Ordering::Relaxed).max(self.runtime.wall_micros()),
            None => 0,
        }
    }

    pub(super) fn saw_counter(&self, key: &LockKey, counter: u64) {
        if let Some(next) = self.next_counters.get(key.stripe() as usize) {
            next.fetch_max(counter.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Sees to it that a watcher runs: started at the first attempt, and again when the runtime that
    /// it ran on is gone.
    pub(super) fn ensure_watcher(self: &Arc<Self>) -> Result<(), NoRuntime> {
        if self.watcher_alive.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let alive = AliveGuard(self.watcher_alive.clone());
        let task = watcher::watch(
            Arc::downgrade(self),
            self.runtime.clone(),
            self.watcher_wake.clone(),
        );
        self.runtime.spawn(Box::pin(async move {
            let _alive = alive;
            task.await;
        }))
    }

    /// Keeps `driver` in the list of what is still to be released, or takes it off.
    pub(super) fn set_releasing(&self, driver: &Arc<Driver>, releasing: bool) {
        let mut list = lock(&self.releasing);
        if releasing {
            list.insert(driver.id(), driver.clone());
        } else {
            list.remove(&driver.id());
            if list.is_empty() {
                self.drained.notify_waiters();
            }
        }
    }

    pub(super) fn releasing(&self) -> Vec<Arc<Driver>> {
        lock(&self.releasing).values().cloned().collect()
    }

    pub(super) fn is_draining(&self) -> bool {
        !lock(&self.releasing).is_empty()
    }

    /// When a release sent now need no longer be delivered: the key has expired even on a node whose
    /// clock runs 10% slow.
    pub(super) fn give_up_releasing(&self, longest_ttl: Duration) -> Duration {
        self.runtime
            .monotonic()
            .saturating_add(longest_ttl)
            .saturating_add(longest_ttl / 10)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.watcher_wake.notify_one();
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redlock")
            .field("config", &self.config)
            .field("nodes", &self.names)
            .finish_non_exhaustive()
    }
}

/// Marks the watcher as gone when its task ends or is dropped with its runtime.
struct AliveGuard(Arc<AtomicBool>);

impl Drop for AliveGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
