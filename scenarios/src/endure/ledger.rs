//! All that is known about a run.

use std::{collections::BTreeMap, time::Duration};

use super::{
    clock::{Moment, now},
    gap::Gaps,
    gauge::Gauge,
    nodes::NodeView,
    options::{HANDS, NODES, PATIENCE, QUORUM, RESOURCES},
    shadow::Shadow,
    store::{self, Fenced},
    windows::{Window, Windows},
    wire::{Event, Failure, Reply, Style},
};

/// No report is later than this: pauses last some seconds at most.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// A supervisor that does not run for that long, where ten milliseconds are usual, is on a machine that is overloaded.
const STALL: Duration = Duration::from_millis(200);

/// One resource: who held it, and what it protects.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) windows: Windows,
    pub(super) fenced: Fenced,
    pub(super) shadow: Shadow,
    pub(super) gaps: Gaps,
}

/// What is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) acquired: BTreeMap<Style, u64>,
    pub(super) failures: BTreeMap<Failure, u64>,
    pub(super) cancelled: u64,
    pub(super) lost: u64,
    pub(super) prolonged: u64,
    pub(super) not_extended: u64,
    pub(super) delayed_replies: u64,
    /// Writes that left before the deadline of their lease and arrived after it.
    pub(super) late_writes: u64,
    /// Of these, the ones whose writer we had stopped, or kept waiting, when the deadline passed.
    pub(super) late_in_pause: u64,
    pub(super) faults: BTreeMap<&'static str, u64>,
    /// Faults that the server was too busy to take.
    pub(super) missed: u64,
    /// How often the supervisor itself did not get to run for longer than [`STALL`].
    pub(super) stalls: u64,
    /// How long a quorum of nodes was up and admitted.
    pub(super) quorum: Duration,
}

/// How the run ended for one worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) worker: usize,
    /// Without a client, with an idle one, with that shut down, and after it was dropped.
    pub(super) before: Gauge,
    pub(super) idle: Gauge,
    pub(super) shut_down: Gauge,
    pub(super) after: Gauge,
    /// Whether all four are of one process.
    pub(super) same_process: bool,
}

/// What was found when everything had ended.
#[derive(Clone, Debug, Default)]
pub(super) struct End {
    /// Keys left on nodes, too long after the last release.
    pub(super) left_keys: Vec<String>,
    /// How long after the last release all nodes were free of keys.
    pub(super) clean_after: Option<Duration>,
    /// The longest that a client took to shut down.
    pub(super) drained: Duration,
    pub(super) usage: Vec<Usage>,
    /// What went wrong that no other rule is about.
    pub(super) trouble: Vec<String>,
}

/// All that is known about a run.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) started: Moment,
    pub(super) nodes: Vec<NodeView>,
    pub(super) resources: Vec<Resource>,
    pub(super) tally: Tally,
    pub(super) end: End,
    ticked: Moment,
    /// Where each hand's window is.
    places: BTreeMap<usize, usize>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        let resource = Resource {
            windows: Windows::default(),
            fenced: Fenced::default(),
            shadow: Shadow::default(),
            gaps: Gaps::new(PATIENCE),
        };
        Self {
            started: now(),
            nodes: vec![NodeView::new(); NODES],
            resources: vec![resource; RESOURCES],
            tally: Tally::default(),
            end: End::default(),
            ticked: now(),
            places: BTreeMap::new(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        now() - self.started
    }

    /// Time passes; `watched` when it is known which nodes vote.
    pub(super) fn tick(&mut self, watched: bool) {
        let now = now();
        let voting = self.nodes.iter().filter(|node| node.votes()).count();
        // When this process, which has next to nothing to do, was kept from running, so were the nodes.
        let stalled = now - self.ticked > STALL;
        self.tally.stalls += u64::from(stalled);
        let quorum = watched && voting >= QUORUM && !stalled;
        if quorum {
            self.tally.quorum += now - self.ticked;
        }
        self.ticked = now;
        for resource in &mut self.resources {
            resource.gaps.tick(now, quorum);
        }
    }

    /// Something happened to a hand, which is a number of its own for each hand of each process.
    pub(super) fn event(&mut self, hand: usize, event: &Event) {
        let tally = &mut self.tally;
        match event {
            Event::Acquired {
                resource: place,
                token,
                at,
                deadline,
                style,
                ..
            } => {
                *tally.acquired.entry(*style).or_default() += 1;
                if let Some(resource) = self.resources.get_mut(*place) {
                    self.places.insert(hand, *place);
                    resource.gaps.acquired(now());
                    resource.windows.begin(Window {
                        worker: hand,
                        token: *token,
                        from: *at,
                        until: *deadline,
                    });
                }
            }
            Event::Prolonged { deadline } => {
                tally.prolonged += 1;
                if let Some(windows) = self.windows_of(hand) {
                    windows.renew(hand, *deadline);
                }
            }
            Event::Releasing { at } => {
                if let Some(windows) = self.windows_of(hand) {
                    windows.end(hand, *at);
                }
                self.places.remove(&hand);
            }
            Event::NotExtended => tally.not_extended += 1,
            Event::Lost => tally.lost += 1,
            Event::Cancelled => tally.cancelled += 1,
            Event::Failed { failure, message } => {
                *tally.failures.entry(*failure).or_default() += 1;
                if *failure == Failure::Misconfigured {
                    let text = format!("an acquisition was refused as misconfigured: {message}");
                    self.end.trouble.push(text);
                }
            }
            Event::Ready { .. } | Event::Done { .. } | Event::Final { .. } => {}
        }
    }

    fn windows_of(&mut self, hand: usize) -> Option<&mut Windows> {
        let place = self.places.get(&hand)?;
        self.resources
            .get_mut(*place)
            .map(|resource| &mut resource.windows)
    }

    pub(super) fn read(&mut self, hand: usize, resource: usize, token: u64) -> Reply {
        let Some(resource) = self.resources.get_mut(resource) else {
            return Reply::Stale;
        };
        match resource.fenced.read(token) {
            store::Reply::Value(fenced) => Reply::Values {
                fenced,
                unfenced: resource.shadow.read(hand),
            },
            _ => Reply::Stale,
        }
    }

    /// A write arrives. `paused` says whether its writer was paused, by us, at a moment.
    pub(super) fn write(
        &mut self,
        hand: usize,
        write: Write,
        paused: impl FnOnce(Moment) -> bool,
    ) -> Reply {
        let Some(resource) = self.resources.get_mut(write.resource) else {
            return Reply::Stale;
        };
        // A lease that is renewed in the background may have been prolonged since its holder looked.
        let known = resource.windows.of(hand).map(|window| window.until);
        let deadline = known.max(Some(write.deadline)).unwrap_or_default();
        let late = now() > deadline;
        if late {
            self.tally.late_writes += 1;
            self.tally.late_in_pause += u64::from(paused(deadline));
        }
        resource.shadow.write(hand, write.unfenced, late);
        match resource.fenced.write(write.token, write.fenced) {
            store::Reply::Stale { .. } => Reply::Stale,
            _ => Reply::Done,
        }
    }

    /// Judges the windows that nothing can change any more, and forgets them: a run of days must not remember all.
    pub(super) fn settle(&mut self) {
        let long_ago = now().before(LONGEST_DELAY);
        for resource in &mut self.resources {
            resource.windows.settle(long_ago);
        }
    }

    pub(super) fn acquisitions(&self) -> u64 {
        self.tally.acquired.values().sum()
    }

    pub(super) fn sum(&self, of: impl Fn(&Resource) -> u64) -> u64 {
        self.resources.iter().map(of).sum()
    }

    pub(super) fn longest_gap(&self) -> Duration {
        let gaps = self.resources.iter().map(|resource| resource.gaps.longest);
        gaps.max().unwrap_or_default()
    }
}

/// A write as it arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub(super) resource: usize,
    pub(super) token: u64,
    pub(super) fenced: u64,
    pub(super) unfenced: u64,
    pub(super) deadline: Moment,
}

/// The number of a hand.
pub(super) const fn hand(process: usize, number: usize) -> usize {
    process * HANDS + number
}
