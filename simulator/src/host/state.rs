//! What the world knows of a host, and does to it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    task::Waker,
};

use crate::{
    clock::{ClockName, Clocks, Disturbance},
    history::{EventKind, HostName, Recorder},
    network::{HostId, Network, lock},
    time::TrueTime,
};

/// A host of the world.
pub struct Host {
    name: HostName,
    id: HostId,
    pub(super) seed: u64,
    network: Arc<Network>,
    recorder: Recorder,
    clocks: Mutex<Clocks>,
    pub(super) sleepers: Mutex<Sleepers>,
    process: Mutex<ProcessState>,
}

/// Timers that wait for this host's CLOCK_MONOTONIC; woken when it changes its course.
#[derive(Debug, Default)]
pub(super) struct Sleepers {
    pub(super) next: u64,
    pub(super) waiting: BTreeMap<u64, Waker>,
}

/// What is to become of the process.
#[derive(Debug, Default)]
pub(super) struct ProcessState {
    /// Whether it is to run.
    pub(super) up: bool,
    /// How many pauses go on.
    pub(super) pauses: u32,
    /// Raised by every start, so that a start right after a death is noticed.
    pub(super) starts: u32,
    pub(super) runner: Option<Waker>,
    /// The first thing that went wrong with it.
    breakdown: Option<Breakdown>,
}

/// What no program may do, whatever the plan: it ends the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Breakdown {
    /// It panicked, and said this.
    Panic(String),
    /// Its tasks woke each other, or themselves, without end at this instant.
    Spinning(TrueTime),
}

impl Host {
    /// Adds a host to `network`, with a process that is to run from the beginning.
    pub fn new(
        name: HostName,
        seed: u64,
        clocks: Clocks,
        network: &Arc<Network>,
        recorder: &Recorder,
    ) -> Arc<Self> {
        for clock in ClockName::ALL {
            let segment = clocks.map(clock).segments()[0];
            recorder.record(TrueTime::ZERO, &name, EventKind::Clock { clock, segment });
        }
        recorder.record(TrueTime::ZERO, &name, EventKind::Started { incarnation: 0 });
        Arc::new(Self {
            id: network.add_host(&name),
            name,
            seed,
            network: network.clone(),
            recorder: recorder.clone(),
            clocks: Mutex::new(clocks),
            sleepers: Mutex::default(),
            process: Mutex::new(ProcessState {
                up: true,
                starts: 1,
                ..ProcessState::default()
            }),
        })
    }

    /// Its name.
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// Its place in the network.
    pub const fn id(&self) -> HostId {
        self.id
    }

    /// The network that it is on.
    pub const fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Records an event of this host.
    pub fn record(&self, at: TrueTime, kind: EventKind) {
        self.recorder.record(at, &self.name, kind);
    }

    /// Looks at its clocks.
    pub fn clocks<R>(&self, look: impl FnOnce(&Clocks) -> R) -> R {
        look(&lock(&self.clocks))
    }

    /// Steps a clock by `step_ns` nanoseconds.
    pub fn step_clock(&self, at: TrueTime, clock: ClockName, step_ns: i64) {
        self.change_clock(clock, |clocks| clocks.step(clock, at, step_ns));
    }

    /// Starts to disturb a clock.
    pub fn disturb_clock(&self, at: TrueTime, clock: ClockName, disturbance: Disturbance) {
        self.change_clock(clock, |clocks| clocks.disturb(clock, at, disturbance));
    }

    /// Ends one such disturbance.
    pub fn calm_clock(&self, at: TrueTime, clock: ClockName, disturbance: Disturbance) {
        self.change_clock(clock, |clocks| clocks.calm(clock, at, disturbance));
    }

    fn change_clock(&self, clock: ClockName, change: impl FnOnce(&mut Clocks)) {
        let mut clocks = lock(&self.clocks);
        change(&mut clocks);
        let segment = clocks.map(clock).segments().last().copied();
        drop(clocks);
        if let Some(segment) = segment {
            self.record(segment.from, EventKind::Clock { clock, segment });
        }
        let waiting = std::mem::take(&mut lock(&self.sleepers).waiting);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Stops scheduling the process. Pauses add up.
    pub fn pause(&self, at: TrueTime) {
        let mut process = lock(&self.process);
        process.pauses += 1;
        if process.pauses == 1 {
            self.record(at, EventKind::Paused);
        }
    }

    /// Ends one pause.
    pub fn resume(&self, at: TrueTime) {
        let mut process = lock(&self.process);
        process.pauses = process.pauses.saturating_sub(1);
        if process.pauses == 0 {
            self.record(at, EventKind::Resumed);
            wake(&mut process);
        }
    }

    /// Kills the process; its kernel closes its sockets, unless `power_lost`: then nobody is told.
    pub fn crash(&self, at: TrueTime, power_lost: bool, data_lost: bool) {
        if power_lost {
            self.network.power_off(at, self.id);
        }
        let mut process = lock(&self.process);
        process.up = false;
        self.record(
            at,
            EventKind::Crashed {
                power_lost,
                data_lost,
            },
        );
        wake(&mut process);
    }

    /// The world ends: the process is taken down, and nobody hears of it.
    pub(crate) fn halt(&self) {
        let mut process = lock(&self.process);
        process.up = false;
        wake(&mut process);
    }

    /// Starts the process again, after its machine booted if it had to.
    pub fn start(&self, at: TrueTime) {
        let mut process = lock(&self.process);
        if !process.up {
            self.network.power_on(at, self.id);
            process.up = true;
            self.record(
                at,
                EventKind::Started {
                    incarnation: process.starts,
                },
            );
            process.starts += 1;
            wake(&mut process);
        }
    }

    /// Whether the process is to run.
    pub fn is_up(&self) -> bool {
        lock(&self.process).up
    }

    /// Whether the process is paused.
    pub fn is_paused(&self) -> bool {
        lock(&self.process).pauses > 0
    }

    pub(super) fn process<R>(&self, look: impl FnOnce(&mut ProcessState) -> R) -> R {
        look(&mut lock(&self.process))
    }

    /// A task of the host panicked.
    pub(super) fn panicked(&self, at: TrueTime, message: String) {
        self.record(
            at,
            EventKind::Panicked {
                message: message.clone(),
            },
        );
        self.broke_down(Breakdown::Panic(message));
    }

    pub(super) fn broke_down(&self, breakdown: Breakdown) {
        lock(&self.process).breakdown.get_or_insert(breakdown);
    }

    /// The first thing that went wrong with a program on this host.
    pub(crate) fn breakdown(&self) -> Option<Breakdown> {
        lock(&self.process).breakdown.clone()
    }
}

fn wake(process: &mut ProcessState) {
    if let Some(runner) = process.runner.take() {
        runner.wake();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
