//! Calls that are not written yet, in order, with their deadlines.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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
    /// Boxed, because it is moved from hand to hand on its way.
    Call(Box<Call>),
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
            Self::Call(call) => match call.request.verb {
                Verb::Release { give_up } => Some((call.request.owner, give_up)),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn is_release(&self) -> bool {
        matches!(self, Self::Call(call) if matches!(call.request.verb, Verb::Release { .. }))
    }

    /// What was asked for, if this is a call.
    pub(super) fn request(&self) -> Option<&Request> {
        match self {
            Self::Call(call) => Some(&call.request),
            _ => None,
        }
    }

    /// The lock key that this job is about.
    pub(super) fn key(&self) -> Option<&[u8]> {
        match self {
            Self::Call(call) => Some(call.request.lock.key()),
            _ => None,
        }
    }

    /// Whether it counts towards the calls in flight: somebody asked for it.
    pub(super) fn is_asked_for(&self) -> bool {
        match self {
            Self::Call(_) | Self::Inspect(_) => !self.is_release(),
            Self::Load | Self::Look => false,
        }
    }

    fn acquire_expires(&self) -> Option<Duration> {
        match self {
            Self::Call(call) => match call.request.verb {
                Verb::Acquire { expires, .. } => Some(expires),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Jobs in the order in which they were submitted.
///
/// They are written in that order, with one exception: when as many releases are under way as may
/// be, other jobs overtake those that wait. A release may be late without harm to anybody but who
/// wants the same resource, so an acquire call never overtakes a release of its own key; and nothing
/// overtakes an acquire call.
///
/// As a rule a job is written in the same breath in which it was submitted. Such a job goes through
/// `fresh`, a plain list; whatever has to wait moves on into the trees. Never are both in use.
#[derive(Default)]
pub(super) struct Queue {
    /// What was submitted while nothing waited, in order.
    fresh: VecDeque<Job>,
    fresh_releases: usize,
    /// Everything but releases, by place.
    jobs: BTreeMap<i64, Job>,
    /// Releases, by place.
    backlog: BTreeMap<i64, Job>,
    /// Releases by when they give up.
    releases: BTreeSet<(Duration, i64)>,
    /// Releases by lock key.
    released_keys: BTreeSet<(Box<[u8]>, i64)>,
    /// By when an acquire call expires.
    acquires: BTreeSet<(Duration, i64)>,
    others: usize,
}

impl Queue {
    pub(super) fn push_back(&mut self, job: Job) {
        if self.jobs.is_empty() && self.backlog.is_empty() {
            self.fresh_releases += usize::from(job.is_release());
            self.others += usize::from(job.is_asked_for());
            self.fresh.push_back(job);
        } else {
            self.insert_back(job);
        }
    }

    fn insert_back(&mut self, job: Job) {
        let last = |jobs: &BTreeMap<i64, Job>| jobs.last_key_value().map(|(last, _)| last + 1);
        let place = last(&self.jobs).max(last(&self.backlog));
        self.insert(place.unwrap_or_default(), job);
    }

    /// Moves jobs that have to wait into the trees.
    fn settle(&mut self) {
        while let Some(job) = self.pop_fresh() {
            self.insert_back(job);
        }
    }

    fn pop_fresh(&mut self) -> Option<Job> {
        let job = self.fresh.pop_front()?;
        self.fresh_releases -= usize::from(job.is_release());
        self.others -= usize::from(job.is_asked_for());
        Some(job)
    }

    pub(super) fn push_front(&mut self, job: Job) {
        self.settle();
        let first = |jobs: &BTreeMap<i64, Job>| jobs.first_key_value().map(|(first, _)| first - 1);
        let place = match (first(&self.jobs), first(&self.backlog)) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => one.or(other).unwrap_or_default(),
        };
        self.insert(place, job);
    }

    fn insert(&mut self, place: i64, job: Job) {
        if let Some((_, give_up)) = job.release() {
            self.releases.insert((give_up, place));
            self.released_keys
                .extend(job.key().map(|key| (key.into(), place)));
            self.backlog.insert(place, job);
            return;
        }
        if let Some(expires) = job.acquire_expires() {
            self.acquires.insert((expires, place));
        }
        self.others += usize::from(job.is_asked_for());
        self.jobs.insert(place, job);
    }

    /// The next job to write. Without room for releases only those are taken that somebody waits for.
    pub(super) fn next(&mut self, room_for_releases: bool) -> Option<Job> {
        match self.fresh.front() {
            Some(job) if room_for_releases || !job.is_release() => return self.pop_fresh(),
            Some(_) => self.settle(),
            None => {}
        }
        let job = self.jobs.first_key_value().map(|(place, _)| *place);
        let release = self.backlog.first_key_value().map(|(place, _)| *place);
        match (job, release) {
            (job, Some(release)) if room_for_releases && job.is_none_or(|job| release < job) => {
                self.take(release)
            }
            (Some(job), _) => self.take(self.release_before(job).unwrap_or(job)),
            (None, _) => None,
        }
    }

    /// A release of the key that the acquire call at `place` wants, submitted before it.
    fn release_before(&self, place: i64) -> Option<i64> {
        if self.backlog.is_empty() {
            return None;
        }
        let job = self.jobs.get(&place)?;
        job.acquire_expires()?;
        let key: Box<[u8]> = job.key()?.into();
        let range = (key.clone(), i64::MIN)..(key, place);
        self.released_keys
            .range(range)
            .next()
            .map(|(_, release)| *release)
    }

    fn take(&mut self, place: i64) -> Option<Job> {
        if let Some(job) = self.backlog.remove(&place) {
            let (_, give_up) = job.release()?;
            self.releases.remove(&(give_up, place));
            let key: Box<[u8]> = job.key()?.into();
            self.released_keys.remove(&(key, place));
            return Some(job);
        }
        let job = self.jobs.remove(&place)?;
        self.others -= usize::from(job.is_asked_for());
        if let Some(expires) = job.acquire_expires() {
            self.acquires.remove(&(expires, place));
        }
        Some(job)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.jobs.is_empty() && self.backlog.is_empty()
    }

    pub(super) fn releases(&self) -> usize {
        self.backlog.len() + self.fresh_releases
    }

    /// Jobs that somebody asked for, releases not counted.
    pub(super) fn others(&self) -> usize {
        self.others
    }

    pub(super) fn has_release_of(&self, owner: &OwnerToken) -> bool {
        self.fresh.iter().chain(self.backlog.values()).any(|job| {
            job.release()
                .is_some_and(|(released, _)| released == *owner)
        })
    }

    /// The release that gives up first.
    pub(super) fn take_earliest_release(&mut self) -> Option<Job> {
        self.settle();
        let (_, place) = *self.releases.first()?;
        self.take(place)
    }

    /// A job whose deadline has passed.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Job> {
        self.settle();
        let acquire = self.acquires.first().filter(|(expires, _)| *expires <= now);
        let release = self.releases.first().filter(|(give_up, _)| *give_up <= now);
        let (_, place) = *acquire.or(release)?;
        self.take(place)
    }

    /// When the next deadline passes.
    pub(super) fn next_deadline(&mut self) -> Option<Duration> {
        self.settle();
        let acquire = self.acquires.first().map(|(expires, _)| *expires);
        let release = self.releases.first().map(|(give_up, _)| *give_up);
        match (acquire, release) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Everything that is not a release, in order.
    pub(super) fn take_others(&mut self) -> Vec<Job> {
        self.settle();
        self.acquires.clear();
        self.others = 0;
        std::mem::take(&mut self.jobs).into_values().collect()
    }
}

#[cfg(test)]
#[path = "queue/tests.rs"]
pub(super) mod tests;
