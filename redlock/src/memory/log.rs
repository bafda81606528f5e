//! What a server executed, for tests to look at.

use std::collections::VecDeque;

use crate::{
    node::Verb,
    protocol::{Answer, OwnerToken},
};

/// The verbs without their arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VerbKind {
    /// [`Verb::Acquire`]
    Acquire,
    /// [`Verb::Publish`]
    Publish,
    /// [`Verb::Extend`]
    Extend,
    /// [`Verb::Release`]
    Release,
}

impl From<&Verb> for VerbKind {
    fn from(verb: &Verb) -> Self {
        match verb {
            Verb::Acquire { .. } => Self::Acquire,
            Verb::Publish { .. } => Self::Publish,
            Verb::Extend { .. } => Self::Extend,
            Verb::Release { .. } => Self::Release,
        }
    }
}

/// One call as a server executed it, whether or not its reply arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The verb.
    pub verb: VerbKind,
    /// The resource.
    pub resource: Vec<u8>,
    /// The owner token of the attempt.
    pub owner: OwnerToken,
    /// What the server answered.
    pub answer: Answer,
}

/// The latest calls, and how many there were of each verb.
#[derive(Debug, Default)]
pub(super) struct Log {
    latest: VecDeque<Executed>,
    counts: [u64; 4],
}

impl Log {
    /// How many calls are kept; counts go on.
    pub(super) const KEPT: usize = 10_000;

    pub(super) fn push(&mut self, call: Executed) {
        self.counts[index(call.verb)] += 1;
        if self.latest.len() == Self::KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(call);
    }

    pub(super) fn latest(&self) -> Vec<Executed> {
        self.latest.iter().cloned().collect()
    }

    pub(super) const fn count(&self, verb: VerbKind) -> u64 {
        self.counts[index(verb)]
    }
}

const fn index(verb: VerbKind) -> usize {
    match verb {
        VerbKind::Acquire => 0,
        VerbKind::Publish => 1,
        VerbKind::Extend => 2,
        VerbKind::Release => 3,
    }
}
