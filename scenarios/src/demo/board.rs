//! All that is known about the run: what the screen shows and the summary judges.

use std::time::Duration;

use super::{
    clock::{Moment, now},
    nodes::{Change, NodeView},
    options::Options,
    script::{NODES, seconds},
    store::Store,
    tally::Tally,
    windows::{Window, Windows},
    wire::{Ask, Event, Reply, Style},
};

/// How many nodes must agree.
pub(super) const QUORUM: usize = NODES / 2 + 1;

/// A line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) tone: Tone,
    pub(super) text: String,
}

impl Line {
    pub(super) fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

/// How a line is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// What is done.
    Act,
    /// What is to be expected of it.
    Expect,
    /// What happened by itself.
    Fact,
    /// Protection at work.
    Good,
    /// Damage, expected or not.
    Bad,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Resting,
    Wanting,
    Holding,
    Working,
}

/// One worker.
#[derive(Clone, Debug)]
pub(super) struct WorkerView {
    pub(super) style: Style,
    pub(super) doing: Doing,
    pub(super) stopped: bool,
    pub(super) acquired: u64,
    pub(super) lost: u64,
}

/// Everything known.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub(super) options: Options,
    pub(super) started: Moment,
    pub(super) store: Store,
    pub(super) windows: Windows,
    pub(super) tally: Tally,
    pub(super) workers: Vec<WorkerView>,
    pub(super) nodes: Vec<NodeView>,
    /// The holder that was stopped, and when, until somebody takes over.
    stopped_holder: Option<(usize, Moment)>,
    /// Since when nobody acquired although a quorum could vote.
    idle_since: Moment,
    pub(super) longest_idle: Duration,
    pub(super) pauses: u32,
}

impl Board {
    pub(super) fn new(options: &Options) -> Self {
        let worker = |position| WorkerView {
            style: Style::of(position),
            doing: Doing::Resting,
            stopped: false,
            acquired: 0,
            lost: 0,
        };
        let workers = usize::try_from(options.workers).unwrap_or_default();
        Self {
            options: options.clone(),
            started: now(),
            store: Store::default(),
            windows: Windows::default(),
            tally: Tally::default(),
            workers: (0..workers).map(worker).collect(),
            nodes: (0..NODES).map(|_| NodeView::new()).collect(),
            stopped_holder: None,
            idle_since: now(),
            longest_idle: Duration::ZERO,
            pauses: 0,
        }
    }

    /// The time since the start of the run.
    pub(super) fn elapsed(&self) -> Duration {
        now() - self.started
    }

    /// A worker said something.
    pub(super) fn event(&mut self, worker: usize, event: Event) -> Option<Line> {
        match event {
            Event::Wanting => self.workers[worker].doing = Doing::Wanting,
            Event::Contended => self.tally.contentions += 1,
            Event::Acquired {
                token,
                at,
                deadline,
                took,
                at_once,
            } => {
                self.acquired(Window {
                    worker,
                    token,
                    from: at,
                    until: deadline,
                });
                match at_once {
                    Some(true) => self.tally.at_once.add(took),
                    Some(false) => self.tally.waiting.add(took),
                    None => {}
                }
            }
            Event::Renewed { deadline } => {
                self.tally.renewals += 1;
                self.windows.renew(worker, deadline);
            }
            Event::Lost { cancelled } => return Some(self.lost(worker, cancelled)),
            Event::Releasing { at } => {
                self.windows.end(worker, at);
                self.workers[worker].doing = Doing::Resting;
            }
            Event::Released { took } => self.tally.release.add(took),
            Event::Failed { contended, message } => {
                self.workers[worker].doing = Doing::Resting;
                // Having waited in vain is a contention that was counted when it began.
                if !contended {
                    self.tally.failures += 1;
                    self.tally.last_failure = Some(message);
                }
            }
        }
        None
    }

    fn acquired(&mut self, window: Window) {
        self.tally.acquisitions += 1;
        self.note_idle();
        self.idle_since = now();
        if let Some((_, since)) = self
            .stopped_holder
            .filter(|(stopped, _)| *stopped != window.worker)
        {
            self.stopped_holder = None;
            self.tally.takeover.add(window.from - since);
        }
        let view = &mut self.workers[window.worker];
        view.doing = Doing::Holding;
        view.acquired += 1;
        self.windows.begin(window);
    }

    fn lost(&mut self, worker: usize, cancelled: bool) -> Line {
        self.tally.losses += 1;
        self.workers[worker].lost += 1;
        let name = name(worker);
        if cancelled {
            self.tally.cancelled += 1;
            return Line::new(
                Tone::Good,
                format!(
                    "{name} lost its lease and `with` cancelled its work before it could write"
                ),
            );
        }
        Line::new(
            Tone::Fact,
            format!("{name} asks its lease only now, after its writes: lost"),
        )
    }

    /// A worker asked the store something.
    pub(super) fn ask(&mut self, worker: usize, ask: Ask) -> (Reply, Option<Line>) {
        let name = name(worker);
        let before = self.store.unfenced.counter.value;
        let Some(reply) = self.store.answer(ask) else {
            self.workers[worker].doing = Doing::Working;
            return (Reply::Done, None);
        };
        let line = match (ask, reply) {
            (Ask::WriteFenced { token, .. }, Reply::Stale { highest }) => Some(Line::new(
                Tone::Good,
                format!(
                    "the fenced counter refuses {name}'s write: token {token} is older than {highest}"
                ),
            )),
            (Ask::ReadFenced { token }, Reply::Stale { highest }) => Some(Line::new(
                Tone::Good,
                format!(
                    "the fenced counter refuses {name}'s read: token {token} is older than {highest}"
                ),
            )),
            // What a write means is its value being one more than before; the checks of the counter do not need this line.
            (Ask::WriteUnfenced { value }, _) if value <= before => Some(Line::new(
                Tone::Bad,
                format!(
                    "the unfenced counter takes {name}'s write: {before} becomes {value}, {} updates of others are gone",
                    before + 1 - value
                ),
            )),
            (Ask::WriteUnfenced { value }, _) if value > before + 1 => Some(Line::new(
                Tone::Bad,
                format!(
                    "{name}, which had read before that, writes over it: {before} becomes {value}, and the late update is gone instead"
                ),
            )),
            _ => None,
        };
        (reply, line)
    }

    /// The holder was stopped.
    pub(super) fn stopped(&mut self, worker: usize) {
        self.pauses += 1;
        self.workers[worker].stopped = true;
        self.stopped_holder = Some((worker, now()));
    }

    /// The stopped worker goes on.
    pub(super) fn continued(&mut self, worker: usize) {
        self.workers[worker].stopped = false;
        self.stopped_holder = None;
    }

    /// A node changed by itself.
    pub(super) fn changed(node: usize, change: Change) -> Line {
        let number = node + 1;
        match change {
            Change::Quarantined(left) => Line::new(
                Tone::Good,
                format!(
                    "node {number} is back without its memory: quarantined for {} more",
                    seconds(left)
                ),
            ),
            Change::Admitted => Line::new(
                Tone::Good,
                format!("node {number} is admitted and votes again"),
            ),
        }
    }

    /// Takes the time without an acquisition into account, while a quorum could vote.
    pub(super) fn note_idle(&mut self) {
        if self.nodes.iter().filter(|node| node.votes()).count() >= QUORUM {
            self.longest_idle = self.longest_idle.max(now() - self.idle_since);
        } else {
            self.idle_since = now();
        }
    }
}

/// A worker's name, by its position.
pub(super) fn name(worker: usize) -> String {
    format!("worker-{}", worker + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::nodes::Deed;

    fn board() -> Board {
        Board::new(&Options {
            seconds: 20,
            workers: 4,
            seed: 1,
            plain: true,
        })
    }

    fn acquire(board: &mut Board, worker: usize, token: u64) {
        let at = now();
        let acquired = Event::Acquired {
            token,
            at,
            deadline: at + Duration::from_secs(2),
            took: Duration::from_millis(1),
            at_once: Some(true),
        };
        board.event(worker, acquired);
    }

    #[test]
    fn a_late_writer_is_named_with_the_damage_it_does() {
        let mut board = board();
        board.ask(0, Ask::ReadFenced { token: 10 });
        for value in 1..=3 {
            board.ask(1, Ask::WriteFenced { token: 11, value });
            board.ask(1, Ask::WriteUnfenced { value });
        }
        let (reply, line) = board.ask(
            0,
            Ask::WriteFenced {
                token: 10,
                value: 1,
            },
        );
        assert_eq!(reply, Reply::Stale { highest: 11 });
        assert!(line.is_some_and(|line| line.tone == Tone::Good && line.text.contains("worker-1")));
        let (reply, line) = board.ask(0, Ask::WriteUnfenced { value: 1 });
        assert_eq!(reply, Reply::Done);
        assert!(line.is_some_and(
            |line| line.tone == Tone::Bad && line.text.contains("3 becomes 1, 3 updates")
        ));
    }

    #[test]
    fn a_takeover_is_the_next_acquisition_of_somebody_else() {
        let mut board = board();
        acquire(&mut board, 0, 1);
        board.stopped(0);
        acquire(&mut board, 1, 2);
        acquire(&mut board, 2, 3);
        assert!(board.tally.takeover.to_string().ends_with("n=1"));
    }

    #[test]
    fn time_without_a_quorum_is_not_held_against_the_client() {
        let mut board = board();
        let long_ago = board.idle_since;
        for node in &mut board.nodes[..3] {
            node.did(Deed::Kill);
        }
        board.note_idle();
        assert_eq!(board.longest_idle, Duration::ZERO);
        assert!(board.idle_since > long_ago);
        for node in &mut board.nodes[..3] {
            *node = NodeView::new();
        }
        board.note_idle();
        assert!(board.longest_idle > Duration::ZERO);
    }
}
