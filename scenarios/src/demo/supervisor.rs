//! The run from start to end.

use std::{io, time::Duration};

use tokio::sync::mpsc;

use super::{
    board::{Board, Line, Tone, name},
    clock::{self, Moment, now},
    error::Error,
    nodes::{self, Deed},
    options::Options,
    screen::Screen,
    script::{self, Act, Step, seconds},
    setup,
    signals::{Interrupt, Signals},
    stage::{Input, Stage},
    summary::{self, Verdict},
    wire::{Ask, Event, FromWorker, Style, ToWorker},
};

/// How often the script and the screen are looked after.
const TICK: Duration = Duration::from_millis(50);
/// How long the workers may take to finish.
const FINISH: Duration = Duration::from_secs(3);

/// Runs the demonstration and returns the exit code.
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
    let screen = Screen::new(options.plain);
    let greeting = format!(
        "redlock-lab: five redis-servers, {} workers, {} s, TTL {}, max_ttl {}, seed {}",
        options.workers,
        options.seconds,
        seconds(options.ttl()),
        seconds(options.max_ttl()),
        options.seed
    );
    // When nobody reads it, the first line of the story will tell.
    let _ = screen.print(&greeting);
    let (tell, inputs) = mpsc::unbounded_channel();
    let stage = Stage::set(options, &tell).await?;
    let mut run = Run {
        board: Board::new(options),
        steps: script::script(options).into_iter().peekable(),
        pause: None,
        replies: vec![None; stage.crew.len()],
        stage,
        screen,
        inputs,
        tell,
        finishing: false,
    };
    let ended = run.play(&mut signals).await;
    let interrupt = match ended {
        Ok(interrupt) => interrupt,
        Err(error) => {
            // The picture must not stand over the error.
            let _ = run.screen.end();
            return Err(error);
        }
    };
    run.finish(&mut signals).await;
    Ok(run.report(interrupt))
}

/// A holder that is to be stopped, or is, or has yet to finish after it was.
#[derive(Clone, Copy, Debug)]
enum Pause {
    Wanted {
        style: Style,
        since: Moment,
    },
    Stopped {
        worker: usize,
        token: u64,
        since: Moment,
    },
    Late {
        worker: usize,
        since: Moment,
    },
}

struct Run {
    board: Board,
    steps: std::iter::Peekable<std::vec::IntoIter<Step>>,
    pause: Option<Pause>,
    replies: Vec<Option<mpsc::UnboundedSender<ToWorker>>>,
    stage: Stage,
    screen: Screen,
    inputs: mpsc::UnboundedReceiver<Input>,
    tell: mpsc::UnboundedSender<Input>,
    /// Workers may end from here on.
    finishing: bool,
}

/// What the loop has to leave with: an error, or an interruption.
enum Stop {
    Early(Interrupt),
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Early(error.into())
    }
}

impl Run {
    /// Until the time is over, or something ends it early.
    async fn play(&mut self, signals: &mut Signals) -> Result<Option<Interrupt>, Error> {
        while !self.is_over() {
            let turn = tokio::select! {
                biased;
                interrupt = signals.next() => Err(Stop::Early(interrupt)),
                Some(input) = self.inputs.recv() => self.take(input),
                () = clock::sleep(TICK) => Ok(()),
            };
            match turn.and_then(|()| self.tick()) {
                Ok(()) => {}
                Err(Stop::Early(interrupt)) => return Ok(Some(interrupt)),
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// A holder that was stopped is waited for at the end: its late write is the point.
    fn is_over(&self) -> bool {
        let waits = match self.pause {
            Some(Pause::Stopped { .. }) => true,
            Some(Pause::Late { since, .. }) => now() - since < self.board.options.ttl() * 2,
            Some(Pause::Wanted { .. }) | None => false,
        };
        self.board.elapsed() >= self.board.options.length() && !waits
    }

    fn say(&self, tone: Tone, text: impl Into<String>) -> io::Result<()> {
        self.screen
            .tell(self.board.elapsed(), &Line::new(tone, text))
    }

    fn tick(&mut self) -> Result<(), Stop> {
        self.follow_script()?;
        self.follow_pause()?;
        self.board.note_idle();
        self.screen.show(&self.board)?;
        Ok(())
    }

    fn follow_script(&mut self) -> Result<(), Stop> {
        let elapsed = self.board.elapsed();
        while let Some(step) = self.steps.next_if(|step| step.at <= elapsed) {
            let (act, expect) = script::announce(step.act, &self.board.options);
            self.say(Tone::Act, act)?;
            self.say(Tone::Expect, expect)?;
            match step.act {
                Act::PauseHolder(style) => {
                    if !matches!(self.pause, Some(Pause::Stopped { .. })) {
                        let since = now();
                        self.pause = Some(Pause::Wanted { style, since });
                    }
                }
                Act::Node(node, deed) => self.hit(node, deed),
            }
        }
        Ok(())
    }

    /// Does something to a node, in the background: a restart takes a moment.
    fn hit(&mut self, node: usize, deed: Deed) {
        self.board.nodes[node].did(deed);
        let (cluster, tell) = (self.stage.cluster.clone(), self.tell.clone());
        drop(tokio::task::spawn_blocking(move || {
            if let Err(error) = deed.apply(&cluster, node) {
                let _ = tell.send(Input::Broken(error.to_string()));
            }
        }));
    }

    /// A stopped holder goes on when the pause is over and somebody else has written meanwhile, so that there is something
    /// to be lost.
    fn follow_pause(&mut self) -> Result<(), Stop> {
        let Some(Pause::Stopped {
            worker,
            token,
            since,
        }) = self.pause
        else {
            return Ok(());
        };
        let (paused, pause) = (now() - since, self.board.options.pause());
        let overtaken = self.board.store.fenced.last_writer > token;
        if paused >= pause && overtaken || paused >= pause + self.board.options.patience() {
            self.pause = Some(Pause::Late {
                worker,
                since: now(),
            });
            let text = format!(
                "{} goes on after {} (SIGCONT); on purpose it does not look at is_valid() before it writes",
                name(worker),
                seconds(paused)
            );
            self.board.continued(worker);
            self.stage.crew[worker].cont()?;
            self.say(Tone::Act, text)?;
        }
        Ok(())
    }

    fn take(&mut self, input: Input) -> Result<(), Stop> {
        match input {
            Input::Joined(worker, replies) => {
                if let Some(slot) = self.replies.get_mut(worker) {
                    *slot = Some(replies);
                }
            }
            Input::Said(worker, FromWorker::Event(event)) => {
                let let_go = matches!(event, Event::Releasing { .. });
                if let_go && self.is_late(worker) {
                    self.pause = None;
                }
                if let Some(line) = self.board.event(worker, event) {
                    self.screen.tell(self.board.elapsed(), &line)?;
                }
            }
            Input::Said(worker, FromWorker::Ask { id, ask }) => self.answer(worker, id, ask)?,
            Input::Said(_, FromWorker::Hello { .. }) => {}
            Input::Left(worker) => {
                self.replies[worker] = None;
                if !self.finishing {
                    return Err(self.deserted(worker).into());
                }
            }
            Input::Looked(look) => {
                for (node, change) in nodes::look(&mut self.board.nodes, look) {
                    self.screen
                        .tell(self.board.elapsed(), &Board::changed(node, change))?;
                }
            }
            Input::Broken(reason) => return Err(Error::Server(reason).into()),
        }
        Ok(())
    }

    /// Whether this worker was stopped as a holder, and has not finished since.
    fn is_late(&self, worker: usize) -> bool {
        matches!(self.pause, Some(Pause::Late { worker: late, .. }) if late == worker)
    }

    fn deserted(&mut self, worker: usize) -> Error {
        Error::Worker {
            worker: worker + 1,
            reason: self.stage.crew[worker]
                .ended()
                .unwrap_or_else(|| "it closed its connection".into()),
        }
    }

    fn answer(&mut self, worker: usize, id: u64, ask: Ask) -> Result<(), Stop> {
        if ask == Ask::MayWork {
            self.stop_if_wanted(worker)?;
        }
        let (reply, line) = self.board.ask(worker, ask);
        if let Some(replies) = &self.replies[worker] {
            // A worker that is gone is noticed by the end of its connection.
            let _ = replies.send(ToWorker { id, reply });
        }
        if let Some(line) = line {
            self.screen.tell(self.board.elapsed(), &line)?;
        }
        Ok(())
    }

    /// The worker has read and not written yet. It is stopped before it is answered, so it cannot write before it is
    /// continued.
    fn stop_if_wanted(&mut self, worker: usize) -> Result<(), Stop> {
        let Some(Pause::Wanted { style, since }) = self.pause else {
            return Ok(());
        };
        let (own, now) = (Style::of(worker), now());
        // Should no holder of the wanted style turn up, another naive one will do.
        let fits = own == style || own.is_naive() && now - since > self.board.options.ttl() / 2;
        if !fits || self.finishing {
            return Ok(());
        }
        let Some(window) = self
            .board
            .windows
            .of(worker)
            .filter(|window| window.until > now)
        else {
            return Ok(());
        };
        self.stage.crew[worker].stop()?;
        self.board.stopped(worker);
        self.pause = Some(Pause::Stopped {
            worker,
            token: window.token,
            since: now,
        });
        self.say(
            Tone::Act,
            format!(
                "{} is stopped (SIGSTOP) with {} ms left; it has read both counters",
                name(worker),
                (window.until - now).as_millis()
            ),
        )?;
        Ok(())
    }

    /// Lets the workers finish, for a moment; a second signal ends that too.
    async fn finish(&mut self, signals: &mut Signals) {
        self.finishing = true;
        if let Some(Pause::Stopped { worker, .. }) = self.pause.take() {
            self.board.continued(worker);
        }
        self.stage.finish();
        let until = now() + FINISH;
        while self.replies.iter().any(Option::is_some) && now() < until {
            let turn = tokio::select! {
                biased;
                _ = signals.next() => return,
                Some(input) = self.inputs.recv() => self.take(input),
                () = clock::sleep(TICK) => Ok(()),
            };
            // There is nothing left to interrupt, and the run is judged by what is known.
            if turn.is_err() {
                continue;
            }
        }
        self.stage.leave().await;
    }

    /// Shows the table and the verdict; the exit code.
    fn report(mut self, interrupt: Option<Interrupt>) -> u8 {
        let verdict = summary::judge(&self.board, interrupt.is_some());
        // Nobody may be reading any more.
        let _ = self.write_report(&verdict, interrupt);
        match (&verdict, interrupt) {
            (Verdict::Unsafe(_), _) | (_, None) => verdict.code(),
            (_, Some(interrupt)) => interrupt.code(),
        }
    }

    fn write_report(&mut self, verdict: &Verdict, interrupt: Option<Interrupt>) -> io::Result<()> {
        let elapsed = self.board.elapsed();
        let fancy = self.screen.is_live();
        self.screen.end()?;
        if interrupt.is_some() {
            self.screen.print(&format!(
                "\ninterrupted after {}; so far:",
                seconds(elapsed)
            ))?;
        }
        let table = summary::table(&self.board, fancy);
        self.screen.print(&format!("\n{table}"))?;
        if let Some(failure) = self.board.tally.last_failure.as_ref() {
            self.screen
                .print(&format!("the last failed acquisition: {failure}"))?;
        }
        let (word, findings) = match verdict {
            Verdict::Expected => (
                "as expected: no overlap, no lost update of the fenced counter",
                &[][..],
            ),
            Verdict::Unsafe(findings) => ("SAFETY VIOLATED", &findings[..]),
            Verdict::Stuck(findings) => ("NO PROGRESS", &findings[..]),
        };
        self.screen.print(&format!("verdict: {word}"))?;
        findings
            .iter()
            .try_for_each(|finding| self.screen.print(&format!("  - {finding}")))
    }
}
