//! What was acquired.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{LocalBoxFuture, select},
};
use redlock::Runtime;
use tokio::sync::Notify;

use super::{commands::Entry, master::Servers, settings::SingleRule};
use crate::{
    clock::ClockName,
    contender::{Attempt, Held, Refusal},
    history::Ends,
};

/// A key that its holder thinks it has, until a TTL after the reply.
#[derive(Debug)]
pub(super) struct SingleLease(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Arc<dyn Runtime>,
    servers: Arc<Servers>,
    entry: Entry,
    /// The server that gave the key.
    host: String,
    ttl: Duration,
    belief: Mutex<Belief>,
    ended: Notify,
}

/// What the holder knows. Times on CLOCK_MONOTONIC.
#[derive(Debug)]
struct Belief {
    /// The last reply that gave the key a TTL.
    since: Duration,
    /// That TTL.
    left: Duration,
    over: bool,
    renewing: bool,
}

impl Belief {
    const fn deadline(&self) -> Duration {
        self.since.saturating_add(self.left)
    }
}

impl SingleLease {
    /// A lease of which the reply is just here.
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        servers: Arc<Servers>,
        entry: Entry,
        host: String,
        ttl: Duration,
    ) -> Self {
        let belief = Belief {
            since: runtime.monotonic(),
            left: ttl,
            over: false,
            renewing: false,
        };
        Self(Arc::new(Inner {
            runtime,
            servers,
            entry,
            host,
            ttl,
            belief: Mutex::new(belief),
            ended: Notify::new(),
        }))
    }
}

impl Inner {
    fn belief(&self) -> MutexGuard<'_, Belief> {
        self.belief.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the holder may go on believing; `None` when it is over, which it then stays.
    fn left(&self) -> Option<Duration> {
        let now = self.runtime.monotonic();
        let mut belief = self.belief();
        if now >= belief.deadline() {
            belief.over = true;
        }
        (!belief.over).then(|| belief.deadline().saturating_sub(now))
    }

    fn end(&self) {
        self.belief().over = true;
        self.ended.notify_waiters();
    }

    async fn lost(&self) {
        loop {
            let ended = self.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            let Some(left) = self.left() else { return };
            select(ended, self.runtime.sleep(left)).await;
        }
    }

    async fn extend(&self, ttl: Duration) -> Result<(), Refusal> {
        if self.left().is_none() {
            return Err(Refusal::Fail("the lease is over".to_owned()));
        }
        let there = self.entry.prolong(&self.servers, ttl).await?;
        if !there {
            // Who compares knows now that it is not the owner. For the others it was a missing key, and they look no further.
            if self.entry.rule == SingleRule::OwnerChecked {
                self.end();
            }
            return Err(Refusal::Fail("the key is gone".to_owned()));
        }
        let now = self.runtime.monotonic();
        let mut belief = self.belief();
        if belief.over {
            return Err(Refusal::Fail("the lease was over by then".to_owned()));
        }
        (belief.since, belief.left) = (now, ttl);
        Ok(())
    }
}

/// Extends every third of the TTL until the lease is over, released or dropped.
async fn renew(lease: std::sync::Weak<Inner>, runtime: Arc<dyn Runtime>, every: Duration) {
    loop {
        runtime.sleep(every).await;
        let Some(lease) = lease.upgrade() else { return };
        if lease.left().is_none() {
            return;
        }
        // What goes wrong is tried again after the next third.
        let _ = lease.extend(lease.ttl).await;
    }
}

impl Held for SingleLease {
    fn owner(&self) -> Option<String> {
        let entry = &self.0.entry;
        entry.rule.has_owner_token().then(|| entry.value.clone())
    }

    fn fencing_token(&self) -> Option<u64> {
        None
    }

    fn ends(&self) -> Option<Ends> {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let belief = self.0.belief();
        (!belief.over).then(|| Ends {
            since_ns: vec![(ClockName::Monotonic, nanos(belief.since))],
            left_ns: nanos(belief.left),
        })
    }

    fn attempt(&self) -> Option<Attempt> {
        Some(Attempt {
            granted: vec![self.0.host.as_str().into()],
            published: false,
        })
    }

    fn is_valid(&self) -> bool {
        self.0.left().is_some()
    }

    fn lost(&self) -> LocalBoxFuture<'_, ()> {
        self.0.lost().boxed_local()
    }

    fn keep_renewed(&self) {
        let inner = &self.0;
        if std::mem::replace(&mut inner.belief().renewing, true) {
            return;
        }
        let watchdog = renew(Arc::downgrade(inner), inner.runtime.clone(), inner.ttl / 3);
        // Without anybody to run it the lease is not renewed, and ends.
        let _ = inner.runtime.spawn(watchdog.boxed());
    }

    fn extend(&self, ttl: Duration) -> LocalBoxFuture<'_, Result<(), Refusal>> {
        self.0.extend(ttl).boxed_local()
    }

    fn release(&self) -> LocalBoxFuture<'_, Result<(), Refusal>> {
        async move {
            self.0.end();
            // Sent also when the time is over: such code stands in a `finally`.
            if self.0.entry.give_back(&self.0.servers).await? {
                return Ok(());
            }
            Err(Refusal::Fail("the key was gone".to_owned()))
        }
        .boxed_local()
    }
}
