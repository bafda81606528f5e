//! A live run from start to end.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use simulator::{
    TrueTime,
    history::{EventKind, History, HostName, Recorder},
    nemesis::Nemesis,
    plan::Plan,
    truth::Facts,
    world::{Replay, WorldConfig},
};
use tokio::{sync::oneshot, task::LocalSet};

use super::{
    crew::Client, error::Error, field::Field, hearing::Heard, node::Node, notes::Taken,
    options::Options, possible::not_possible, stage::Stage, watch::Watch,
};
use crate::live::{
    self, setup,
    signals::{Interrupt, Signals},
};

/// How long before the beginning workers are started, so that time begins with clients that are there; longer where that does not do.
const LEAD: Duration = Duration::from_millis(400);
const LONGEST_LEAD: Duration = Duration::from_secs(6);
/// How long it may take until all that was begun is ended, after the safety phase.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a live run.
#[derive(Debug)]
pub struct LiveRun {
    /// Everything that happened, but for what happened inside of the nodes.
    pub history: History,
    /// What checkers must know of it.
    pub facts: Facts,
    /// What was done only nearly as the plan says, a line each; the run shows what it shows all the same.
    pub notes: Vec<String>,
    /// Faults that could not be made or ended while the run was on, a line each with the reason. Unless it is empty, nothing but a violation says
    /// anything about the plan.
    pub not_made: Vec<String>,
    /// How late the latest of all faults was: that is the machine's doing.
    pub late: Duration,
}

/// Runs a case on real servers: blocks for as long as the case lasts. Not to be called inside of a tokio runtime.
///
/// # Errors
///
/// When it cannot be made live, could not be set up or carried through, or was ended by a signal.
pub fn perform(case: &Replay, options: &Options) -> Result<LiveRun, Error> {
    let reasons = not_possible(case, options);
    if !reasons.is_empty() {
        return Err(Error::Impossible(reasons));
    }
    setup::ensure_server()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(live::Error::system("starting a runtime"))?;
    let tasks = LocalSet::new();
    runtime.block_on(tasks.run_until(supervise(case, options)))
}

async fn supervise(case: &Replay, options: &Options) -> Result<LiveRun, Error> {
    let mut signals = Signals::new()?;
    let mut lead = LEAD;
    let (stage, tell, heard) = loop {
        let (tell, heard) = mpsc::channel();
        let setting = Stage::set(case, options, lead, &tell);
        let stage = tokio::select! {
            biased;
            interrupt = signals.next() => return Err(interrupted(interrupt)),
            stage = setting => stage?,
        };
        for client in stage.field.clients.values() {
            client.spawn()?;
        }
        // On a machine that is busy time would begin without those who are to live in it.
        if stage.watch.lead() >= LEAD / 4 || lead >= LONGEST_LEAD {
            break (stage, tell, heard);
        }
        lead *= 2;
    };
    let director = Director {
        field: stage.field.clone(),
        recorder: stage.recorder.clone(),
        watch: stage.watch,
        heard,
        refused: Some("nobody tried".to_owned()),
    };
    let (done, ended) = oneshot::channel();
    let (plan, config) = (case.plan.clone(), case.config.clone());
    let director = thread::spawn(move || {
        // A run that was interrupted waits for nobody.
        let _ = done.send(director.direct(plan, &config));
    });
    let ended = tokio::select! {
        biased;
        interrupt = signals.next() => Err(interrupted(interrupt)),
        ended = ended => ended.unwrap_or_else(|_| Err(broken())),
    };
    // It is gone already when it has ended.
    let _ = tell.send(Heard::Stop);
    let _ = director.join();
    let late = ended?;
    let history = stage.history();
    let Taken { nearly, not_made } = stage.field.notes.take();
    Ok(LiveRun {
        history,
        facts: Facts {
            observes_nodes: false,
            ..case.config.facts()
        },
        notes: nearly,
        not_made,
        late,
    })
}

fn interrupted(interrupt: Interrupt) -> Error {
    Error::Interrupted(interrupt.code() - 128)
}

fn broken() -> Error {
    live::Error::Server("the nemesis broke down".to_owned()).into()
}

/// Follows the plan, on a thread of its own: what is done to processes blocks for moments.
struct Director {
    field: Arc<Field>,
    recorder: Recorder,
    watch: Watch,
    heard: Receiver<Heard>,
    /// Why the cluster is not in service, if it is not.
    refused: Option<String>,
}

impl Director {
    /// Returns how late it was at most.
    fn direct(mut self, plan: Plan, config: &WorldConfig) -> Result<Duration, Error> {
        let mut late = Duration::ZERO;
        let field = self.field.clone();
        let heal = TrueTime::from(config.safety());
        let mut nemesis = Nemesis::new(plan, config.safety(), &*field, self.recorder.clone());
        loop {
            let due = nemesis.next_due().unwrap_or(heal).min(heal);
            self.wait(due)?;
            let now = self.watch.now();
            if now >= heal {
                break;
            }
            late = late.max(now.since(due));
            nemesis.act(now);
        }
        nemesis.end_all(self.watch.now());
        for (name, node) in &field.nodes {
            if !node.settle(PATIENCE) {
                field
                    .notes
                    .not_made(format!("{name} was not whole again after the heal"));
            }
        }
        let healed = self.watch.now();
        let world: HostName = "world".into();
        self.recorder.record(healed, &world, EventKind::Healed);
        self.wait(healed + config.length().saturating_sub(config.safety()))?;
        field.look_for_endless_keys(&self.recorder);
        field.nodes.values().for_each(Node::look_whether_it_lives);
        if let Some(why) = &self.refused {
            let note = format!("the cluster was not put into service: {why}");
            field.notes.nearly(note);
        }
        Ok(late)
    }

    /// Listens until then.
    fn wait(&mut self, until: TrueTime) -> Result<(), Error> {
        loop {
            let left = self.watch.until(until);
            let tick = self.field.ticks().map_or(left, |tick| tick.min(left));
            match self.heard.recv_timeout(tick) {
                Ok(Heard::Deployed) => {
                    self.refused = None;
                    self.field.clients.values().for_each(Client::begin);
                }
                Ok(Heard::NotDeployed(why)) => self.refused = Some(why),
                Ok(Heard::Left(host, incarnation)) => self.left(&host, incarnation)?,
                Ok(Heard::Stop) | Err(RecvTimeoutError::Disconnected) => return Err(broken()),
                Err(RecvTimeoutError::Timeout) if tick < left => {
                    self.field.tick();
                }
                Err(RecvTimeoutError::Timeout) => return Ok(()),
            }
        }
    }

    /// A worker's socket ended. Of one that was killed nothing follows.
    fn left(&self, host: &HostName, incarnation: u32) -> Result<(), Error> {
        let Some(client) = self.field.clients.get(host) else {
            return Ok(());
        };
        match client.last_words(incarnation) {
            None => Ok(()),
            Some(reason) => Err(Error::Worker {
                host: host.to_string(),
                reason,
            }),
        }
    }
}
