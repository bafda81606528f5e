//! Which calls travel in one command. Pure.
//!
//! A server under load spends most of its time on starting scripts and on reading the same record and the same clock for
//! each of them. Calls that are written together anyway are therefore run by one script, which answers each by itself: what
//! happens to one says nothing about another, and only an error of the whole command is everybody's. Few calls are
//! written as they always were: starting the larger script costs more than it saves.

use super::queue::Job;
use crate::node::Verb;

/// The fewest calls that share a command.
const LEAST_PACKED: usize = 4;

/// Jobs in the order in which they are written, and which of them share a command.
#[derive(Default)]
pub(super) struct Packed {
    pub(super) jobs: Vec<Job>,
    /// The start and length of every pack, in order. Jobs outside have a command of their own.
    pub(super) packs: Vec<(usize, usize)>,
}

/// Packs releases and acquire calls, or releases alone where an acquire call is no script.
///
/// Among the calls of a pack releases come first, so that they are asked for and deleted together. None overtakes an acquire
/// call of its own key, and nothing overtakes a call of another kind.
pub(super) fn pack(jobs: Vec<Job>, acquires_too: bool) -> Packed {
    if jobs.len() < LEAST_PACKED {
        let packs = Vec::new();
        return Packed { jobs, packs };
    }
    let mut packed = Packed {
        jobs: Vec::with_capacity(jobs.len()),
        packs: Vec::new(),
    };
    let (mut releases, mut acquires) = (Vec::new(), Vec::<Job>::new());
    for job in jobs {
        let kind = kind(&job);
        let may_join = match kind {
            Kind::Release => acquires.iter().all(|other| other.key() != job.key()),
            Kind::Acquire => true,
            Kind::Other => false,
        };
        if !may_join {
            packed.add(&mut releases, &mut acquires, acquires_too);
        }
        match kind {
            Kind::Release => releases.push(job),
            Kind::Acquire => acquires.push(job),
            Kind::Other => packed.jobs.push(job),
        }
    }
    packed.add(&mut releases, &mut acquires, acquires_too);
    packed
}

#[derive(Clone, Copy)]
enum Kind {
    Release,
    Acquire,
    Other,
}

fn kind(job: &Job) -> Kind {
    match job {
        Job::Call(call) if !call.whole => match call.request.verb {
            Verb::Release { .. } => Kind::Release,
            Verb::Acquire { .. } => Kind::Acquire,
            Verb::Publish { .. } | Verb::Extend { .. } => Kind::Other,
        },
        _ => Kind::Other,
    }
}

impl Packed {
    fn add(&mut self, releases: &mut Vec<Job>, acquires: &mut Vec<Job>, acquires_too: bool) {
        let start = self.jobs.len();
        let length = releases.len() + if acquires_too { acquires.len() } else { 0 };
        self.jobs.append(releases);
        self.jobs.append(acquires);
        if length >= LEAST_PACKED {
            self.packs.push((start, length));
        }
    }
}

#[cfg(test)]
#[path = "pack/tests.rs"]
mod tests;
