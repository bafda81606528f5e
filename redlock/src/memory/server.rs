//! One server of a cluster, as tests script it and look at it.

use std::{
    fmt,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::watch;

use super::{
    clock::{ScriptedClock, micros},
    faults::{Faults, Scripted},
    link::{self, Link},
    lock,
    log::{Executed, Log, VerbKind},
    store::{Snapshot, Store, Value},
};
use crate::{
    protocol::{Answer, OwnerToken},
    runtime::Runtime,
};

/// A server: a handle, cheap to clone, to script faults and to look at its memory.
///
/// Faults last until they are undone. Calls that were already executed are not undone by any.
#[derive(Clone)]
pub struct MemoryServer {
    pub(super) shared: Arc<Shared>,
}

/// What all handles and connections of one server share.
pub(super) struct Shared {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) state: Mutex<ServerState>,
    /// Counts changes of the script, for whoever waits for one.
    pub(super) changed: watch::Sender<u64>,
}

pub(super) struct ServerState {
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) log: Log,
    /// Grows when all connections break.
    pub(super) epoch: u64,
    clock: Clock,
    snapshot: Option<Snapshot>,
    links: Vec<Weak<Link>>,
}

/// The server's own wall clock. It starts with the host of the first client and is independent of
/// that host's [`super::HostClock`]s from then on.
enum Clock {
    /// No client yet; what was scripted so far.
    Waiting(Vec<ClockChange>),
    Running(ScriptedClock, Arc<dyn Runtime>),
}

#[derive(Clone, Copy)]
enum ClockChange {
    Forward(Duration),
    Back(Duration),
    Rate(i32),
    Frozen(bool),
}

impl ServerState {
    /// The server's clock in microseconds; zero before the first client.
    pub(super) fn now(&self) -> u64 {
        match &self.clock {
            Clock::Waiting(_) => 0,
            Clock::Running(clock, host) => micros(clock.read(host.monotonic())),
        }
    }

    pub(super) fn connect(&mut self, link: &Arc<Link>) {
        if let Clock::Waiting(changes) = &mut self.clock {
            let host = &link.runtime;
            let now = host.monotonic();
            let mut clock = ScriptedClock::new(now, Duration::from_micros(host.wall_micros()));
            for change in changes {
                change.apply(&mut clock, now);
            }
            self.clock = Clock::Running(clock, Arc::clone(host));
        }
        self.links.retain(|link| link.strong_count() > 0);
        self.links.push(Arc::downgrade(link));
    }

    /// Breaks all connections. Clients reconnect at once if they can, and tell who they are.
    fn break_connections(&mut self) {
        self.epoch += 1;
        let now = self.now();
        if !self.faults.refusing {
            for link in self.links.iter().filter_map(Weak::upgrade) {
                link.greet(&mut self.store, now);
            }
        }
    }
}

impl ClockChange {
    fn apply(self, clock: &mut ScriptedClock, now: Duration) {
        match self {
            Self::Forward(by) => clock.step_forward(now, by),
            Self::Back(by) => clock.step_back(now, by),
            Self::Rate(ppm) => clock.set_rate(now, ppm),
            Self::Frozen(frozen) => clock.set_frozen(now, frozen),
        }
    }
}

/// Faults.
impl MemoryServer {
    pub(super) fn new(index: usize, welcoming: bool) -> Self {
        let state = ServerState {
            store: Store::new(welcoming),
            faults: Faults::default(),
            log: Log::default(),
            epoch: 0,
            clock: Clock::Waiting(Vec::new()),
            snapshot: None,
            links: Vec::new(),
        };
        Self {
            shared: Arc::new(Shared {
                index,
                name: format!("memory-{index}"),
                state: Mutex::new(state),
                changed: watch::Sender::new(0),
            }),
        }
    }

    /// Breaks all connections and refuses new ones. What was not executed yet never will be; its
    /// callers are told that the connection broke. Releases wait for [`MemoryServer::up`].
    pub fn refuse(&self) {
        self.change(|state| {
            state.faults.refusing = true;
            state.break_connections();
        });
    }

    /// Ends [`MemoryServer::refuse`] and [`MemoryServer::lose_replies`], the latter by breaking the
    /// connections: calls without a reply are unknown then, and releases are sent again.
    pub fn up(&self) {
        self.change(|state| {
            let breaks = state.faults.refusing || state.faults.losing;
            state.faults.refusing = false;
            state.faults.losing = false;
            if breaks {
                state.break_connections();
            }
        });
    }

    /// Every call written from now on takes this long to the server.
    pub fn delay_requests(&self, by: Duration) {
        self.change(|state| state.faults.request_delay = by);
    }

    /// Every reply from now on takes this long back.
    pub fn delay_replies(&self, by: Duration) {
        self.change(|state| state.faults.reply_delay = by);
    }

    /// Keeps calls in the network: they are written, and delivered by
    /// [`MemoryServer::release_held`], in order. Replies under way still arrive.
    pub fn hold(&self) {
        self.change(|state| state.faults.held = true);
    }

    /// Ends [`MemoryServer::hold`].
    pub fn release_held(&self) {
        self.change(|state| state.faults.held = false);
    }

    /// Stops the process: it accepts calls and executes none.
    pub fn pause(&self) {
        self.change(|state| state.faults.paused = true);
    }

    /// Ends [`MemoryServer::pause`]; what was accepted meanwhile is executed, in order.
    pub fn resume(&self) {
        self.change(|state| state.faults.paused = false);
    }

    /// Executes calls and loses the replies, until [`MemoryServer::up`].
    pub fn lose_replies(&self) {
        self.change(|state| state.faults.losing = true);
    }

    /// Forgets keys, guard record and counters, and keeps its connections and identity, as FLUSHALL
    /// does.
    pub fn forget_everything(&self) {
        self.change(|state| state.store.forget());
    }

    /// Remembers what the server holds now, for [`MemoryServer::set_back`].
    pub fn take_snapshot(&self) {
        self.change(|state| state.snapshot = Some(state.store.snapshot()));
    }

    /// Sets keys, guard record and counters back to the last snapshot (to nothing if there is none),
    /// as a virtual machine is set back: identity, connections and clock stay.
    pub fn set_back(&self) {
        self.change(|state| match state.snapshot.clone() {
            Some(snapshot) => state.store.set_back(snapshot),
            None => state.store.forget(),
        });
    }

    /// Restarts: a new identity, all connections broken, and memory kept or lost.
    pub fn restart(&self, keep_data: bool) {
        self.change(|state| {
            state.store.restart(keep_data);
            state.break_connections();
        });
    }

    /// Breaks all connections once.
    pub fn break_connections(&self) {
        self.change(ServerState::break_connections);
    }

    /// The next call, whatever it is, is answered with this and not executed.
    pub fn answer_next(&self, answer: Answer) {
        self.script(None, answer, false);
    }

    /// The next call of this verb is answered with this and not executed.
    pub fn answer_next_to(&self, verb: VerbKind, answer: Answer) {
        self.script(Some(verb), answer, false);
    }

    /// The next call of this verb is executed, and answered with this instead of the truth.
    pub fn execute_and_answer_next_to(&self, verb: VerbKind, answer: Answer) {
        self.script(Some(verb), answer, true);
    }

    /// Steps the server's clock forward.
    pub fn step_clock_forward(&self, by: Duration) {
        self.change_clock(ClockChange::Forward(by));
    }

    /// Steps the server's clock back.
    pub fn step_clock_back(&self, by: Duration) {
        self.change_clock(ClockChange::Back(by));
    }

    /// Makes the server's clock gain `ppm` microseconds per second; negative for a slow one.
    pub fn set_clock_rate(&self, ppm: i32) {
        self.change_clock(ClockChange::Rate(ppm));
    }

    /// Stops the server's clock.
    pub fn freeze_clock(&self) {
        self.change_clock(ClockChange::Frozen(true));
    }

    /// Lets a frozen clock go on.
    pub fn thaw_clock(&self) {
        self.change_clock(ClockChange::Frozen(false));
    }

    /// Writes something that is not a lock to this key, prefix and all.
    pub fn plant_foreign_key(&self, key: &[u8]) {
        self.change(|state| state.store.plant_foreign(key));
    }

    /// Deletes the lock of this resource by hand.
    pub fn delete(&self, resource: &[u8]) {
        self.change(|state| state.store.delete(resource));
    }

    fn script(&self, verb: Option<VerbKind>, answer: Answer, applied: bool) {
        let scripted = Scripted {
            verb,
            answer,
            applied,
        };
        self.change(|state| state.faults.script(scripted));
    }

    fn change_clock(&self, change: ClockChange) {
        self.change(|state| match &mut state.clock {
            Clock::Waiting(changes) => changes.push(change),
            Clock::Running(clock, host) => change.apply(clock, host.monotonic()),
        });
    }

    /// Changes the script and wakes all connections.
    fn change(&self, change: impl FnOnce(&mut ServerState)) {
        let mut state = lock(&self.shared.state);
        change(&mut state);
        let links: Vec<_> = state.links.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        for link in links {
            link::wake(&link);
        }
        self.shared.changed.send_modify(|changes| *changes += 1);
    }
}

/// What a test can see.
impl MemoryServer {
    /// The name that reports show.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The live keys, foreign ones included, in order.
    pub fn keys(&self) -> Vec<Vec<u8>> {
        let state = lock(&self.shared.state);
        state
            .store
            .keys(state.now())
            .map(|(key, _)| key.to_vec())
            .collect()
    }

    /// Who holds the lock of this resource now.
    pub fn owner_of(&self, resource: &[u8]) -> Option<OwnerToken> {
        self.find(resource).map(|(owner, _)| owner)
    }

    /// How long the lock of this resource lasts on the server's clock.
    pub fn ttl_of(&self, resource: &[u8]) -> Option<Duration> {
        self.find(resource).map(|(_, left)| left)
    }

    /// The fencing counter of a stripe; zero before the first grant.
    pub fn counter(&self, stripe: u32) -> u64 {
        lock(&self.shared.state).store.counter(stripe)
    }

    /// The latest ten thousand calls, oldest first, in the order in which they were executed.
    pub fn executed(&self) -> Vec<Executed> {
        lock(&self.shared.state).log.latest()
    }

    /// How many calls of this verb were executed.
    pub fn count(&self, verb: VerbKind) -> u64 {
        lock(&self.shared.state).log.count(verb)
    }

    fn find(&self, resource: &[u8]) -> Option<(OwnerToken, Duration)> {
        let state = lock(&self.shared.state);
        let now = state.now();
        state.store.keys(now).find_map(|(_, value)| match value {
            Value::Lock {
                lock,
                owner,
                expires,
            } if lock.resource() == resource => {
                Some((*owner, Duration::from_micros(*expires - now)))
            }
            _ => None,
        })
    }
}

impl fmt::Debug for MemoryServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryServer")
            .field("name", &self.shared.name)
            .finish_non_exhaustive()
    }
}
