//! The life of one attempt and of the lease it may become: the verbs of this folder joined.
//!
//! A [`Claim`] is fed answers and deadlines, each with a reading of the clocks, and says through
//! [`Claim::poll_action`] what to send and whom to wake. It holds every decision; the shell around it
//! only carries messages.

use std::{collections::VecDeque, time::Duration};

use super::{
    acquire::{Acquisition, Outcome, Step},
    answer::{Answer, Reason},
    clock::{Reading, Stopwatch},
    extend::{Holding, Loss, Round, State},
    quorum::Quorum,
    release::Release,
    validity::Drift,
};

/// What an attempt is made with.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How many of how many nodes.
    pub quorum: Quorum,
    /// How wrong clocks may be.
    pub drift: Drift,
    /// Whether nodes count and the token must reach a quorum of them.
    pub fencing: bool,
    /// A lease is handed out only with more than this left.
    pub min_validity: Duration,
    /// The TTL asked for.
    pub ttl: Duration,
    /// The decision deadline of a node call, for reports.
    pub node_timeout: Duration,
}

/// The call that an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Set the lock key if it is free.
    Acquire,
    /// Raise the fencing counter while the key is ours.
    Publish {
        /// The counter that the node shall not stay below.
        counter: u64,
    },
    /// Prolong the key while it is ours.
    Extend {
        /// The round it belongs to.
        round: u32,
        /// Until when a confirmation holds, on the lease's time.
        until: Duration,
        /// The TTL of this round.
        ttl: Duration,
    },
    /// Delete the key if it is ours.
    Release,
}

/// What the shell has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send `call` to `node`.
    Send {
        /// The node's index.
        node: usize,
        /// What to send.
        call: Call,
    },
    /// The attempt is won or failed: wake the acquirer.
    Decided,
    /// A round of renewal ended: wake whoever extends, and plan the next.
    RoundEnded {
        /// The round's number.
        round: u32,
        /// How it ended.
        ended: Round,
    },
    /// The lease is lost or released: wake whoever waits for that.
    Over,
    /// A node lost our key although its identity did not change.
    KeyVanished {
        /// The node's index.
        node: usize,
    },
    /// A quorum of nodes is free of our key, or no node owes an answer to its release any more: wake
    /// whoever awaits the release.
    Freed,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The quorum was out of reach.
    NoQuorum,
    /// The quorum granted, but too little validity was left.
    TooSlow {
        /// The time since before the first byte was sent.
        elapsed: Duration,
        /// The validity of the TTL.
        validity: Duration,
    },
    /// The acquirer went away.
    Cancelled,
}

#[derive(Clone, Debug)]
enum Phase {
    Asking,
    Holding(Holding),
    Failed(Failure),
}

/// One attempt, and the lease it may become.
#[derive(Clone, Debug)]
pub struct Claim {
    terms: Terms,
    watch: Stopwatch,
    acquisition: Acquisition,
    release: Release,
    phase: Phase,
    counter: u64,
    answers: Vec<Option<Answer>>,
    actions: VecDeque<Action>,
    publishing: bool,
    over: bool,
    freed: bool,
    #[cfg(feature = "planted-bugs")]
    newest_until: Duration,
    /// The release came during a renewal and was forgotten.
    #[cfg(feature = "planted-bugs")]
    forgot: bool,
}

impl Claim {
    /// An attempt whose acquire calls go out right after `t1` was read.
    pub fn new(terms: Terms, t1: Reading) -> Self {
        Self {
            terms,
            watch: Stopwatch::start(t1),
            acquisition: Acquisition::new(terms.quorum, terms.fencing),
            release: Release::new(terms.quorum),
            phase: Phase::Asking,
            counter: 0,
            answers: vec![None; terms.quorum.nodes()],
            actions: VecDeque::new(),
            publishing: false,
            over: false,
            freed: false,
            #[cfg(feature = "planted-bugs")]
            newest_until: Duration::ZERO,
            #[cfg(feature = "planted-bugs")]
            forgot: false,
        }
    }

    /// A node answered `call`; the clocks were read after the answer arrived.
    pub fn handle_answer(&mut self, node: usize, call: Call, answer: Answer, now: &Reading) {
        if node >= self.answers.len() {
            return;
        }
        match call {
            Call::Acquire => self.handle_acquire_answer(node, answer, now),
            Call::Publish { counter } => self.handle_publish_answer(node, counter, &answer, now),
            Call::Extend { round, until, .. } => {
                self.handle_extend_answer(node, round, until, answer, now);
            }
            Call::Release => {
                self.release.handle_answer(node, answer);
                self.tell_release();
            }
        }
    }

    /// The acquire calls passed their decision deadline: whoever has not answered counts no more and
    /// is sent a release, behind the call on the same connection.
    pub fn handle_acquire_deadline(&mut self, now: &Reading) {
        for node in 0..self.answers.len() {
            if self.answers[node].is_none() && !self.release.is_sent_to(node) {
                let timed_out = Answer::Unknown(Reason::TimedOut(self.terms.node_timeout));
                if planted!(TimedOutIsRefused) {
                    self.acquisition.handle_answer(node, &timed_out);
                    self.release
                        .handle_acquire_answer(node, &Answer::Contended { remaining: None });
                    self.answers[node] = Some(timed_out);
                    self.advance(now);
                    continue;
                }
                self.handle_acquire_answer(node, timed_out, now);
            }
        }
    }

    /// The publications passed their decision deadline.
    pub fn handle_publish_deadline(&mut self, now: &Reading) {
        self.acquisition.give_up_publishing();
        self.advance(now);
    }

    /// A round's extensions passed their decision deadline.
    pub fn handle_round_deadline(&mut self, round: u32, now: &Reading) {
        let elapsed = self.watch.observe(now);
        if let Phase::Holding(holding) = &mut self.phase
            && let Some(ended) = holding.give_up_round(round, elapsed)
        {
            self.actions.push_back(Action::RoundEnded { round, ended });
        }
        self.tell_over();
    }

    /// Starts a round of renewal to `ttl`. The nodes are sent to through [`Claim::poll_action`];
    /// returns the round's number, or `None` when the lease is over.
    pub fn start_round(&mut self, ttl: Duration, t1: Reading) -> Option<u32> {
        let elapsed = self.watch.mark(t1);
        let until = elapsed.saturating_add(self.terms.drift.validity(ttl));
        #[cfg(feature = "planted-bugs")]
        {
            self.newest_until = until;
        }
        let Phase::Holding(holding) = &mut self.phase else {
            return None;
        };
        let started = holding.start_round(elapsed);
        self.tell_over();
        let (round, nodes) = started?;
        let call = Call::Extend { round, until, ttl };
        self.actions
            .extend(nodes.into_iter().map(|node| Action::Send { node, call }));
        Some(round)
    }

    /// The last look at the clock before a won lease is handed to its holder, who may have been
    /// scheduled late.
    ///
    /// # Errors
    ///
    /// Why there is nothing to hand out; all nodes are then being released.
    pub fn hand_out(&mut self, now: &Reading) -> Result<(), Failure> {
        let elapsed = self.watch.observe(now);
        match &mut self.phase {
            Phase::Holding(holding) => {
                holding.check(elapsed);
                if holding.remaining(elapsed) > self.terms.min_validity {
                    return Ok(());
                }
                let failure = self.too_slow(elapsed);
                self.fail(failure);
                Err(failure)
            }
            Phase::Failed(failure) => Err(*failure),
            Phase::Asking => {
                self.fail(Failure::Cancelled);
                Err(Failure::Cancelled)
            }
        }
    }

    /// The holder lets go, or the acquirer goes away: every node that may hold our key is released.
    /// Returns whether this call was the first. Wins over a renewal in flight.
    pub fn release(&mut self) -> bool {
        #[cfg(feature = "planted-bugs")]
        if let Phase::Holding(holding) = &self.phase {
            self.forgot |= planted!(RenewalAfterRelease) && holding.is_renewing();
            if self.forgot {
                return false;
            }
        }
        let first = match &mut self.phase {
            Phase::Asking => {
                self.fail(Failure::Cancelled);
                return true;
            }
            Phase::Holding(holding) => holding.release(),
            Phase::Failed(_) => false,
        };
        if first {
            self.release_everywhere();
            self.tell_over();
        }
        first
    }

    /// Whether the release was forgotten, as planted.
    #[cfg(feature = "planted-bugs")]
    pub(crate) const fn forgot(&self) -> bool {
        self.forgot
    }

    /// Where the lease stands at `now`. An attempt that is not won, or that failed, counts as
    /// released.
    pub fn check(&mut self, now: &Reading) -> State {
        let elapsed = self.watch.observe(now);
        let state = match &mut self.phase {
            Phase::Holding(holding) => holding.check(elapsed),
            _ => State::Released,
        };
        self.tell_over();
        state
    }

    /// Time left at `now`; zero unless held.
    pub fn remaining(&mut self, now: &Reading) -> Duration {
        self.check(now);
        let elapsed = self.watch.observe(now);
        self.holding()
            .map_or(Duration::ZERO, |holding| holding.remaining(elapsed))
    }

    /// Time from `now` until the lease will be known to be over; zero unless held.
    pub fn over_in(&mut self, now: &Reading) -> Duration {
        match self.check(now) {
            State::Held => {
                let elapsed = self.watch.observe(now);
                self.holding().map_or(Duration::ZERO, |holding| {
                    holding.over_at().saturating_sub(elapsed)
                })
            }
            _ => Duration::ZERO,
        }
    }

    /// Time since before the attempt's first byte was sent.
    pub fn elapsed(&mut self, now: &Reading) -> Duration {
        self.watch.observe(now)
    }

    /// Where the lease ends on the host's clocks, as [`Stopwatch::reaches`] says it; `None` unless it is
    /// held.
    pub fn ends(&self) -> Option<(Reading, Duration)> {
        let holding = self.holding().filter(|_| self.is_held())?;
        Some(self.watch.reaches(holding.deadline()))
    }

    /// The confirmations behind the lease, once it was won.
    pub const fn holding(&self) -> Option<&Holding> {
        match &self.phase {
            Phase::Holding(holding) => Some(holding),
            _ => None,
        }
    }

    /// Whether the lease was held when it was last looked at.
    pub fn is_held(&self) -> bool {
        self.holding()
            .is_some_and(|holding| holding.state() == State::Held)
    }

    /// Whether the attempt still waits for nodes.
    pub const fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking)
    }

    /// Whether acquire calls are unanswered that an acquire deadline would still end.
    pub fn awaits_acquire_deadline(&self) -> bool {
        (0..self.answers.len())
            .any(|node| self.answers[node].is_none() && !self.release.is_sent_to(node))
    }

    /// Why the attempt failed, if it did.
    pub const fn failure(&self) -> Option<Failure> {
        match self.phase {
            Phase::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// The fencing token's number; zero before the win and without fencing.
    pub const fn counter(&self) -> u64 {
        self.counter
    }

    /// What each node last answered, in node order, releases aside; `None` while its first answer is
    /// outstanding.
    pub fn answers(&self) -> &[Option<Answer>] {
        &self.answers
    }

    /// How far the release has come.
    pub const fn releasing(&self) -> &Release {
        &self.release
    }

    /// The terms of the attempt.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// When a quorum of nodes could grant again, judged by what they answered: now for a node that
    /// granted, the holder's remaining TTL, the rest of a quarantine. `None` when too few nodes said.
    pub fn free_in(&self) -> Option<Duration> {
        let mut waits: Vec<_> = self
            .answers
            .iter()
            .filter_map(|answer| match answer {
                Some(Answer::Granted { .. }) => Some(Duration::ZERO),
                Some(Answer::Contended { remaining }) => *remaining,
                Some(Answer::Quarantined { remaining }) => Some(*remaining),
                _ => None,
            })
            .collect();
        waits.sort_unstable();
        waits.get(self.terms.quorum.needed() - 1).copied()
    }

    /// The next thing to do, until there is none.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn handle_acquire_answer(&mut self, node: usize, answer: Answer, now: &Reading) {
        self.release.handle_acquire_answer(node, &answer);
        // A grant that arrives after its release was sent is released by it: it never counts.
        if self.release.is_sent_to(node) && !answer.leaves_nothing() {
            return;
        }
        self.acquisition.handle_answer(node, &answer);
        if matches!(answer, Answer::Granted { .. }) {
            let elapsed = self.watch.observe(now);
            let until = self.terms.drift.validity(self.terms.ttl);
            if let Phase::Holding(holding) = &mut self.phase {
                holding.handle_late_grant(node, until, elapsed);
            }
        } else if !answer.leaves_nothing() {
            self.send_release(node);
        }
        self.answers[node] = Some(answer);
        self.advance(now);
    }

    fn handle_publish_answer(&mut self, node: usize, counter: u64, answer: &Answer, now: &Reading) {
        self.acquisition
            .handle_publish_answer(node, counter, answer);
        if let Answer::NotOwner { same_identity, .. } = answer {
            let elapsed = self.watch.observe(now);
            if let Phase::Holding(holding) = &mut self.phase {
                let vanished = *same_identity && holding.relies_on(node, elapsed);
                holding.mark_gone(node, elapsed);
                self.tell_vanished(node, vanished);
            }
            self.answers[node] = Some(answer.clone());
            self.tell_over();
        }
        self.advance(now);
    }

    fn handle_extend_answer(
        &mut self,
        node: usize,
        round: u32,
        until: Duration,
        answer: Answer,
        now: &Reading,
    ) {
        let elapsed = self.watch.observe(now);
        #[cfg(feature = "planted-bugs")]
        let until = if planted!(RoundsMixed) {
            self.newest_until
        } else {
            until
        };
        if let Phase::Holding(holding) = &mut self.phase {
            let relied_on = holding.relies_on(node, elapsed);
            let ended = holding.handle_answer(node, round, until, &answer, elapsed);
            if let Answer::NotOwner { same_identity, .. } = answer {
                self.tell_vanished(node, relied_on && same_identity);
            }
            self.answers[node] = Some(answer);
            self.actions
                .extend(ended.map(|ended| Action::RoundEnded { round, ended }));
        }
        self.tell_over();
    }

    /// After every change of the acquisition: publish, win or fail.
    fn advance(&mut self, now: &Reading) {
        while let Some(Step::Publish { node, counter }) = self.acquisition.poll_step() {
            self.publishing = true;
            let call = Call::Publish { counter };
            self.actions.push_back(Action::Send { node, call });
        }
        if !self.is_asking() {
            return;
        }
        match self.acquisition.outcome() {
            None => {}
            Some(Outcome::Lost) => self.fail(Failure::NoQuorum),
            Some(Outcome::Won { counter }) => {
                let elapsed = self.watch.observe(now);
                let mut until = self.terms.drift.validity(self.terms.ttl);
                if planted!(ValidityFromWrongStart) {
                    until += elapsed;
                }
                if elapsed.saturating_add(self.terms.min_validity) >= until {
                    let failure = self.too_slow(elapsed);
                    self.fail(failure);
                    return;
                }
                self.counter = counter;
                let granted = self.acquisition.granted();
                let quorum = self.acquisition.quorum();
                self.phase = Phase::Holding(Holding::new(quorum, granted, until));
                self.actions.push_back(Action::Decided);
            }
        }
    }

    /// Whether publications were sent whose deadline has to be kept. Asking again answers no.
    pub fn take_publishing(&mut self) -> bool {
        std::mem::take(&mut self.publishing)
    }

    fn too_slow(&self, elapsed: Duration) -> Failure {
        Failure::TooSlow {
            elapsed,
            validity: self.terms.drift.validity(self.terms.ttl),
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.phase = Phase::Failed(failure);
        self.over = true;
        self.release_everywhere();
        self.actions.push_back(Action::Decided);
    }

    fn release_everywhere(&mut self) {
        for node in 0..self.answers.len() {
            self.send_release(node);
        }
        self.tell_release();
    }

    fn send_release(&mut self, node: usize) {
        if self.release.send_to(node) {
            self.actions.push_back(Action::Send {
                node,
                call: Call::Release,
            });
        }
    }

    fn tell_release(&mut self) {
        let freed = self.release.is_free() || self.release.is_settled();
        if self.is_over() && !self.freed && freed {
            self.freed = true;
            self.actions.push_back(Action::Freed);
        }
    }

    /// Whether every node has been sent its release, or needs none.
    fn is_over(&self) -> bool {
        match &self.phase {
            Phase::Asking => false,
            Phase::Holding(holding) => holding.is_released(),
            Phase::Failed(_) => true,
        }
    }

    fn tell_over(&mut self) {
        let state = self.holding().map(Holding::state);
        if !self.over && state.is_some_and(|state| state != State::Held) {
            self.over = true;
            self.actions.push_back(Action::Over);
        }
    }

    fn tell_vanished(&mut self, node: usize, vanished: bool) {
        if vanished {
            self.actions.push_back(Action::KeyVanished { node });
        }
    }

    /// Why the lease was lost, if it was.
    pub fn loss(&self) -> Option<Loss> {
        match self.holding()?.state() {
            State::Lost(loss) => Some(loss),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
