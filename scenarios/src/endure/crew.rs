//! The workers, as the supervisor holds them.

use std::{collections::VecDeque, ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use super::{
    clock::{Moment, now},
    error::Error,
    gauge::Gauge,
    guard::Guard,
    member::Member,
    options::Plant,
};

/// How many pauses of a worker are remembered.
const REMEMBERED: usize = 8;

/// What all workers are started with.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) program: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) nodes: Vec<String>,
    pub(super) seed: u64,
    pub(super) plant: Option<Plant>,
}

impl Orders {
    fn start(&self, position: usize, process: usize, guard: &Arc<Guard>) -> Result<Member, Error> {
        let mut arguments: Vec<OsString> = vec!["endure-worker".into()];
        for (name, value) in [
            ("--position", OsString::from(position.to_string())),
            ("--process", process.to_string().into()),
            ("--seed", self.seed.to_string().into()),
            ("--socket", self.socket.clone().into()),
        ] {
            arguments.extend([name.into(), value]);
        }
        if let Some(plant) = self.plant {
            arguments.extend(["--plant".into(), plant.name().into()]);
        }
        arguments.extend(self.nodes.iter().map(OsString::from));
        Member::start(
            &self.program,
            arguments,
            &format!("worker-{position}.log"),
            guard,
        )
    }
}

/// What a worker used in the end.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) idle: Gauge,
    pub(super) after: Gauge,
    pub(super) drained: Duration,
    pub(super) undelivered: String,
}

/// The place of one worker: its process of the moment, and what is known about it.
#[derive(Debug, Default)]
pub(super) struct Post {
    member: Option<Member>,
    /// The number of its present, or last, process.
    pub(super) process: usize,
    resume: Option<Moment>,
    respawn: Option<Moment>,
    /// When it was not running: until now where there is no end.
    pauses: VecDeque<(Moment, Option<Moment>)>,
    /// What its first process used before it had a client, and with an idle one. Later processes may have been started
    /// while nodes were down.
    pub(super) start: Option<(Gauge, Gauge)>,
    pub(super) done: Option<Moment>,
    pub(super) ending: Option<Ending>,
}

impl Post {
    /// Starts a process.
    pub(super) fn start(
        &mut self,
        position: usize,
        process: usize,
        orders: &Orders,
        guard: &Arc<Guard>,
    ) -> Result<(), Error> {
        self.member = Some(orders.start(position, process, guard)?);
        self.process = process;
        self.respawn = None;
        Ok(())
    }

    pub(super) const fn is_running(&self) -> bool {
        self.member.is_some() && self.resume.is_none()
    }

    /// Whether there is a process.
    pub(super) const fn is_there(&self) -> bool {
        self.member.is_some()
    }

    /// Freezes the process until that much time has passed; longer when it was frozen already.
    pub(super) fn stop(&mut self, time: Duration) -> Result<(), Error> {
        let Some(member) = &self.member else {
            return Ok(());
        };
        let since = now();
        if self.resume.is_none() {
            member.stop()?;
            self.paused(since, None);
        }
        self.resume = self.resume.max(Some(since + time));
        Ok(())
    }

    /// Something else keeps its work from going on in this time.
    pub(super) fn paused(&mut self, from: Moment, until: Option<Moment>) {
        self.pauses.push_back((from, until));
        if self.pauses.len() > REMEMBERED {
            self.pauses.pop_front();
        }
    }

    /// Kills the process; another one is due after that time.
    pub(super) fn kill(&mut self, down: Duration) {
        self.member = None;
        self.resume = None;
        self.respawn = Some(now() + down);
    }

    /// Lets it go on when that is due.
    pub(super) fn resume_if_due(&mut self) -> Result<(), Error> {
        let due = self.resume.is_some_and(|resume| resume <= now());
        if let Some(member) = self.member.as_ref().filter(|_| due) {
            member.cont()?;
            self.resume = None;
            for (_, until) in &mut self.pauses {
                until.get_or_insert_with(now);
            }
        }
        Ok(())
    }

    /// Whether another process is due.
    pub(super) fn is_due(&self) -> bool {
        self.respawn.is_some_and(|respawn| respawn <= now())
    }

    /// Whether a pause that we know of began before this moment and lasted past it.
    pub(super) fn was_paused_at(&self, moment: Moment) -> bool {
        self.pauses
            .iter()
            .any(|(from, until)| *from <= moment && until.is_none_or(|until| moment <= until))
    }

    /// Asks it to finish.
    pub(super) fn finish(&mut self) {
        if let Some(member) = &mut self.member {
            member.finish();
        }
    }

    /// Its last words, when it is no longer there.
    pub(super) fn last_words(&mut self) -> String {
        self.member
            .as_mut()
            .and_then(Member::ended)
            .unwrap_or_else(|| "it closed its connection".into())
    }
}
