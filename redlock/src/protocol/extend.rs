//! Which confirmations make which deadline, and when a lease is lost.
//!
//! Every node that confirmed (a grant, a late grant, an extension) is relied on until
//! `until = t1 of the round it confirmed + V(ttl of that round)`, where `t1` was read before the
//! round's first byte was sent. The lease's deadline is the q-th largest of these, and never moves
//! back. Counting the confirmations of an old round under a newer `t1` would give two holders with
//! no fault at all, so each confirmation keeps the start of its own round; one function does this for
//! acquisitions, late grants, and partial and retried renewals alike.
//!
//! All times here are the lease's own elapsed time (see [`super::clock::Stopwatch`]).

use std::time::Duration;

use super::{answer::Answer, quorum::Quorum};

/// Where a lease stands. It changes once: lost and released are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A quorum protects the lease.
    Held,
    /// The lease can no longer be relied on.
    Lost(Loss),
    /// The holder let go.
    Released,
}

/// Why a lease was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// Its deadline passed on the holder's own clocks.
    Expired,
    /// So many nodes no longer hold the key that another owner could reach a quorum now.
    TakenOver,
}

/// How a round of renewal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// q nodes confirmed before the old deadline: the deadline now counts from this round.
    Renewed,
    /// Fewer than q nodes confirmed in time. The old deadline stands, nothing was shortened.
    Unknown,
    /// The lease is over.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// Never granted, or released on purpose: not part of this lease.
    None,
    /// Holds our key until at least this instant of the lease's time.
    Until(Duration),
    /// Held our key and no longer does.
    Gone,
}

#[derive(Clone, Debug)]
struct OpenRound {
    id: u32,
    waiting: u64,
    confirmed: u64,
}

/// The confirmations behind one lease.
#[derive(Clone, Debug)]
pub struct Holding {
    quorum: Quorum,
    members: Vec<Member>,
    deadline: Duration,
    state: State,
    released: bool,
    rounds: Vec<OpenRound>,
    next_round: u32,
}

impl Holding {
    /// A lease that `granted` nodes hold until `until`, the validity of the acquisition.
    pub fn new(quorum: Quorum, granted: impl Iterator<Item = usize>, until: Duration) -> Self {
        let mut members = vec![Member::None; quorum.nodes()];
        for node in granted {
            members[node] = Member::Until(until);
        }
        let mut holding = Self {
            quorum,
            members,
            deadline: Duration::ZERO,
            state: State::Held,
            released: false,
            rounds: Vec::new(),
            next_round: 0,
        };
        holding.raise_deadline();
        holding
    }

    /// Where the lease stood when it was last looked at. Call [`Holding::check`] first.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The instant of the lease's time at which it ends.
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The instant of the lease's time from which on [`Holding::check`] says that it is over: the deadline.
    pub fn over_at(&self) -> Duration {
        if planted!(LossSignalLate) {
            return self.deadline + (self.deadline / 2).min(Duration::from_secs(1));
        }
        self.deadline
    }

    /// What is left at `now`; zero unless held.
    pub fn remaining(&self, now: Duration) -> Duration {
        match self.state {
            State::Held => self.deadline.saturating_sub(now),
            _ => Duration::ZERO,
        }
    }

    /// Loses the lease if its deadline has passed at `now`.
    pub fn check(&mut self, now: Duration) -> State {
        if self.state == State::Held && now >= self.over_at() {
            self.state = State::Lost(Loss::Expired);
        }
        self.state
    }

    /// The holder lets go; returns whether this call was the first. A lease that was lost stays lost.
    pub fn release(&mut self) -> bool {
        if self.state == State::Held {
            self.state = State::Released;
        }
        !std::mem::replace(&mut self.released, true)
    }

    /// Whether the holder let go, before the loss or after it.
    pub const fn is_released(&self) -> bool {
        self.released
    }

    /// How many nodes hold the key at least until the deadline.
    pub fn held(&self) -> usize {
        self.holders().count()
    }

    /// The nodes that hold the key at least until the deadline.
    pub fn holders(&self) -> impl Iterator<Item = usize> + '_ {
        self.members
            .iter()
            .enumerate()
            .filter_map(|(node, member)| {
                matches!(member, Member::Until(until) if *until >= self.deadline).then_some(node)
            })
    }

    /// How many nodes may lose their memory before somebody else could reach a quorum:
    /// held − (N − q) − 1. Negative only after losses.
    pub fn slack(&self) -> isize {
        let signed = |count: usize| isize::try_from(count).unwrap_or(isize::MAX);
        signed(self.held()) - signed(self.quorum.spare()) - 1
    }

    /// Whether the key on `node` must still be there at `now`: it was confirmed, its time has not come,
    /// and nobody asked for its release.
    pub fn relies_on(&self, node: usize, now: Duration) -> bool {
        let member = self.members.get(node);
        !self.released && matches!(member, Some(Member::Until(until)) if now < *until)
    }

    /// A late grant: its node counts from the start of the acquisition.
    pub fn handle_late_grant(&mut self, node: usize, until: Duration, now: Duration) {
        if self.check(now) == State::Held && self.members.get(node) == Some(&Member::None) {
            self.members[node] = Member::Until(until);
            self.raise_deadline();
        }
    }

    /// Starts a round of renewal and returns its number and the nodes to ask: those that hold our key,
    /// and no others, for a node that missed the grant is not healed by an extension. `None` when the
    /// lease is over.
    pub fn start_round(&mut self, now: Duration) -> Option<(u32, Vec<usize>)> {
        if self.check(now) != State::Held {
            return None;
        }
        let nodes: Vec<_> = (0..self.members.len())
            .filter(|node| matches!(self.members[*node], Member::Until(_)))
            .collect();
        let id = self.next_round;
        self.next_round = self.next_round.wrapping_add(1);
        let waiting = nodes.iter().fold(0, |mask, node| mask | 1 << node);
        self.rounds.push(OpenRound {
            id,
            waiting,
            confirmed: 0,
        });
        Some((id, nodes))
    }

    /// A node answered in round `id`, read at `now`; a confirmation holds until `until`, the round's
    /// `t1` + V of its TTL. Returns how the round ended if this answer
    /// ended it. A confirmation that arrives after its round was closed still counts, from its own
    /// round's start.
    pub fn handle_answer(
        &mut self,
        node: usize,
        id: u32,
        until: Duration,
        answer: &Answer,
        now: Duration,
    ) -> Option<Round> {
        if self.check(now) != State::Held {
            return self.close(id).then_some(Round::Over);
        }
        if matches!(answer, Answer::NotOwner { .. }) && self.mark_gone(node, now) != State::Held {
            return self.close(id).then_some(Round::Over);
        }
        // A node that has lost the key cannot hold it again: owner tokens are granted once.
        let member = self.members.get_mut(node)?;
        let confirmed = match member {
            Member::Until(old) if matches!(answer, Answer::Confirmed) => {
                *old = (*old).max(until);
                true
            }
            _ => false,
        };
        self.raise_deadline();
        self.settle(node, id, confirmed)
    }

    /// A node that held our key no longer does. The lease is lost at once when fewer than q nodes
    /// can still hold it: then a quorum of others is free to grant.
    pub fn mark_gone(&mut self, node: usize, now: Duration) -> State {
        if let Some(member @ Member::Until(_)) = self.members.get_mut(node) {
            *member = Member::Gone;
        }
        if self.check(now) == State::Held
            && !self
                .quorum
                .reached(self.possible_holders().count_ones() as usize)
        {
            self.state = State::Lost(Loss::TakenOver);
        }
        self.state
    }

    /// The round's calls passed their decision deadline. Returns how it ended if it was still open.
    pub fn give_up_round(&mut self, id: u32, now: Duration) -> Option<Round> {
        let ended = match self.check(now) {
            State::Held => Round::Unknown,
            _ => Round::Over,
        };
        self.close(id).then_some(ended)
    }

    /// Whether a round is open.
    pub fn is_renewing(&self) -> bool {
        !self.rounds.is_empty()
    }

    fn settle(&mut self, node: usize, id: u32, confirmed: bool) -> Option<Round> {
        let holding = self.possible_holders();
        let at = self.rounds.iter().position(|round| round.id == id)?;
        let round = &mut self.rounds[at];
        let bit = 1_u64 << node;
        if round.waiting & bit == 0 {
            return None;
        }
        round.waiting &= !bit;
        if confirmed {
            round.confirmed |= bit;
        }
        // A node that confirmed and has lost the key since does not count.
        let count = |nodes: u64| (nodes & holding).count_ones() as usize;
        let possible = count(round.confirmed | round.waiting);
        let ended = if self.quorum.reached(count(round.confirmed)) {
            Round::Renewed
        } else if !self.quorum.reached(possible) {
            Round::Unknown
        } else {
            return None;
        };
        self.rounds.swap_remove(at);
        Some(ended)
    }

    fn close(&mut self, id: u32) -> bool {
        let open = self.rounds.len();
        self.rounds.retain(|round| round.id != id);
        self.rounds.len() < open
    }

    /// The nodes that can still hold our key, as a mask.
    fn possible_holders(&self) -> u64 {
        let members = self.members.iter().enumerate();
        members
            .filter(|(_, member)| matches!(member, Member::Until(_)))
            .fold(0, |mask, (node, _)| mask | 1 << node)
    }

    /// deadline = max(old deadline, q-th largest `until`).
    fn raise_deadline(&mut self) {
        let mut untils: Vec<_> = self
            .members
            .iter()
            .filter_map(|member| match member {
                Member::Until(until) => Some(*until),
                _ => None,
            })
            .collect();
        untils.sort_unstable_by(|a, b| b.cmp(a));
        if let Some(qth) = untils.get(self.quorum.needed() - 1) {
            self.deadline = self.deadline.max(*qth);
        }
    }
}

#[cfg(test)]
mod tests;
