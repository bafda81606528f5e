//! Calls that are not written yet, in order, with their deadlines.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    node::{Inspection, NodeFacts, Reply, Request, Verb},
    protocol::{OwnerToken, Reason},
};

/// One lock call and the way back for its answer.
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) reply: Reply,
    /// NOSCRIPT came back: send the whole script.
    pub(super) whole: bool,
}

/// One look at the guard record.
pub(super) struct Inspect {
    pub(super) what: Inspection,
    pub(super) to: oneshot::Sender<Result<NodeFacts, Reason>>,
}

/// What can be written to a connection.
pub(super) enum Job {
    Call(Call),
    Inspect(Inspect),
    /// Load all scripts again.
    Load,
    /// See whether the server is still what it was, and how its quarantine stands.
    Look,
}

impl Job {
    /// The release of this job, if it is one, and when it gives up.
    pub(super) fn release(&self) -> Option<(OwnerToken, Duration)> {
        match self {
            Self::Call(Call {
                request:
                    Request {
                        owner,
                        verb: Verb::Release { give_up },
                        ..
                    },
                ..
            }) => Some((*owner, *give_up)),
            _ => None,
        }
    }

    /// Whether it counts towards the calls in flight: somebody asked for it.
    pub(super) fn is_asked_for(&self) -> bool {
        match self {
            Self::Call(_) | Self::Inspect(_) => self.release().is_none(),
            Self::Load | Self::Look => false,
        }
    }

    fn acquire_expires(&self) -> Option<Duration> {
        match self {
            Self::Call(Call {
                request:
                    Request {
                        verb: Verb::Acquire { expires, .. },
                        ..
                    },
                ..
            }) => Some(*expires),
            _ => None,
        }
    }
}

/// Jobs in the order in which they will be written.
#[derive(Default)]
pub(super) struct Queue {
    jobs: BTreeMap<i64, Job>,
    /// By when a release gives up.
    releases: BTreeSet<(Duration, i64)>,
    /// By when an acquire call expires.
    acquires: BTreeSet<(Duration, i64)>,
    others: usize,
}

impl Queue {
    pub(super) fn push_back(&mut self, job: Job) {
        let place = self.jobs.last_key_value().map_or(0, |(last, _)| last + 1);
        self.insert(place, job);
    }

    pub(super) fn push_front(&mut self, job: Job) {
        let place = self
            .jobs
            .first_key_value()
            .map_or(0, |(first, _)| first - 1);
        self.insert(place, job);
    }

    fn insert(&mut self, place: i64, job: Job) {
        if let Some((_, give_up)) = job.release() {
            self.releases.insert((give_up, place));
        }
        if let Some(expires) = job.acquire_expires() {
            self.acquires.insert((expires, place));
        }
        self.others += usize::from(job.is_asked_for());
        self.jobs.insert(place, job);
    }

    pub(super) fn pop_front(&mut self) -> Option<Job> {
        let place = *self.jobs.first_key_value()?.0;
        self.take(place)
    }

    fn take(&mut self, place: i64) -> Option<Job> {
        let job = self.jobs.remove(&place)?;
        self.others -= usize::from(job.is_asked_for());
        if let Some((_, give_up)) = job.release() {
            self.releases.remove(&(give_up, place));
        }
        if let Some(expires) = job.acquire_expires() {
            self.acquires.remove(&(expires, place));
        }
        Some(job)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn releases(&self) -> usize {
        self.releases.len()
    }

    /// Jobs that somebody asked for, releases not counted.
    pub(super) fn others(&self) -> usize {
        self.others
    }

    pub(super) fn has_release_of(&self, owner: &OwnerToken) -> bool {
        self.jobs.values().any(|job| {
            job.release()
                .is_some_and(|(released, _)| released == *owner)
        })
    }

    /// The release that gives up first.
    pub(super) fn take_earliest_release(&mut self) -> Option<Job> {
        let (_, place) = *self.releases.first()?;
        self.take(place)
    }

    /// A job whose deadline has passed.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Job> {
        let acquire = self.acquires.first().filter(|(expires, _)| *expires <= now);
        let release = self.releases.first().filter(|(give_up, _)| *give_up <= now);
        let (_, place) = *acquire.or(release)?;
        self.take(place)
    }

    /// When the next deadline passes.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let acquire = self.acquires.first().map(|(expires, _)| *expires);
        let release = self.releases.first().map(|(give_up, _)| *give_up);
        match (acquire, release) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Everything that is not a release, in order.
    pub(super) fn take_others(&mut self) -> Vec<Job> {
        let places: Vec<i64> = self
            .jobs
            .iter()
            .filter(|(_, job)| job.release().is_none())
            .map(|(place, _)| *place)
            .collect();
        places
            .into_iter()
            .filter_map(|place| self.take(place))
            .collect()
    }
}
