//! The run from start to end.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    clock::{self, Moment, now},
    crew::Ending,
    dice::Dice,
    ending,
    error::Error,
    ledger::{Ledger, Write, hand},
    options::{NODES, Options, Plant, TTL},
    script::{self, Act, Step},
    setup,
    signals::{Interrupt, Signals},
    stage::{Input, Stage},
    store::line,
    summary,
    verdict::{self, Verdict},
    wire::{Ask, Event, FromWorker, Reply, ToWorker},
};

/// How often everything is looked after.
const TICK: Duration = Duration::from_millis(10);
/// How often a long run says how it goes, and is judged so far.
const STATUS: Duration = Duration::from_secs(10);
/// How long the workers may take to get ready, and to finish.
const PATIENCE: Duration = Duration::from_secs(20);
/// The stream of the store's dice.
const STREAM: u64 = 1 << 33;
/// One answer in this many is delayed at any time, by up to [`HICCUP`].
const HICCUPS: usize = 30;
const HICCUP: Duration = Duration::from_millis(50);

/// Runs the failure test and returns the exit code.
///
/// # Errors
/// When it could not be set up or carried through.
pub fn run(options: &Options) -> Result<u8, Error> {
    setup::ensure_server()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::system("starting a runtime"))?;
    runtime.block_on(supervise(options))
}

async fn supervise(options: &Options) -> Result<u8, Error> {
    let mut signals = Signals::new()?;
    let history = match &options.history {
        Some(path) => {
            let file = File::create(path).map_err(Error::system("making the history's file"))?;
            Some(BufWriter::new(file))
        }
        None => None,
    };
    let (tell, inputs) = mpsc::unbounded_channel();
    let stage = Stage::set(options, &tell).await?;
    let mut run = Run {
        options: options.clone(),
        ledger: Ledger::new(),
        steps: script::script(options).into_iter().peekable(),
        replies: BTreeMap::new(),
        dice: Dice::new(options.seed, STREAM),
        writer: None,
        slow: None,
        stage,
        inputs,
        tell,
        history,
        said: now(),
        finishing: false,
    };
    run.say(&format!(
        "endure: {NODES} redis-servers, {} workers, {} s, TTL {} ms, seed {}{}",
        options.workers,
        options.seconds,
        TTL.as_millis(),
        options.seed,
        options
            .plant
            .map(|plant| format!(", planted: {}", plant.name()))
            .unwrap_or_default()
    ));
    let interrupt = match run.play(&mut signals).await {
        Ok(()) => None,
        Err(Stop::Early(interrupt)) => Some(interrupt),
        Err(Stop::Failed(error)) => return Err(error),
        Err(Stop::Found) => None,
    };
    Ok(run.report(interrupt))
}

/// Why a run does not go on.
enum Stop {
    Early(Interrupt),
    Failed(Error),
    /// A rule was broken, and the rest of the run could only hide it.
    Found,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Run {
    options: Options,
    ledger: Ledger,
    steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    replies: BTreeMap<usize, mpsc::UnboundedSender<ToWorker>>,
    dice: Dice,
    /// The next writer is to be stopped for this long.
    writer: Option<Duration>,
    /// The store is slow, by up to this, until then.
    slow: Option<(Duration, Moment)>,
    stage: Stage,
    inputs: mpsc::UnboundedReceiver<Input>,
    tell: mpsc::UnboundedSender<Input>,
    history: Option<BufWriter<File>>,
    said: Moment,
    /// Workers may end from here on.
    finishing: bool,
}

impl Run {
    async fn play(&mut self, signals: &mut Signals) -> Result<(), Stop> {
        let ready = |run: &Self| run.stage.crew.iter().all(|post| post.start.is_some());
        self.wait(signals, "get ready", ready).await?;
        self.ledger.started = now();
        while self.ledger.elapsed() < self.options.length() {
            self.turn(signals).await?;
            self.follow_script();
            self.follow_workers()?;
            self.status()?;
        }
        self.finishing = true;
        self.writer = None;
        for post in &mut self.stage.crew {
            post.finish();
        }
        let done = |run: &Self| run.stage.crew.iter().all(|post| post.done.is_some());
        self.wait(signals, "let go of their leases", done).await?;
        ending::look_for_keys(&self.stage, &mut self.ledger.end).await;
        let ended = |run: &Self| run.stage.crew.iter().all(|post| post.ending.is_some());
        self.wait(signals, "end", ended).await?;
        ending::compare(&self.stage, &mut self.ledger.end);
        Ok(())
    }

    /// Until all workers have got somewhere.
    async fn wait(
        &mut self,
        signals: &mut Signals,
        what: &str,
        there: impl Fn(&Self) -> bool,
    ) -> Result<(), Stop> {
        let until = now() + PATIENCE;
        while !there(self) {
            if now() > until {
                let text = format!("the workers did not {what} within {} s", PATIENCE.as_secs());
                self.ledger.end.trouble.push(text);
                return Err(Stop::Found);
            }
            self.turn(signals).await?;
        }
        Ok(())
    }

    async fn turn(&mut self, signals: &mut Signals) -> Result<(), Stop> {
        tokio::select! {
            biased;
            interrupt = signals.next() => return Err(Stop::Early(interrupt)),
            Some(input) = self.inputs.recv() => self.take(input)?,
            () = clock::sleep(TICK) => {}
        }
        if !self.finishing {
            let watched = self.options.plant != Some(Plant::QuorumOfOne);
            self.ledger.tick(watched);
        }
        Ok(())
    }

    fn follow_script(&mut self) {
        let elapsed = self.ledger.elapsed();
        while let Some(step) = self.steps.next_if(|step| step.at <= elapsed) {
            self.note(&format!("{:?}", step.act));
            self.act(step.act);
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Node(node, hit) => {
                if let Some((begin, _)) = hit.seen() {
                    self.ledger.nodes[node].did(begin);
                }
                self.stage.nemesis.hit(node, hit, &self.tell);
            }
            Act::StopWorker(worker, time) => {
                // One that is gone is noticed by the end of its connection.
                let _ = self.stage.crew[worker].stop(time);
            }
            Act::KillWorker(worker, down) => self.stage.crew[worker].kill(down),
            Act::StopWriter(time) => self.writer = Some(time),
            Act::SlowStore { most, lasting } => self.slow = Some((most, now() + lasting)),
        }
        // That of a writer is counted when one was found.
        if !matches!(act, Act::StopWriter(_)) {
            *self.ledger.tally.faults.entry(act.kind()).or_default() += 1;
        }
    }

    fn follow_workers(&mut self) -> Result<(), Error> {
        for position in 0..self.stage.crew.len() {
            self.stage.crew[position].resume_if_due()?;
            if self.stage.crew[position].is_due() {
                self.stage.start(position)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<(), Stop> {
        match input {
            Input::Joined(process, replies) => drop(self.replies.insert(process, replies)),
            Input::Said(process, said) => {
                if self.history.is_some() {
                    let text = serde_json::to_string(&said).unwrap_or_default();
                    self.note(&format!("process {process} {text}"));
                }
                match said {
                    FromWorker::Event { hand, event } => self.event(process, hand, &event),
                    FromWorker::Ask { id, hand, ask } => self.answer(process, hand, id, ask)?,
                    FromWorker::Hello { .. } => {}
                }
            }
            Input::Left(process) => {
                self.replies.remove(&process);
                let position = self.stage.processes[process];
                let post = &mut self.stage.crew[position];
                // A process that was killed has a successor, or is about to have one.
                if post.process == process && post.is_there() && post.ending.is_none() {
                    let text = format!(
                        "worker-{position} ended unexpectedly: {}",
                        post.last_words()
                    );
                    self.ledger.end.trouble.push(text);
                    return Err(Stop::Found);
                }
            }
            Input::Looked(look) => {
                let changes = super::nodes::look(&mut self.ledger.nodes, look);
                for (node, change) in changes {
                    self.note(&format!("node {node} {change:?}"));
                }
            }
            Input::Recovered { node, hit, missed } => {
                self.note(&format!(
                    "node {node} recovered from {hit:?}, missed: {missed}"
                ));
                self.ledger.tally.missed += u64::from(missed);
                if let Some((_, end)) = hit.seen() {
                    self.ledger.nodes[node].did(end);
                }
            }
            Input::Broken(reason) => return Err(Error::Server(reason).into()),
        }
        Ok(())
    }

    fn event(&mut self, process: usize, number: usize, event: &Event) {
        let post = &mut self.stage.crew[self.stage.processes[process]];
        match event {
            Event::Ready { before, idle } => {
                post.start.get_or_insert((*before, *idle));
            }
            Event::Done { at } => post.done = Some(*at),
            Event::Final {
                idle,
                after,
                drained,
                undelivered,
            } => {
                post.ending = Some(Ending {
                    idle: *idle,
                    after: *after,
                    drained: *drained,
                    undelivered: undelivered.clone(),
                });
            }
            _ => {}
        }
        self.ledger.event(hand(process, number), event);
    }

    fn answer(&mut self, process: usize, number: usize, id: u64, ask: Ask) -> Result<(), Error> {
        let delay = self.delay();
        let hand = hand(process, number);
        let post = &mut self.stage.crew[self.stage.processes[process]];
        let reply = match ask {
            Ask::Read { resource, token } => self.ledger.read(hand, resource, token),
            Ask::MayWrite => {
                let current = post.process == process && post.is_running();
                if let Some(time) = self.writer.take_if(|_| current && !self.finishing) {
                    post.stop(time)?;
                    let kind = Act::StopWriter(time).kind();
                    *self.ledger.tally.faults.entry(kind).or_default() += 1;
                }
                if let Some(delay) = delay {
                    post.paused(now(), Some(now() + delay));
                }
                Reply::Done
            }
            Ask::Write {
                resource,
                token,
                fenced,
                unfenced,
                deadline,
            } => {
                let write = Write {
                    resource,
                    token,
                    fenced,
                    unfenced,
                    deadline,
                };
                let post = &*post;
                self.ledger
                    .write(hand, write, |moment| post.was_paused_at(moment))
            }
        };
        let Some(replies) = self.replies.get(&process) else {
            return Ok(());
        };
        let reply = ToWorker { id, reply };
        match delay {
            // A process that is gone is noticed by the end of its connection.
            None => drop(replies.send(reply)),
            Some(delay) => {
                self.ledger.tally.delayed_replies += 1;
                let replies = replies.clone();
                clock::spawn(async move {
                    clock::sleep(delay).await;
                    let _ = replies.send(reply);
                });
            }
        }
        Ok(())
    }

    /// How long the store takes to answer, when it takes its time.
    fn delay(&mut self) -> Option<Duration> {
        if self.finishing {
            return None;
        }
        match self.slow {
            Some((most, until)) if now() < until => Some(self.dice.between(Duration::ZERO, most)),
            _ if self.dice.index(HICCUPS) == 0 => Some(self.dice.between(Duration::ZERO, HICCUP)),
            _ => None,
        }
    }

    /// Says how it goes. A violation of safety ends the run, so that what led to it is still near.
    fn status(&mut self) -> Result<(), Stop> {
        if now() - self.said < STATUS {
            return Ok(());
        }
        self.said = now();
        let faults: u64 = self.ledger.tally.faults.values().sum();
        let text = format!(
            "{} s: {} acquisitions, {faults} faults, {} late writes, longest gap {} ms",
            self.ledger.elapsed().as_secs(),
            self.ledger.acquisitions(),
            self.ledger.tally.late_writes,
            self.ledger.longest_gap().as_millis()
        );
        self.say(&text);
        self.ledger.settle();
        if self.judge(true).is_unsafe() {
            return Err(Stop::Found);
        }
        Ok(())
    }

    fn judge(&self, interrupted: bool) -> Verdict {
        verdict::judge(
            &self.ledger,
            &self.stage.processes,
            &self.options,
            interrupted,
        )
    }

    fn say(&self, text: &str) {
        if !self.options.json {
            print(text);
        }
    }

    fn note(&mut self, text: &str) {
        let micros = self.ledger.elapsed().as_micros();
        if let Some(history) = &mut self.history {
            // The verdict does not need it.
            let _ = history.write_all(&line(&(micros, text)));
        }
    }

    /// Shows the figures and the verdict; the exit code.
    fn report(mut self, interrupt: Option<Interrupt>) -> u8 {
        if let Some(history) = &mut self.history {
            let _ = history.flush();
        }
        // A run that ended early is judged by what it was ended for.
        let early = interrupt.is_some() || self.judge(true).is_unsafe() && !self.finishing;
        let verdict = self.judge(early);
        let figures = summary::figures(
            &self.ledger,
            &verdict,
            &self.options,
            self.stage.processes.len(),
        );
        if self.options.json {
            print(&serde_json::to_string(&figures).unwrap_or_default());
        } else {
            print(&summary::table(&figures));
            for line in summary::rules(&verdict, early) {
                print(&line);
            }
            print(&format!("verdict: {}", verdict.word()));
        }
        match interrupt {
            Some(interrupt) if !verdict.is_unsafe() => interrupt.code(),
            _ => verdict.code(),
        }
    }
}

/// Not `println!`, which panics when nobody reads any more.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
