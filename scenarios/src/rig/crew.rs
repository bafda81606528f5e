//! The client hosts: worker processes, as the supervisor holds them.

use std::{
    io::Write as _,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use simulator::{
    clock::{ClockName, Disturbance},
    host::Host,
};

use super::{
    clocks::Change,
    watch::Watch,
    wire::{ToWorker, line},
};
use crate::live::{Error, guard::Guard, member::Member};

/// One client host. Its state is the simulator's [`Host`], which records what is done to it; the process follows.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) host: Arc<Host>,
    watch: Watch,
    program: PathBuf,
    orders: PathBuf,
    guard: Arc<Guard>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    member: Option<Member>,
    /// Of the present process, or of the last.
    incarnation: u32,
    control: Option<UnixStream>,
    in_service: bool,
}

impl Client {
    /// A host without a process.
    pub(super) fn new(
        host: Arc<Host>,
        watch: Watch,
        program: PathBuf,
        orders: PathBuf,
        guard: Arc<Guard>,
    ) -> Self {
        Self {
            host,
            watch,
            program,
            orders,
            guard,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the first process.
    pub(super) fn spawn(&self) -> Result<(), Error> {
        self.spawn_in(&mut self.state())
    }

    fn spawn_in(&self, state: &mut State) -> Result<(), Error> {
        let name = self.host.name();
        let incarnation = state.incarnation.to_string();
        let arguments = [
            "rig-worker".into(),
            "--orders".into(),
            self.orders.clone().into_os_string(),
            "--host".into(),
            name.to_string().into(),
            "--incarnation".into(),
            incarnation.clone().into(),
        ];
        let log = format!("{name}-{incarnation}.log");
        let member = Member::start(&self.program, arguments, &log, &self.guard)?;
        if self.host.is_paused() {
            member.freeze()?;
        }
        state.member = Some(member);
        Ok(())
    }

    /// The present process listens here from now on. An older one is not told anything any more.
    pub(super) fn listens(&self, control: UnixStream, incarnation: u32) {
        let mut state = self.state();
        if incarnation != state.incarnation {
            return;
        }
        state.control = Some(control);
        // First: a process begins once it knows its clocks, and the operator must not find a cluster that it has to put into service.
        if state.in_service {
            state.tell(&ToWorker::InService);
        }
        self.tell_clocks(&mut state, &ClockName::ALL);
    }

    /// The cluster is in service.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.in_service = true;
        state.tell(&ToWorker::InService);
    }

    /// What the present process said last, after its socket ended by itself.
    pub(super) fn last_words(&self, incarnation: u32) -> Option<String> {
        let mut state = self.state();
        let current = state.incarnation == incarnation;
        let member = state.member.as_mut().filter(|_| current)?;
        // It closed its socket as it died, and is there for a moment more.
        let _ = member.freeze();
        Some(member.ended().unwrap_or_else(|| "it hung up".to_owned()))
    }

    /// Stops the process, and these clocks stand still. Pauses add up.
    pub(super) fn pause(&self, frozen: &[ClockName]) -> Result<(), Error> {
        let mut state = self.state();
        if !self.host.is_paused() {
            state.each(Member::freeze)?;
        }
        let now = self.watch.now();
        self.host.pause(now);
        Change::Disturb(Disturbance::Freeze).make(&self.host, now, frozen);
        self.tell_clocks(&mut state, frozen);
        Ok(())
    }

    /// Ends one such pause.
    pub(super) fn resume(&self, frozen: &[ClockName]) -> Result<(), Error> {
        let mut state = self.state();
        let now = self.watch.now();
        Change::Calm(Disturbance::Freeze).make(&self.host, now, frozen);
        self.tell_clocks(&mut state, frozen);
        self.host.resume(now);
        if !self.host.is_paused() {
            state.each(Member::cont)?;
        }
        Ok(())
    }

    /// Changes clocks, while the process stands still: see `worker::control`.
    pub(super) fn change_clocks(&self, clocks: &[ClockName], change: Change) -> Result<(), Error> {
        let mut state = self.state();
        let runs = !self.host.is_paused();
        if runs {
            state.each(Member::freeze)?;
        }
        change.make(&self.host, self.watch.now(), clocks);
        self.tell_clocks(&mut state, clocks);
        if runs {
            state.each(Member::cont)?;
        }
        Ok(())
    }

    /// Kills the process.
    pub(super) fn crash(&self, power_lost: bool, data_lost: bool) {
        let mut state = self.state();
        state.control = None;
        // Killed and reaped.
        state.member = None;
        self.host.crash(self.watch.now(), power_lost, data_lost);
    }

    /// Starts a process when there is none.
    pub(super) fn start(&self) -> Result<(), Error> {
        let mut state = self.state();
        if self.host.is_up() {
            return Ok(());
        }
        state.incarnation += 1;
        self.host.start(self.watch.now());
        self.spawn_in(&mut state)
    }

    /// Ends it for good.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        state.incarnation = u32::MAX;
        state.control = None;
        state.member = None;
    }

    fn tell_clocks(&self, state: &mut State, clocks: &[ClockName]) {
        for clock in clocks {
            let last = |clock| {
                let segments = |clocks: &simulator::clock::Clocks| {
                    clocks.map(clock).segments().last().copied()
                };
                self.host.clocks(segments)
            };
            if let Some(segment) = last(*clock) {
                state.tell(&ToWorker::Clock {
                    clock: *clock,
                    segment,
                });
            }
        }
    }
}

impl State {
    fn each(&self, act: fn(&Member) -> Result<(), Error>) -> Result<(), Error> {
        self.member.as_ref().map_or(Ok(()), act)
    }

    /// A process that is gone hears nothing.
    fn tell(&mut self, what: &ToWorker) {
        if let (Some(control), Ok(line)) = (&mut self.control, line(what)) {
            let _ = control.write_all(&line);
        }
    }
}
