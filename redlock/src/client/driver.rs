//! One claim, and the messages to and from it.
//!
//! A [`Driver`] belongs to nobody in particular: the acquirer or the [`super::Lease`] holds it, and so
//! do the calls in flight, so that replies find it when the caller has long gone away.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::{
    shared::{Shared, lock},
    watcher::Place,
};
use crate::{
    node::{Reply, ReplySink, ReplyTag, Request, Verb},
    protocol::{
        Answer, OwnerToken, Reading,
        claim::{Action, Call, Claim, Failure, Terms},
        extend::{Round, State},
        key::LockKey,
    },
    report::{NodeReport, ReleaseReport, Report},
};

/// The decision deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    Acquire,
    Publish,
    Round(u32),
}

/// How a lease is renewed.
#[derive(Clone, Copy, Debug)]
struct Renewal {
    ttl: Duration,
    /// On the lease's own time.
    next: Duration,
}

pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) lock: Arc<LockKey>,
    pub(super) owner: OwnerToken,
    id: u64,
    core: Mutex<Core>,
    /// Answers that arrived while somebody was at `core`. Whoever leaves `core` looks here, so that a
    /// reply never waits for a lock and never re-enters one.
    inbox: Mutex<VecDeque<(usize, ReplyTag, Answer)>>,
    changed: Notify,
}

struct Core {
    claim: Claim,
    renewal: Option<Renewal>,
    /// Its place in the watcher's schedule, while it is held.
    place: Option<Place>,
    /// Who waits for which round of renewal.
    extenders: Vec<(u32, oneshot::Sender<Round>)>,
    longest_ttl: Duration,
    is_releasing: bool,
}

impl Driver {
    /// Sends the acquire calls of a fresh attempt.
    pub(super) fn start(shared: &Arc<Shared>, key: &Arc<LockKey>, ttl: Duration) -> Arc<Self> {
        let config = &shared.config;
        let terms = Terms {
            quorum: config.quorum(),
            drift: config.drift,
            fencing: config.settings.fencing,
            min_validity: config.min_validity,
            ttl,
            node_timeout: config.node_timeout,
        };
        let owner = shared.owner_for(key);
        let verb = Verb::Acquire {
            ttl,
            proposal: shared.proposal(key),
            expires: shared
                .runtime
                .monotonic()
                .saturating_add(config.node_timeout),
        };
        // t1: before the first byte is handed to a connection.
        let t1 = shared.runtime.read_clocks();
        let driver = Arc::new(Self {
            shared: shared.clone(),
            lock: key.clone(),
            owner,
            id: shared.next_id(),
            core: Mutex::new(Core {
                claim: Claim::new(terms, t1),
                renewal: None,
                place: None,
                extenders: Vec::new(),
                longest_ttl: ttl,
                is_releasing: false,
            }),
            inbox: Mutex::default(),
            changed: Notify::new(),
        });
        // Held until every node has its call, so that no release can overtake it.
        let core = lock(&driver.core);
        for node in 0..shared.nodes.len() {
            driver.submit(node, Call::Acquire, verb);
        }
        shared.schedule_call(&driver, Expiry::Acquire);
        driver.leave(core);
        driver
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Waits until the attempt is won or has failed.
    pub(super) async fn decided(self: &Arc<Self>) {
        self.until(|core, _| !core.claim.is_asking()).await;
    }

    /// The last look at the clock before a won lease goes to its holder.
    pub(super) fn hand_out(self: &Arc<Self>) -> Result<(), Failure> {
        self.enter(|driver, core, now| {
            core.claim.hand_out(now)?;
            driver.reschedule(core, now);
            Ok(())
        })
    }

    pub(super) fn state(self: &Arc<Self>) -> State {
        self.enter(|_, core, now| core.claim.check(now))
    }

    pub(super) fn remaining(self: &Arc<Self>) -> Duration {
        self.enter(|_, core, now| core.claim.remaining(now))
    }

    /// Resolves when the lease is lost or released; says which.
    pub(super) async fn over(self: &Arc<Self>) -> State {
        // The runtime that acquired may be gone, and its watcher with it. Without any runtime there is
        // nobody who could wait here.
        let _ = self.shared.ensure_watcher();
        self.until(|core, now| core.claim.check(now) != State::Held)
            .await;
        self.state()
    }

    pub(super) fn read<R>(self: &Arc<Self>, look: impl FnOnce(&Claim) -> R) -> R {
        self.enter(|_, core, _| look(&core.claim))
    }

    pub(super) fn report(self: &Arc<Self>) -> Report {
        self.enter(|driver, core, now| Report {
            quorum: core.claim.terms().quorum,
            nodes: driver.node_reports(|node| core.claim.answers()[node].clone()),
            elapsed: core.claim.elapsed(now),
        })
    }

    fn node_reports(&self, answer: impl Fn(usize) -> Option<Answer>) -> Vec<NodeReport> {
        let names = self.shared.names.iter().enumerate();
        names
            .map(|(node, name)| NodeReport {
                node: name.clone(),
                answer: answer(node),
            })
            .collect()
    }

    pub(super) fn release_report(self: &Arc<Self>) -> ReleaseReport {
        self.enter(|driver, core, _| {
            let release = core.claim.releasing();
            let names = &driver.shared.names;
            ReleaseReport {
                freed: release.is_free(),
                nodes: driver.node_reports(|node| release.answer(node).cloned()),
                outstanding: release
                    .undelivered()
                    .map(|node| names[node].clone())
                    .collect(),
            }
        })
    }

    /// Releases, or cancels the attempt. Returns whether this call was the first.
    pub(super) fn release(self: &Arc<Self>) -> bool {
        self.enter(|_driver, core, _| {
            let first = core.claim.release();
            #[cfg(feature = "planted-bugs")]
            if core.claim.forgot() {
                _driver.shared.remember(_driver);
            }
            first
        })
    }

    /// Waits until a quorum of nodes is free of our key, or none owes an answer.
    pub(super) async fn freed(self: &Arc<Self>) {
        self.until(|core, _| {
            let release = core.claim.releasing();
            release.is_free() || release.is_settled()
        })
        .await;
    }

    /// Renews the lease to `ttl` in the background from now on.
    pub(super) fn keep_renewed(self: &Arc<Self>, ttl: Duration) {
        self.enter(|driver, core, now| {
            core.renewal = Some(driver.renewal(core, ttl, now));
            driver.reschedule(core, now);
        });
    }

    /// Starts a round of renewal to `ttl` and waits for its end.
    pub(super) async fn extend(self: &Arc<Self>, ttl: Duration) -> Round {
        let (sender, ended) = oneshot::channel();
        self.enter(|driver, core, now| {
            if let Some(round) = driver.start_round(core, ttl, now) {
                core.extenders.push((round, sender));
            }
        });
        // No round was started, or it was closed with the lease.
        ended.await.unwrap_or(Round::Over)
    }

    /// Tells the claim that a decision deadline has passed.
    pub(super) fn expire(self: &Arc<Self>, expiry: Expiry) {
        self.enter(|_, core, now| match expiry {
            Expiry::Acquire => core.claim.handle_acquire_deadline(now),
            Expiry::Publish => core.claim.handle_publish_deadline(now),
            Expiry::Round(round) => core.claim.handle_round_deadline(round, now),
        });
    }

    /// The watcher looks: is the lease over, is a renewal due?
    pub(super) fn look(self: &Arc<Self>, ahead: Duration) {
        self.enter(|driver, core, now| {
            if core.claim.check(now) != State::Held {
                return;
            }
            if let Some(Renewal { ttl, next }) = core.renewal
                && core.claim.elapsed(now).saturating_add(ahead) >= next
            {
                driver.renew(core, ttl, now);
            }
            driver.reschedule(core, now);
        });
    }

    fn renew(self: &Arc<Self>, core: &mut Core, ttl: Duration, now: &Reading) {
        let elapsed = core.claim.elapsed(now);
        let config = &self.shared.config;
        if config
            .max_lifetime
            .is_some_and(|most| elapsed.saturating_add(ttl) > most)
        {
            tracing::warn!(resource = %self.lock, "not renewed further: max_lifetime is reached");
            core.renewal = None;
            return;
        }
        let next = elapsed.saturating_add(config.renew_retry_after(ttl));
        core.renewal = Some(Renewal { ttl, next });
        let renewing = core
            .claim
            .holding()
            .is_some_and(|holding| holding.is_renewing());
        if !renewing {
            self.start_round(core, ttl, now);
        }
    }

    fn start_round(self: &Arc<Self>, core: &mut Core, ttl: Duration, now: &Reading) -> Option<u32> {
        let round = core.claim.start_round(ttl, *now)?;
        core.longest_ttl = core.longest_ttl.max(ttl);
        self.shared.schedule_call(self, Expiry::Round(round));
        Some(round)
    }

    fn round_ended(&self, core: &mut Core, round: u32, ended: Round) {
        if ended == Round::Renewed
            && let Some(Renewal { ttl, .. }) = core.renewal
        {
            let now = self.shared.runtime.read_clocks();
            core.renewal = Some(self.renewal(core, ttl, &now));
        }
        let waiting = std::mem::take(&mut core.extenders);
        for (wanted, extender) in waiting {
            if wanted == round {
                // An extender that went away does not want to know.
                let _ = extender.send(ended);
            } else {
                core.extenders.push((wanted, extender));
            }
        }
    }

    /// The plan for the next renewal, counted from the last confirmation: that is as long ago as
    /// validity is used up.
    fn renewal(&self, core: &mut Core, ttl: Duration, now: &Reading) -> Renewal {
        let config = &self.shared.config;
        let used = config
            .drift
            .validity(ttl)
            .saturating_sub(core.claim.remaining(now));
        let after = config.renew_after(ttl).saturating_sub(used);
        Renewal {
            ttl,
            next: core.claim.elapsed(now).saturating_add(after),
        }
    }

    fn reschedule(self: &Arc<Self>, core: &mut Core, now: &Reading) {
        let due_in = self.next_look(core, now);
        let had = core.place.take();
        core.place = Some(self.shared.schedule_lease(self, had, *now, due_in));
    }

    fn next_look(&self, core: &mut Core, now: &Reading) -> Duration {
        let over_in = core.claim.over_in(now);
        let elapsed = core.claim.elapsed(now);
        core.renewal.map_or(over_in, |renewal| {
            over_in.min(renewal.next.saturating_sub(elapsed))
        })
    }

    /// Waits until `done` holds; looks again after every change.
    async fn until(self: &Arc<Self>, done: impl Fn(&mut Core, &Reading) -> bool + Send) {
        loop {
            let changed = self.changed.notified();
            if self.enter(|_, core, now| done(core, now)) {
                return;
            }
            changed.await;
        }
    }

    /// Does `work` on the claim at the present time, then what the claim asks for.
    fn enter<R>(self: &Arc<Self>, work: impl FnOnce(&Arc<Self>, &mut Core, &Reading) -> R) -> R {
        let mut core = lock(&self.core);
        let now = self.shared.runtime.read_clocks();
        let result = work(self, &mut core, &now);
        self.leave(core);
        result
    }

    fn leave<'a>(self: &'a Arc<Self>, mut core: MutexGuard<'a, Core>) {
        loop {
            self.act(&mut core);
            drop(core);
            if lock(&self.inbox).is_empty() {
                return;
            }
            // Somebody else at it looks into the inbox on leaving.
            match self.try_core() {
                Some(free) => core = free,
                None => return,
            }
            self.take_in(&mut core);
        }
    }

    fn try_core(&self) -> Option<MutexGuard<'_, Core>> {
        match self.core.try_lock() {
            Ok(core) => Some(core),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn take_in(&self, core: &mut Core) {
        let arrived = std::mem::take(&mut *lock(&self.inbox));
        for (node, call, answer) in arrived {
            if let Answer::Granted { counter } = answer {
                self.shared.saw_counter(&self.lock, counter);
            }
            // Read after the answer arrived: a round counts only if its deadline still stands then.
            let now = self.shared.runtime.read_clocks();
            core.claim.handle_answer(node, call, answer, &now);
        }
    }

    fn act(self: &Arc<Self>, core: &mut Core) {
        let mut wake = false;
        while let Some(action) = core.claim.poll_action() {
            match action {
                Action::Send { node, call } => {
                    let verb = self.verb(core, call);
                    self.submit(node, call, verb);
                }
                Action::RoundEnded { round, ended } => self.round_ended(core, round, ended),
                Action::KeyVanished { node } => tracing::warn!(
                    resource = %self.lock, node = %self.shared.names[node],
                    "the lock key vanished although the node did not restart: evicted or deleted by hand?"
                ),
                Action::Over => {
                    if let Some(loss) = core.claim.loss() {
                        tracing::warn!(resource = %self.lock, ?loss, "lease lost");
                    }
                    wake = true;
                }
                Action::Decided | Action::Freed => wake = true,
            }
        }
        if core.claim.take_publishing() {
            self.shared.schedule_call(self, Expiry::Publish);
        }
        let releasing = !core.claim.releasing().is_settled();
        if releasing != core.is_releasing {
            core.is_releasing = releasing;
            self.shared.set_releasing(self, releasing);
        }
        if !core.claim.is_held()
            && let Some(place) = core.place.take()
        {
            self.shared.unschedule_lease(place);
        }
        if wake {
            self.changed.notify_waiters();
        }
    }

    fn verb(&self, core: &Core, call: Call) -> Verb {
        match call {
            Call::Publish { counter } => Verb::Publish { counter },
            Call::Extend { ttl, .. } => Verb::Extend {
                ttl,
                counter: core.claim.counter(),
            },
            Call::Acquire | Call::Release => Verb::Release {
                give_up: self.shared.give_up_releasing(core.longest_ttl),
            },
        }
    }

    fn submit(self: &Arc<Self>, node: usize, call: Call, verb: Verb) {
        let request = Request {
            lock: self.lock.clone(),
            owner: self.owner,
            verb,
        };
        let span = tracing::debug_span!(
            "call", node = %self.shared.names[node], resource = %self.lock, ?verb
        );
        let reply = Reply::new(self.clone(), node, call).traced(span);
        self.shared.nodes[node].submit(request, reply);
    }
}

impl ReplySink for Driver {
    fn answered(self: Arc<Self>, node: usize, tag: ReplyTag, answer: Answer) {
        lock(&self.inbox).push_back((node, tag, answer));
        if let Some(mut core) = self.try_core() {
            self.take_in(&mut core);
            self.leave(core);
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("resource", &self.lock.to_string())
            .field("owner_token", &self.owner)
            .finish_non_exhaustive()
    }
}
