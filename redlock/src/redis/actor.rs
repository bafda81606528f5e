//! The task behind a node.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::mpsc;

use super::{
    connect::{Established, establish},
    inspect,
    link::{Link, MAX_JOBS},
    memory::{Again, Memory},
    node::Shared,
    queue::{Call, Inspect, Job, Queue},
};
use crate::{
    connector::Address,
    node::{GuardState, Verb},
    protocol::{Answer, Reason},
    runtime::BoxFuture,
};

/// The most releases kept for a node that cannot be reached.
const MAX_RELEASES: usize = 65_536;
/// The most releases under way while other calls wait: thousands of leases that are dropped at once
/// must not keep an acquisition waiting for all of them.
const MAX_RELEASES_IN_FLIGHT: usize = 128;
/// The most messages received before the connection is looked after again.
const MAX_RECEIVED: usize = 1024;

/// What a node's handle sends to its task.
pub(super) enum Message {
    Call(Box<Call>),
    Inspect(Inspect),
}

enum Phase {
    /// Waiting before the next attempt to connect.
    Waiting {
        until: Duration,
    },
    Connecting {
        since: Duration,
        reached: Arc<AtomicBool>,
        attempt: BoxFuture<'static, Result<Established, Reason>>,
    },
    Up(Box<Link>),
}

/// The future of the task. Ends when the handle is gone and every release is delivered or has given
/// up.
pub(super) struct Actor {
    shared: Arc<Shared>,
    inbox: mpsc::UnboundedReceiver<Message>,
    closed: bool,
    queue: Queue,
    phase: Phase,
    memory: Memory,
    /// When the server is looked at although nobody asks.
    next_look: Duration,
    alarm: Option<(Duration, BoxFuture<'static, ()>)>,
}

impl Actor {
    pub(super) fn new(shared: Arc<Shared>, inbox: mpsc::UnboundedReceiver<Message>) -> Self {
        let memory = shared.take_memory();
        Self {
            shared,
            inbox,
            closed: false,
            queue: Queue::default(),
            phase: Phase::Waiting {
                until: Duration::ZERO,
            },
            memory,
            next_look: Duration::ZERO,
            alarm: None,
        }
    }

    /// Takes in what was submitted. Returns whether there may be more.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..MAX_RECEIVED {
            match self.inbox.poll_recv(cx) {
                Poll::Ready(Some(Message::Call(call))) => self.accept(call),
                Poll::Ready(Some(Message::Inspect(look))) => match self.unavailable() {
                    Some(reason) => answer_inspect(look, Err(reason)),
                    None => self.queue.push_back(Job::Inspect(look)),
                },
                Poll::Ready(None) => {
                    self.closed = true;
                    return false;
                }
                Poll::Pending => return false,
            }
        }
        true
    }

    fn accept(&mut self, call: Box<Call>) {
        let refused = match call.request.verb {
            Verb::Release { .. } => None,
            Verb::Acquire { .. } => self.unavailable().or_else(|| self.stalled()),
            Verb::Publish { .. } | Verb::Extend { .. } => self.unavailable(),
        };
        match refused {
            Some(reason) => call.reply.send(Answer::Refused(reason)),
            None => self.queue.push_back(Job::Call(call)),
        }
        if self.queue.releases() > MAX_RELEASES
            && let Some(Job::Call(call)) = self.queue.take_earliest_release()
        {
            call.reply.send(Answer::Refused(Reason::Expired));
        }
    }

    /// Why nothing but releases is taken in.
    fn unavailable(&self) -> Option<Reason> {
        if !matches!(self.phase, Phase::Up(_))
            && let Some(reason) = &self.memory.down
        {
            return Some(Reason::Down(Arc::clone(reason)));
        }
        let in_flight = match &self.phase {
            Phase::Up(link) => link.others(),
            _ => 0,
        };
        let calls = self.queue.others() + in_flight;
        (calls >= self.shared.limits.max_in_flight).then_some(Reason::Busy(calls))
    }

    /// Why no new acquisitions are taken in: the connection is in doubt.
    fn stalled(&self) -> Option<Reason> {
        let Phase::Up(link) = &self.phase else {
            return None;
        };
        let age = self.shared.now().saturating_sub(link.oldest()?);
        (age > self.shared.limits.node_timeout).then_some(Reason::Stalled(age))
    }

    /// Moves on by one step. Returns whether there may be more to do at once.
    fn step(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        match &mut self.phase {
            Phase::Waiting { until } if now < *until => false,
            Phase::Waiting { .. } => {
                self.connect(now);
                true
            }
            Phase::Connecting {
                since,
                reached,
                attempt,
            } => {
                let limit = self.shared.limits.connect_timeout;
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(established)) => self.come_up(established),
                    Poll::Ready(Err(reason)) => self.go_down(reason),
                    Poll::Pending if now < since.saturating_add(limit) => return false,
                    Poll::Pending if reached.load(Ordering::Relaxed) => {
                        self.go_down(Reason::HandshakeTimeout(limit));
                    }
                    Poll::Pending => {
                        let reason = self.unanswered(limit);
                        self.go_down(reason);
                    }
                }
                true
            }
            Phase::Up(_) => self.serve(cx, now),
        }
    }

    /// Nothing came back while connecting. A plain server waits silently for the rest of what it
    /// takes for a command when it is greeted with TLS.
    fn unanswered(&self, limit: Duration) -> Reason {
        let hint = match self.shared.address {
            Address::Tls { .. } => {
                "; if it does not speak TLS on this port, use redis:// in its URL"
            }
            _ => "",
        };
        Reason::Connect(format!("no answer within {} ms{hint}", limit.as_millis()).into())
    }

    fn connect(&mut self, now: Duration) {
        let reached = Arc::new(AtomicBool::new(false));
        let attempt = establish(
            Arc::clone(&self.shared),
            self.memory.past(),
            Arc::clone(&reached),
        );
        self.phase = Phase::Connecting {
            since: now,
            reached,
            attempt: Box::pin(attempt),
        };
    }

    fn come_up(&mut self, mut established: Established) {
        let now = self.shared.now();
        self.memory.connected(&self.shared, &mut established, now);
        self.phase = Phase::Up(Box::new(Link::new(established)));
        // Soon, and behind what waited for the connection.
        self.next_look = now;
    }

    /// Looks at the server although nobody asked, once in a while.
    fn look_around(&mut self, now: Duration) {
        if self.look_due().is_some_and(|due| now >= due) {
            self.queue.push_back(Job::Look);
            self.next_look = now.saturating_add(self.shared.look_interval());
            // One in between does not put off the one that ends a quarantine.
            self.memory.look_at = self.memory.look_at.filter(|at| now < *at);
        }
    }

    /// When the next look is due that nobody asks for.
    fn look_due(&self) -> Option<Duration> {
        let due = self.memory.look_at.into_iter().chain([self.next_look]);
        due.min().filter(|_| !self.closed)
    }

    /// An attempt to connect failed: whoever waited for it hears why, and releases wait on.
    fn go_down(&mut self, reason: Reason) {
        let delay = self.memory.failed(&self.shared, reason.clone());
        self.phase = Phase::Waiting {
            until: self.shared.now().saturating_add(delay),
        };
        for job in self.queue.take_others() {
            self.refuse(job, reason.clone());
        }
    }

    fn refuse(&self, job: Job, reason: Reason) {
        match job {
            Job::Call(call) => call.reply.send(Answer::Refused(reason)),
            Job::Inspect(look) => answer_inspect(look, Err(reason)),
            Job::Load | Job::Look => {}
        }
    }

    /// Writes what is queued, moves bytes, and hands out answers.
    fn serve(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        self.look_around(now);
        self.write(now);
        let Phase::Up(link) = &mut self.phase else {
            return true;
        };
        let mut ended = link.poll_driver(cx).is_ready();
        let mut again = Again::default();
        let mut answered_any = false;
        while let Some(answered) = link.next_answered(&self.shared) {
            let Ok(answered) = answered else {
                ended = true;
                break;
            };
            answered_any = true;
            self.memory.failures = 0;
            self.memory
                .deliver(&self.shared, link, &self.queue, answered, &mut again);
        }
        if !again.jobs.is_empty() {
            again.jobs.push(Job::Load);
        }
        for job in again.jobs.into_iter().rev() {
            self.queue.push_front(job);
        }
        let stall = self.shared.limits.stall_timeout;
        let stalled = link.oldest().is_some_and(|at| now >= at + stall);
        let reason = if ended {
            link.health.broke()
        } else if let Some(change) = again.reconnect {
            change
        } else if stalled {
            let text = format!("abandoned: no answer within {} ms", stall.as_millis());
            tracing::warn!(node = %self.shared.name, "connection {text}");
            text.into()
        } else {
            // All bytes that came were read, and there may be room again for what waits.
            return answered_any && !self.queue.is_empty();
        };
        self.lose(&Reason::ConnectionLost(reason));
        true
    }

    /// Moves jobs from the queue to the connection.
    fn write(&mut self, now: Duration) {
        while let Phase::Up(link) = &mut self.phase
            && link.has_room()
        {
            let mut jobs = Vec::new();
            let mut releases = link.releases();
            while jobs.len() < MAX_JOBS
                && let Some(job) = self.queue.next(releases < MAX_RELEASES_IN_FLIGHT)
            {
                match job {
                    Job::Call(call) if expired(&call, now) => {
                        call.reply.send(Answer::Refused(Reason::NotSent));
                    }
                    Job::Inspect(look) if !self.shared.settings.keeps_record() => {
                        let facts = inspect::facts(&link.server, GuardState::NotUsed);
                        answer_inspect(look, Ok(facts));
                    }
                    job => {
                        releases += usize::from(job.release().is_some());
                        jobs.push(job);
                    }
                }
            }
            if jobs.is_empty() {
                return;
            }
            // Read before the jobs are written: what they prove has passed by then.
            let standing = self.memory.standing(&self.shared);
            link.write(jobs, &self.shared, &standing, now);
        }
    }

    /// The connection is gone: what it did not answer is unknown, and its releases are sent again.
    fn lose(&mut self, reason: &Reason) {
        let until = self.shared.now();
        let Phase::Up(link) = mem::replace(&mut self.phase, Phase::Waiting { until }) else {
            return;
        };
        self.memory.earlier = Some(link.earlier());
        let (releases, others): (Vec<_>, Vec<_>) = link
            .abandon()
            .into_iter()
            .partition(|job| job.release().is_some());
        for job in releases.into_iter().rev() {
            self.queue.push_front(job);
        }
        for job in others {
            match job {
                Job::Call(call) => call.reply.send(Answer::Unknown(reason.clone())),
                job => self.refuse(job, reason.clone()),
            }
        }
        tracing::info!(node = %self.shared.name, reason = %reason, "disconnected");
        if self.memory.failures > 0 {
            self.go_down(reason.clone());
        } else {
            // The first reconnection is immediate; calls wait for it.
            self.memory.failures = 1;
        }
    }

    /// Answers queued calls whose deadline has passed.
    fn expire(&mut self, now: Duration) {
        while let Some(job) = self.queue.take_expired(now) {
            let reason = if job.release().is_some() {
                Reason::Expired
            } else {
                Reason::NotSent
            };
            self.refuse(job, reason);
        }
    }

    fn is_finished(&self) -> bool {
        self.closed
            && self.queue.releases() == 0
            && match &self.phase {
                Phase::Up(link) => link.is_quiet() && self.queue.is_empty(),
                _ => true,
            }
    }

    fn next_deadline(&mut self) -> Option<Duration> {
        let limits = &self.shared.limits;
        let phase = match &self.phase {
            Phase::Waiting { until } => Some(*until),
            Phase::Connecting { since, .. } => Some(since.saturating_add(limits.connect_timeout)),
            Phase::Up(link) => {
                let stalled = link
                    .oldest()
                    .map(|at| at.saturating_add(limits.stall_timeout));
                stalled.into_iter().chain(self.look_due()).min()
            }
        };
        match (phase, self.queue.next_deadline()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Returns whether a deadline has passed; otherwise makes sure of a wake-up when one does. An
    /// alarm that is set too early is left as it is: with steady traffic the deadline moves on with
    /// every answer, and one timer per deadline is enough.
    fn poll_alarm(&mut self, cx: &mut Context<'_>, now: Duration) -> bool {
        let Some(wanted) = self.next_deadline() else {
            return false;
        };
        if wanted <= now {
            return true;
        }
        if self.alarm.as_ref().is_none_or(|(set, _)| *set > wanted) {
            let delay = (wanted - now).max(Duration::from_millis(1));
            self.alarm = Some((wanted, self.shared.runtime.sleep(delay)));
        }
        let fired = match &mut self.alarm {
            Some((_, sleep)) => sleep.as_mut().poll(cx).is_ready(),
            None => false,
        };
        if fired {
            self.alarm = None;
        }
        fired
    }
}

impl Future for Actor {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let more = this.receive(cx);
            let now = this.shared.now();
            let moved = this.step(cx, now);
            this.expire(now);
            if this.is_finished() {
                for job in this.queue.take_others() {
                    this.refuse(job, Reason::NotSent);
                }
                return Poll::Ready(());
            }
            if !more && !moved && !this.poll_alarm(cx, now) {
                return Poll::Pending;
            }
        }
    }
}

/// The task's runtime may end before the node does: the next task goes on from what this one knew.
impl Drop for Actor {
    fn drop(&mut self) {
        if let Phase::Up(link) = &self.phase {
            self.memory.earlier = Some(link.earlier());
        }
        self.shared.keep_memory(mem::take(&mut self.memory));
    }
}

fn expired(call: &Call, now: Duration) -> bool {
    matches!(call.request.verb, Verb::Acquire { expires, .. } if now > expires)
}

pub(super) fn answer_inspect(look: Inspect, result: Result<crate::node::NodeFacts, Reason>) {
    // Whoever asked may have gone away.
    let _ = look.to.send(result);
}
