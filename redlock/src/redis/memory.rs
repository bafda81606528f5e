//! What a node's task knows beyond one connection, and what it makes of answers.

use std::{sync::Arc, time::Duration};

use redis::Value;

use super::{
    actor::answer_inspect,
    connect::Earlier,
    info::ServerInfo,
    inspect,
    link::{Answered, Link},
    node::Shared,
    queue::{Call, Job, Queue},
    reply::{Context, is_noscript, read_reply, shape},
};
use crate::{
    node::Verb,
    protocol::{Answer, Reason},
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
        server: &ServerInfo,
        kill_forbidden: Option<Arc<str>>,
        now: Duration,
    ) {
        self.earlier = None;
        self.down = None;
        let changed = self
            .identity
            .as_ref()
            .is_some_and(|identity| *identity != server.identity);
        if changed {
            self.forgot = Some(now);
        }
        self.identity = Some(Arc::clone(&server.identity));
        tracing::info!(
            node = %shared.name, version = %server.version, identity = %server.identity, changed,
            "connected",
        );
        if let Some(text) = kill_forbidden
            && !std::mem::replace(&mut self.warned_of_kill, true)
        {
            tracing::warn!(
                node = %shared.name, error = %text,
                "CLIENT KILL is not possible: a lock call on a broken connection may be executed \
                 after its release, and its key then lives for its TTL",
            );
        }
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
        let released: Vec<_> = answered
            .iter()
            .filter_map(|(job, _)| job.release().map(|(owner, _)| owner))
            .collect();
        for (job, value) in answered {
            let value = value.unwrap_or(Value::Nil);
            match job {
                Job::Load => {}
                Job::Inspect(look) => {
                    let facts = inspect::read(shared, &link.server, &value);
                    if facts == Err(Reason::IdentityChanged) {
                        again.reconnect = Some("the server behind it changed".into());
                    }
                    answer_inspect(look, facts);
                }
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
                Job::Call(call) => self.answer(shared, call, &value, again),
            }
        }
    }

    fn answer(&mut self, shared: &Shared, call: Call, value: &Value, again: &mut Again) {
        let context = Context {
            settings: &shared.settings,
            same_identity: self.same_identity(shared),
        };
        let answer = read_reply(&call.request.verb, &context, value);
        match &answer {
            Answer::Granted { .. } if std::mem::take(&mut self.quarantined) => {
                tracing::info!(node = %shared.name, "votes again");
            }
            Answer::Quarantined { remaining } => {
                self.forgot = Some(shared.now());
                if !std::mem::replace(&mut self.quarantined, true) {
                    tracing::info!(
                        node = %shared.name, remaining_ms = remaining.as_millis(), "quarantined",
                    );
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
        call.reply.send(answer);
    }
}
