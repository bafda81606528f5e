//! One client's connection to one server: an ordered stream of calls, and of replies back.
//!
//! A call waits in `queue` until it is written, travels in `wire`, is executed, and its answer comes
//! back through `replies`. When the connection breaks, what was written is unknown, except releases:
//! those are written again, because they may be executed any number of times.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use futures::future::select;
use tokio::sync::Notify;

use super::{
    faults::Scripted,
    guard::Quarantine,
    lock,
    log::{Executed, VerbKind},
    server::{ServerState, Shared},
    store::{Caller, Store, Told},
};
use crate::{
    node::{Reply, Request, Verb},
    protocol::{
        Answer, Drift, OwnerToken, Reason,
        quarantine::{Wait, look_after},
    },
    runtime::Runtime,
    settings::Settings,
};

pub(super) struct Link {
    pub(super) server: Arc<Shared>,
    pub(super) settings: Arc<Settings>,
    pub(super) runtime: Arc<dyn Runtime>,
    drift: Drift,
    wake: Notify,
    state: Mutex<LinkState>,
}

#[derive(Default)]
struct LinkState {
    queue: VecDeque<Call>,
    wire: VecDeque<Timed<Call>>,
    replies: VecDeque<Timed<(Call, Told)>>,
    /// Executed, and the reply was lost on its way.
    unanswered: Vec<Call>,
    /// Whether a task serves this link.
    served: bool,
    /// The server's epoch at the time of connecting.
    connection: Option<u64>,
    /// Which identity of the server granted to which attempt.
    granted: BTreeMap<OwnerToken, u64>,
    /// The quarantine that this client measures.
    wait: Wait<u64>,
    /// When it is expected to be over, and the server is looked at although nobody acquires.
    look_at: Option<Duration>,
    /// Nobody has a handle any more.
    closed: bool,
    /// Whether the server had a guard record when it last answered.
    known: bool,
    /// Per stripe, the highest counter that the server has reached since it was last quarantined.
    seen: BTreeMap<u32, u64>,
}

struct Call {
    request: Request,
    reply: Reply,
    /// When it was written.
    written: Duration,
    /// The quarantine that had been measured to its end by then.
    proof: Option<u64>,
    /// The counter of its stripe that had been reached by then.
    seen: u64,
    /// Answered out of the script: not what the server holds.
    scripted: bool,
}

/// Something under way that arrives at `due`, on the client's monotonic clock.
struct Timed<T> {
    due: Duration,
    item: T,
}

/// What one look at the link came to.
#[derive(Default)]
struct Pass {
    answers: Vec<(Reply, Answer)>,
    next: Option<Duration>,
    idle: bool,
}

pub(super) fn refused() -> Reason {
    Reason::Connect("connection refused".into())
}

impl Link {
    pub(super) fn new(
        server: Arc<Shared>,
        settings: Arc<Settings>,
        runtime: Arc<dyn Runtime>,
        drift: Drift,
    ) -> Self {
        Self {
            server,
            settings,
            runtime,
            drift,
            wake: Notify::new(),
            state: Mutex::default(),
        }
    }

    /// Moves everything that can move now.
    fn pass(&self) -> Pass {
        let now = self.runtime.monotonic();
        let clocks = self.runtime.read_clocks();
        let mut server = lock(&self.server.state);
        let mut state = lock(&self.state);
        let mut pass = Pass::default();
        let follow_up = self.settings.max_ttl;
        if state.connection.is_some_and(|epoch| epoch != server.epoch)
            || state.waits_longer_than(follow_up, now)
        {
            state.break_off(&mut pass);
        }
        let looks = server.faults.answers();
        if server.faults.refusing {
            state.refuse(now, &mut pass);
        } else {
            state.connection = Some(server.epoch);
            let proof = state.wait.proof(&clocks, &self.drift).copied();
            state.write(now, server.faults.request_delay, proof, &mut pass);
            if server.faults.delivers() {
                state.execute(now, &mut server, &self.settings);
            }
            if looks && state.look_at.is_some_and(|at| now >= at) {
                self.look(&mut state, &mut server, proof);
            }
        }
        state.deliver(now, self, &mut pass);
        state.expire_releases(now, &mut pass);
        // A server that does not answer is looked at when it does again.
        let look_at = state.look_at.filter(|_| looks);
        let next = state.next_event(server.faults.delivers(), follow_up);
        let next = next.into_iter().chain(look_at).min();
        pass.next = next.map(|at| at.saturating_sub(now));
        pass.idle = state.is_idle() && look_at.is_none() && pass.answers.is_empty();
        // Under the same lock as the look at the queue: whoever submits next starts a new task.
        state.served = !pass.idle;
        pass
    }
}

/// What does not go through the queue.
impl Link {
    /// The connections broke, and this client's is made again at once.
    pub(super) fn greet(&self, store: &mut Store, now: u64) {
        let mut state = lock(&self.state);
        if let Some(quarantine) = store.watch(&self.settings, state.known, None, now) {
            state.hear(&quarantine, self);
        }
    }

    /// The server was looked at. Returns how long its quarantine lasts as far as this client knows.
    pub(super) fn hear(&self, quarantine: &Quarantine) -> Duration {
        lock(&self.state).hear(quarantine, self)
    }

    /// The quarantine should be over, and nobody came to acquire: the proof is given without that.
    fn look(&self, state: &mut LinkState, server: &mut ServerState, proof: Option<u64>) {
        state.look_at = None;
        let now = server.now();
        let store = &mut server.store;
        match store.watch(&self.settings, state.known, proof, now) {
            Some(quarantine) => {
                state.hear(&quarantine, self);
            }
            None => state.votes(),
        }
    }

    /// Nobody will submit any more, nor does anybody want to know whether the server votes.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.look_at = None;
        drop(state);
        self.wake.notify_one();
    }
}

impl LinkState {
    fn is_idle(&self) -> bool {
        self.queue.is_empty()
            && self.wire.is_empty()
            && self.replies.is_empty()
            && self.unanswered.is_empty()
    }

    /// Whether a call that is not a release is unanswered for `limit`: the connection is in doubt
    /// then and is given up.
    fn waits_longer_than(&self, limit: Duration, now: Duration) -> bool {
        self.in_doubt()
            .any(|call| !call.is_release() && now >= call.written.saturating_add(limit))
    }

    /// The calls that were written and whose reply is not under way.
    fn in_doubt(&self) -> impl Iterator<Item = &Call> {
        let written = self.wire.iter().map(|timed| &timed.item);
        self.unanswered.iter().chain(written)
    }

    /// The connection broke: releases go back to the queue in their order, all else is unknown.
    fn break_off(&mut self, pass: &mut Pass) {
        self.connection = None;
        let lost = self.unanswered.drain(..);
        let replying = self.replies.drain(..).map(|timed| timed.item.0);
        let written = self.wire.drain(..).map(|timed| timed.item);
        let mut again = VecDeque::new();
        for call in lost.chain(replying).chain(written) {
            if call.is_release() {
                again.push_back(call);
            } else {
                let broke = Reason::ConnectionLost("connection reset".into());
                pass.answers.push((call.reply, Answer::Unknown(broke)));
            }
        }
        again.append(&mut self.queue);
        self.queue = again;
    }

    /// Nothing listens: only releases wait.
    fn refuse(&mut self, now: Duration, pass: &mut Pass) {
        let mut kept = VecDeque::new();
        for call in std::mem::take(&mut self.queue) {
            if call.gives_up_at().is_some_and(|at| now < at) {
                kept.push_back(call);
            } else {
                let refusal = if call.is_release() {
                    Reason::Expired
                } else {
                    refused()
                };
                self.finish(call, Answer::Refused(refusal), pass);
            }
        }
        self.queue = kept;
    }

    /// Writes the queue to the connection.
    fn write(&mut self, now: Duration, delay: Duration, proof: Option<u64>, pass: &mut Pass) {
        for mut call in std::mem::take(&mut self.queue) {
            let refusal = match call.request.verb {
                Verb::Acquire { expires, .. } if now >= expires => Reason::NotSent,
                Verb::Release { give_up } if now >= give_up => Reason::Expired,
                _ => {
                    call.written = now;
                    call.proof = proof;
                    let seen = self.seen.get(&call.request.lock.stripe()).copied();
                    call.seen = seen.unwrap_or_default();
                    let last = self.wire.back().map_or(Duration::ZERO, |last| last.due);
                    let due = last.max(now.saturating_add(delay));
                    self.wire.push_back(Timed { due, item: call });
                    continue;
                }
            };
            self.finish(call, Answer::Refused(refusal), pass);
        }
    }

    /// Executes what has arrived at the server.
    fn execute(&mut self, now: Duration, server: &mut ServerState, settings: &Settings) {
        while let Some(mut call) = pop_due(&mut self.wire, now) {
            let scripted = server
                .faults
                .take_scripted(VerbKind::from(&call.request.verb));
            call.scripted = scripted.is_some();
            let (answer, quarantine) = self.answer(&call, scripted, server, settings);
            server.log.push(Executed {
                verb: VerbKind::from(&call.request.verb),
                resource: call.request.lock.resource().to_vec(),
                owner: call.request.owner,
                answer: answer.clone(),
            });
            if server.faults.losing {
                self.unanswered.push(call);
            } else {
                let last = self.replies.back().map_or(Duration::ZERO, |last| last.due);
                let due = last.max(now.saturating_add(server.faults.reply_delay));
                let item = (call, (answer, quarantine));
                self.replies.push_back(Timed { due, item });
            }
        }
    }

    fn answer(
        &mut self,
        call: &Call,
        scripted: Option<Scripted>,
        server: &mut ServerState,
        settings: &Settings,
    ) -> Told {
        let request = &call.request;
        if let Some(scripted) = &scripted
            && !scripted.applied
        {
            return (scripted.answer.clone(), None);
        }
        let identity = server.store.identity();
        let granted_by = self.granted.get(&request.owner);
        let caller = Caller {
            same_identity: granted_by.is_none_or(|granted_by| *granted_by == identity),
            proof: call.proof,
            seen: call.seen,
        };
        let now = server.now();
        let (answer, quarantine) = server.store.execute(request, settings, caller, now);
        if matches!(answer, Answer::Granted { .. }) {
            self.granted.insert(request.owner, identity);
        }
        match scripted {
            Some(scripted) => (scripted.answer, None),
            None => (answer, quarantine),
        }
    }

    /// Hands over the replies that have come back.
    fn deliver(&mut self, now: Duration, link: &Link, pass: &mut Pass) {
        while let Some((call, (mut answer, quarantine))) = pop_due(&mut self.replies, now) {
            if let Some(quarantine) = quarantine {
                let remaining = self.hear(&quarantine, link);
                answer = Answer::Quarantined { remaining };
            } else if matches!(answer, Answer::Granted { .. } | Answer::Contended { .. }) {
                self.votes();
            }
            if !call.scripted {
                self.see_counter(&call.request, &answer);
            }
            self.finish(call, answer, pass);
        }
    }

    /// The server votes.
    fn votes(&mut self) {
        self.known = true;
        self.wait.forget();
        self.look_at = None;
    }

    /// The server is quarantined. Returns how long until it votes again, as far as this client knows.
    fn hear(&mut self, quarantine: &Quarantine, link: &Link) -> Duration {
        let clocks = link.runtime.read_clocks();
        self.known = true;
        self.seen.clear();
        self.wait.hear(quarantine.nonce, quarantine.length, clocks);
        let measured = self.wait.left(&clocks, &link.drift).unwrap_or_default();
        let remaining = measured.max(quarantine.left);
        let after = look_after(remaining, link.settings.max_ttl);
        let look_at = link.runtime.monotonic().saturating_add(after);
        // Whoever asks again and again does not put it off.
        let look_at = self.look_at.map_or(look_at, |due| due.min(look_at));
        self.look_at = Some(look_at).filter(|_| !self.closed);
        remaining
    }

    /// The server's counter is at least this from now on, or its memory went back.
    fn see_counter(&mut self, request: &Request, answer: &Answer) {
        let reached = match (answer, request.verb) {
            (Answer::Granted { counter }, _) => *counter,
            (Answer::Confirmed, Verb::Publish { counter } | Verb::Extend { counter, .. }) => {
                counter
            }
            _ => return,
        };
        if reached > 0 {
            let seen = self.seen.entry(request.lock.stripe()).or_default();
            *seen = reached.max(*seen);
        }
    }

    /// Ends releases whose key has expired by itself.
    fn expire_releases(&mut self, now: Duration, pass: &mut Pass) {
        let over = |call: &Call| call.gives_up_at().is_some_and(|at| now >= at);
        let lost = std::mem::take(&mut self.unanswered);
        let (mut expired, lost): (Vec<_>, _) = lost.into_iter().partition(over);
        self.unanswered = lost;
        let wire = std::mem::take(&mut self.wire).into_iter();
        let (ended, wire): (VecDeque<_>, _) = wire.partition(|timed| over(&timed.item));
        self.wire = wire;
        expired.extend(ended.into_iter().map(|timed| timed.item));
        for call in expired {
            self.finish(call, Answer::Refused(Reason::Expired), pass);
        }
    }

    /// The call is answered; after a release nothing asks for its attempt any more.
    fn finish(&mut self, call: Call, answer: Answer, pass: &mut Pass) {
        if call.is_release() {
            self.granted.remove(&call.request.owner);
        }
        pass.answers.push((call.reply, answer));
    }

    /// When there is something to do again, if nothing else happens.
    fn next_event(&self, delivers: bool, follow_up: Duration) -> Option<Duration> {
        let arrival = self.wire.front().filter(|_| delivers).map(|call| call.due);
        let reply = self.replies.front().map(|reply| reply.due);
        let doubts = self.in_doubt().map(|call| {
            call.gives_up_at()
                .unwrap_or_else(|| call.written.saturating_add(follow_up))
        });
        let waiting = self.queue.iter().filter_map(Call::gives_up_at);
        let events = doubts.chain(waiting).chain(arrival).chain(reply);
        events.min()
    }
}

/// The next thing that has arrived.
fn pop_due<T>(under_way: &mut VecDeque<Timed<T>>, now: Duration) -> Option<T> {
    if under_way.front()?.due > now {
        return None;
    }
    under_way.pop_front().map(|timed| timed.item)
}

impl Call {
    const fn is_release(&self) -> bool {
        self.gives_up_at().is_some()
    }

    const fn gives_up_at(&self) -> Option<Duration> {
        match self.request.verb {
            Verb::Release { give_up } => Some(give_up),
            _ => None,
        }
    }
}

/// Queues one call and sees to it that a task serves the link. Answers nothing by itself, because the
/// caller is in the middle of its own work.
///
/// Where no runtime is there to run the task, the call waits for the next one that is.
pub(super) fn submit(link: &Arc<Link>, request: Request, reply: Reply) {
    let mut state = lock(&link.state);
    state.queue.push_back(Call {
        request,
        reply,
        written: Duration::ZERO,
        proof: None,
        seen: 0,
        scripted: false,
    });
    attend(link, state);
}

/// Sees to it that a task serves a link whose server has changed.
pub(super) fn wake(link: &Arc<Link>) {
    let state = lock(&link.state);
    if state.served || state.look_at.is_some() {
        attend(link, state);
    }
}

fn attend(link: &Arc<Link>, mut state: MutexGuard<'_, LinkState>) {
    let start = !state.served;
    state.served = true;
    drop(state);
    if start {
        let service = Service {
            link: Arc::clone(link),
            progress: Progress::Spawned,
        };
        // Without a runtime the service is dropped, and with it the claim to be serving.
        let _ = link.runtime.spawn(Box::pin(service.run()));
    } else {
        link.wake.notify_one();
    }
}

/// The task that serves a link while there is anything to do.
struct Service {
    link: Arc<Link>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Spawned,
    Running,
    /// Nothing was left to do; another task may be serving by now.
    Done,
}

impl Service {
    async fn run(mut self) {
        self.progress = Progress::Running;
        loop {
            let pass = self.link.pass();
            if pass.idle {
                self.progress = Progress::Done;
                return;
            }
            for (reply, answer) in pass.answers {
                reply.send(answer);
            }
            if let Some(next) = pass.next {
                let changed = pin!(self.link.wake.notified());
                select(changed, self.link.runtime.sleep(next)).await;
            }
        }
    }
}

/// The runtime died under the task: what was under way is anybody's guess, and releases wait for the
/// next task.
impl Drop for Service {
    fn drop(&mut self) {
        if self.progress == Progress::Done {
            return;
        }
        let mut pass = Pass::default();
        let mut others = VecDeque::new();
        let mut state = lock(&self.link.state);
        state.served = false;
        // A task that never ran was dropped by its spawner, within `submit`: nothing is answered there.
        if self.progress == Progress::Running {
            state.break_off(&mut pass);
            let queue = std::mem::take(&mut state.queue).into_iter();
            (state.queue, others) = queue.partition(Call::is_release);
        }
        drop(state);
        for (reply, answer) in pass.answers {
            reply.send(answer);
        }
        // Their replies say so as they are dropped.
        drop(others);
    }
}
