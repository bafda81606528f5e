//! What a node's task knows beyond one connection, and what it makes of answers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use redis::Value;

use super::{
    actor::answer_inspect,
    connect::{Earlier, Established, Past},
    inspect::{self, Inspected, Standing},
    link::{Answered, Link},
    node::Shared,
    queue::{Call, Job, Queue},
    reply::{
        Context, Quarantine, is_noscript, is_set_back, read_quarantine, read_reply, shape, words,
    },
};
use crate::{
    node::{GuardState, NodeFacts, Request, Verb},
    protocol::{
        Answer, Reason,
        quarantine::{Wait, look_after},
    },
};

/// What outlives a connection.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The connection before this one, until its successor has killed it on the server.
    pub(super) earlier: Option<Earlier>,
    /// Connections in a row that answered nothing.
    pub(super) failures: u32,
    /// Why the last attempt to connect failed, until one succeeds.
    pub(super) down: Option<Arc<Reason>>,
    identity: Option<Arc<str>>,
    /// When the node was last seen to have forgotten its keys, or to be another server.
    forgot: Option<Duration>,
    quarantined: bool,
    /// The quarantine that this client measures.
    wait: Wait<Arc<str>>,
    /// When the quarantine is expected to be over.
    pub(super) look_at: Option<Duration>,
    /// Whether the node had a guard record when it was last heard of.
    known: bool,
    /// Per stripe, the highest counter that the node has answered or confirmed since it was last
    /// quarantined. One entry per stripe in use.
    seen: BTreeMap<u32, u64>,
    warned_of_kill: bool,
}

/// What answers lead to, apart from being handed out.
#[derive(Default)]
pub(super) struct Again {
    /// Jobs to write next, before everything that is queued.
    pub(super) jobs: Vec<Job>,
    /// Why the connection cannot be used any more.
    pub(super) reconnect: Option<Arc<str>>,
}

impl Memory {
    /// A connection stands.
    pub(super) fn connected(
        &mut self,
        shared: &Shared,
        established: &mut Established,
        now: Duration,
    ) {
        let server = &established.server;
        self.earlier = None;
        self.down = None;
        let changed = self
            .identity
            .as_ref()
            .is_some_and(|identity| *identity != server.identity);
        if changed {
            self.forgot = Some(now);
            self.seen.clear();
        }
        self.identity = Some(Arc::clone(&server.identity));
        tracing::info!(
            node = %shared.name, version = %server.version, identity = %server.identity, changed,
            "connected",
        );
        if let Some(text) = established.kill_forbidden.take()
            && !std::mem::replace(&mut self.warned_of_kill, true)
        {
            tracing::warn!(
                node = %shared.name, error = %text,
                "CLIENT KILL is not possible: a lock call on a broken connection may be executed \
                 after its release, and its key then lives for its TTL",
            );
        }
        if let Some(quarantine) = established.quarantine.take() {
            self.hear(shared, &quarantine);
        }
    }

    /// The node is quarantined. Returns how long until it votes again, as far as this client knows.
    fn hear(&mut self, shared: &Shared, quarantine: &Quarantine) -> Duration {
        // Read after the answer arrived: a later start of the measurement is the safe side.
        let now = shared.runtime.read_clocks();
        let Quarantine {
            left,
            nonce,
            length,
        } = quarantine;
        self.known = true;
        self.forgot = Some(shared.now());
        // What it forgot proves nothing twice.
        self.seen.clear();
        self.wait.hear(Arc::clone(nonce), *length, now);
        let remaining = self.wait.left(&now, &shared.drift).unwrap_or_default();
        let remaining = remaining.max(*left);
        // By then an idle client finds the node admitted, and clients that come later do.
        let after = look_after(remaining, shared.settings.max_ttl);
        let look_at = shared.now().saturating_add(after);
        // Whoever asks again and again does not put it off.
        self.look_at = Some(self.look_at.map_or(look_at, |due| due.min(look_at)));
        if !std::mem::replace(&mut self.quarantined, true) {
            tracing::info!(
                node = %shared.name, remaining_ms = remaining.as_millis(), "quarantined",
            );
        }
        remaining
    }

    /// The node votes.
    fn votes(&mut self, shared: &Shared) {
        self.known = true;
        self.wait.forget();
        self.look_at = None;
        if std::mem::take(&mut self.quarantined) {
            tracing::info!(node = %shared.name, "votes again");
        }
    }

    /// What calls that are written now say about the node's quarantine.
    pub(super) fn standing(&self, shared: &Shared) -> Standing<'_> {
        let proof = if self.wait.is_over() {
            None
        } else {
            let now = shared.runtime.read_clocks();
            self.wait.proof(&now, &shared.drift)
        };
        Standing {
            proof: proof.map_or("", |nonce| &**nonce),
            known: self.known,
            seen: &self.seen,
        }
    }

    /// What the next connection should know.
    pub(super) fn past(&self) -> Past {
        Past {
            earlier: self.earlier.clone(),
            known: self.known,
        }
    }

    /// Reads the replies to a look that nobody asked for.
    fn look(&mut self, shared: &Shared, link: &Link, value: &Value, again: &mut Again) {
        let Value::Array(replies) = value else {
            return;
        };
        // A refusal is repeated, in full, to the connection that comes next.
        let [replication, memory, watched @ ..] = replies.as_slice() else {
            return;
        };
        if let Err(change) = inspect::check_look(shared, &link.server, replication, memory) {
            again.reconnect = Some(change.to_string().into());
        }
        let Some(reply) = watched.first() else {
            return;
        };
        if let Some(quarantine) = read_quarantine(reply) {
            self.hear(shared, &quarantine);
        }
        match words(reply) {
            Some(("admitted", [])) => self.votes(shared),
            Some(("stale", [])) => {
                again.reconnect = Some(Reason::IdentityChanged.to_string().into());
            }
            _ => {}
        }
    }

    fn inspected(&mut self, shared: &Shared, inspected: Inspected) -> NodeFacts {
        let Inspected {
            mut facts,
            quarantine,
        } = inspected;
        if let Some(quarantine) = quarantine {
            let remaining = self.hear(shared, &quarantine);
            facts.guard = GuardState::Quarantined { remaining };
        }
        if facts.guard == GuardState::Admitted {
            self.known = true;
        }
        facts
    }

    /// An attempt to connect failed, or connections break without answering. Returns how long to
    /// wait.
    pub(super) fn failed(&mut self, shared: &Shared, reason: Reason) -> Duration {
        if self.down.as_deref() != Some(&reason) {
            tracing::info!(node = %shared.name, reason = %reason, "down");
        }
        self.down = Some(Arc::new(reason));
        self.failures = self.failures.saturating_add(1);
        let limits = &shared.limits;
        let doubled = 1_u32 << (self.failures - 1).min(16);
        let most = limits
            .backoff_base
            .saturating_mul(doubled)
            .min(limits.backoff_cap);
        let mut random = [0; 4];
        shared.runtime.fill_random(&mut random);
        // Somewhere in the upper half, so that clients do not come back all at once.
        most / 2 + (most / 2).mul_f64(f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX))
    }

    /// Whether a key that is gone was lost by the server it was granted by.
    ///
    /// A lease that lives on is extended at least once per `max_ttl`, so a node that forgot its keys
    /// longer ago than that was told of at the first extension after it.
    fn same_identity(&self, shared: &Shared) -> bool {
        let max_ttl = shared.settings.max_ttl;
        self.forgot
            .is_none_or(|at| shared.now().saturating_sub(at) >= max_ttl)
    }

    /// Hands out the answers of one batch.
    pub(super) fn deliver(
        &mut self,
        shared: &Shared,
        link: &Link,
        queue: &Queue,
        answered: Vec<Answered>,
        again: &mut Again,
    ) {
        let is_missing = |(_, value): &Answered| value.as_ref().is_some_and(is_noscript);
        let released: Vec<_> = if answered.iter().any(is_missing) {
            let owners = answered.iter().filter_map(|(job, _)| job.release());
            owners.map(|(owner, _)| owner).collect()
        } else {
            Vec::new()
        };
        for (job, value) in answered {
            let value = value.unwrap_or(Value::Nil);
            match job {
                Job::Load => {}
                Job::Inspect(look) => {
                    let inspected = inspect::read(shared, &link.server, &value);
                    if matches!(inspected, Err(Reason::IdentityChanged)) {
                        again.reconnect = Some("the server behind it changed".into());
                    }
                    let facts = inspected.map(|inspected| self.inspected(shared, inspected));
                    answer_inspect(look, facts);
                }
                Job::Look => self.look(shared, link, &value, again),
                Job::Call(mut call) if is_noscript(&value) && !call.whole => {
                    let owner = call.request.owner;
                    let is_released = || {
                        released.contains(&owner)
                            || link.has_release_of(&owner)
                            || queue.has_release_of(&owner)
                    };
                    if let Verb::Acquire { expires, .. } = call.request.verb
                        && (shared.now() > expires || is_released())
                    {
                        // Resent now, it would be executed after the release.
                        let text = "NOSCRIPT after the decision".into();
                        call.reply.send(Answer::Refused(Reason::Server(text)));
                        continue;
                    }
                    call.whole = true;
                    again.jobs.push(Job::Call(call));
                }
                Job::Call(call) => {
                    let answer = self.answer(shared, &call, &value, again);
                    call.reply.send(answer);
                }
            }
        }
    }

    fn answer(&mut self, shared: &Shared, call: &Call, value: &Value, again: &mut Again) -> Answer {
        let context = Context {
            settings: &shared.settings,
            same_identity: self.same_identity(shared),
        };
        let mut answer = read_reply(&call.request.verb, &context, value);
        match &mut answer {
            Answer::Granted { .. } | Answer::Contended { .. } => self.votes(shared),
            Answer::Quarantined { remaining } => {
                if is_set_back(value) {
                    tracing::warn!(
                        node = %shared.name,
                        "a fencing counter fell: the node's memory was set back, so it is quarantined",
                    );
                }
                if let Some(quarantine) = read_quarantine(value) {
                    *remaining = self.hear(shared, &quarantine);
                }
            }
            Answer::Refused(Reason::IdentityChanged) => {
                again.reconnect = Some("the server behind it changed".into());
            }
            // A replica that becomes a master again has another replication id.
            Answer::Refused(Reason::Replica) => {
                again.reconnect = Some("the server became a replica".into());
            }
            Answer::Refused(reason @ Reason::ForeignKey(_)) => {
                tracing::warn!(node = %shared.name, resource = %call.request.lock, "{reason}");
            }
            Answer::Unknown(reason @ Reason::Unreadable(_)) => {
                tracing::warn!(node = %shared.name, reply = %shape(value), "{reason}");
            }
            _ => {}
        }
        self.see_counter(&call.request, &answer);
        answer
    }

    /// The node's counter is at least this from now on, or its memory went back. Calls are executed and
    /// answered in order, so what is written later meets a counter that is no lower.
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
}
