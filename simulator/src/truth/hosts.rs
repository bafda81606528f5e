//! What hosts were up, running and voting when, and what their clocks showed.

use std::collections::BTreeMap;

use super::{Interval, Intervals};
use crate::{
    clock::{ClockMap, ClockName, ClockSegment, LocalTime},
    history::{EventKind, History, NodeChange},
    time::TrueTime,
};

/// The hosts of one run.
#[derive(Debug, Default)]
pub struct Hosts {
    hosts: BTreeMap<String, Host>,
}

/// One host. The default is one of which the history says nothing: up, running, voting, its clocks true.
#[derive(Debug, Default)]
pub struct Host {
    clocks: BTreeMap<ClockName, ClockMap>,
    /// When its process was paused, from the pause to the instant at which it runs again or dies.
    pub paused: Intervals,
    /// When its process was dead.
    pub down: Intervals,
    /// When it did not vote: told so, or dead. A paused node is not in here: it votes as soon as it
    /// resumes, and a protection that rests on somebody's pause protects nothing.
    pub voteless: Intervals,
    /// When its process died.
    pub crashes: Vec<TrueTime>,
}

static UNKNOWN: Host = Host {
    clocks: BTreeMap::new(),
    paused: Intervals::NONE,
    down: Intervals::NONE,
    voteless: Intervals::NONE,
    crashes: Vec::new(),
};

impl Host {
    /// A clock; `None` when the history says nothing of it, and it shows true time.
    pub fn clock(&self, name: ClockName) -> Option<&ClockMap> {
        self.clocks.get(&name)
    }

    /// What a clock shows, in nanoseconds since its origin.
    pub fn shows(&self, name: ClockName, at: TrueTime) -> LocalTime {
        match self.clock(name) {
            Some(clock) => clock.at(at),
            None => LocalTime::try_from(at.as_nanos()).unwrap_or(LocalTime::MAX),
        }
    }

    /// The first instant from `from` on at which a clock shows at least `local`.
    pub(super) fn first_reaching(
        &self,
        name: ClockName,
        from: TrueTime,
        local: LocalTime,
    ) -> Option<TrueTime> {
        match self.clock(name) {
            Some(clock) => clock.first_reaching(from, local),
            None => Some(from.max(TrueTime::from_nanos(
                u64::try_from(local).unwrap_or_default(),
            ))),
        }
    }

    /// When, within `span`, a clock shows less than `local`.
    pub(super) fn below(&self, name: ClockName, local: LocalTime, span: Interval) -> Vec<Interval> {
        let reached = |from| {
            self.first_reaching(name, from, local)
                .unwrap_or(TrueTime::MAX)
        };
        let Some(clock) = self.clock(name) else {
            return vec![Interval::new(span.start, span.end.min(reached(span.start)))];
        };
        // Within a segment a clock never runs back, so it is below up to one instant.
        let segments = clock.segments();
        let ends = segments[1..].iter().map(|next| next.from);
        let pieces = segments.iter().zip(ends.chain([TrueTime::MAX]));
        pieces
            .map(|(segment, end)| Interval::new(segment.from, end))
            .filter_map(|piece| piece.overlap(&span))
            .map(|piece| Interval::new(piece.start, piece.end.min(reached(piece.start))))
            .collect()
    }
}

impl Hosts {
    /// Reads them from a history.
    pub fn new(history: &History) -> Self {
        let mut building: BTreeMap<&str, Building> = BTreeMap::new();
        for event in history.events() {
            let host = building.entry(&event.host).or_default();
            host.take(event.at, &event.kind);
        }
        let hosts = building
            .into_iter()
            .map(|(name, building)| (name.to_owned(), building.finish()))
            .collect();
        Self { hosts }
    }

    /// One by its name.
    pub fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).unwrap_or(&UNKNOWN)
    }

    /// All of which the history says something, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Host)> {
        self.hosts.iter().map(|(name, host)| (name.as_str(), host))
    }
}

#[derive(Default)]
struct Building {
    clocks: BTreeMap<ClockName, ClockMap>,
    paused: Stretches,
    down: Stretches,
    mute: Stretches,
    crashes: Vec<TrueTime>,
}

impl Building {
    fn take(&mut self, at: TrueTime, kind: &EventKind) {
        match kind {
            EventKind::Clock { clock, segment } => {
                let map = self
                    .clocks
                    .entry(*clock)
                    .or_insert_with(|| ClockMap::new(segment.local, segment.rate_error_ppm));
                // A file written by hand may say otherwise, but the past of a clock does not change.
                let last = map
                    .segments()
                    .last()
                    .map_or(TrueTime::ZERO, |last| last.from);
                map.append(ClockSegment {
                    from: segment.from.max(last),
                    ..*segment
                });
            }
            EventKind::Paused => self.paused.begin(at),
            EventKind::Resumed => self.paused.end(at),
            EventKind::Crashed { .. } => {
                self.paused.end(at);
                self.down.begin(at);
                self.crashes.push(at);
            }
            EventKind::Started { .. } => {
                self.paused.end(at);
                self.down.end(at);
            }
            EventKind::Node {
                change: NodeChange::Votes { votes },
                ..
            } => {
                if *votes {
                    self.mute.end(at);
                } else {
                    self.mute.begin(at);
                }
            }
            _ => {}
        }
    }

    fn finish(self) -> Host {
        let down = self.down.finish();
        let mute = self.mute.finish();
        let both = down.as_slice().iter().chain(mute.as_slice());
        Host {
            clocks: self.clocks,
            paused: self.paused.finish(),
            voteless: Intervals::union(both.copied()),
            down,
            crashes: self.crashes,
        }
    }
}

/// Something that goes on and off. What begins twice goes on; what ends twice is over.
#[derive(Default)]
struct Stretches {
    done: Vec<Interval>,
    since: Option<TrueTime>,
}

impl Stretches {
    fn begin(&mut self, at: TrueTime) {
        self.since.get_or_insert(at);
    }

    fn end(&mut self, at: TrueTime) {
        if let Some(since) = self.since.take() {
            self.done.push(Interval::new(since, at));
        }
    }

    fn finish(mut self) -> Intervals {
        self.end(TrueTime::MAX);
        Intervals::union(self.done)
    }
}
