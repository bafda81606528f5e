//! A client's view of one server: the [`Node`] that its calls go through.

use std::{fmt, sync::Arc};

use super::{
    link::{self, Link, refused},
    lock,
    server::{MemoryServer, Shared},
};
use crate::{
    node::{GuardState, Inspection, Node, NodeFacts, Reply, Request},
    preflight::{ClockOffset, Persistence, Probe},
    protocol::{Drift, Reason},
    runtime::{BoxFuture, Runtime},
    settings::Settings,
};

pub(super) struct MemoryNode {
    link: Arc<Link>,
}

impl MemoryNode {
    pub(super) fn new(
        server: &MemoryServer,
        settings: &Arc<Settings>,
        runtime: &Arc<dyn Runtime>,
        drift: Drift,
    ) -> Self {
        let shared = Arc::clone(&server.shared);
        let link = Arc::new(Link::new(
            shared,
            Arc::clone(settings),
            Arc::clone(runtime),
            drift,
        ));
        lock(&server.shared.state).connect(&link);
        Self { link }
    }
}

impl Node for MemoryNode {
    fn name(&self) -> &str {
        &self.link.server.name
    }

    fn submit(&self, request: Request, reply: Reply) {
        link::submit(&self.link, request, reply);
    }

    fn inspect(&self, inspection: Inspection) -> BoxFuture<'static, Result<NodeFacts, Reason>> {
        let link = Arc::clone(&self.link);
        Box::pin(async move {
            let mut changes = link.server.changed.subscribe();
            loop {
                match try_inspect(&link, inspection) {
                    Attempt::Done(facts) => {
                        link::wake(&link);
                        return facts;
                    }
                    Attempt::Undelivered => {}
                }
                if changes.changed().await.is_err() {
                    return Err(Reason::NoRuntime);
                }
            }
        })
    }

    fn probe(&self) -> BoxFuture<'static, Result<Probe, Reason>> {
        let link = Arc::clone(&self.link);
        let reachable = self.inspect(Inspection::Look);
        Box::pin(async move {
            reachable.await?;
            Ok(describe(&link))
        })
    }
}

fn describe(link: &Link) -> Probe {
    let state = lock(&link.server.state);
    let identity = identity(&link.server, state.store.identity());
    Probe {
        version: Some("memory".into()),
        run_id: identity.split(':').next().map(str::to_owned),
        role: Some("master".into()),
        replicas: Some(0),
        eviction_policy: Some("noeviction".into()),
        persistence: Some(Persistence::None),
        clock: Some(ClockOffset::between(
            state.now(),
            link.runtime.wall_micros(),
        )),
        ..Probe::default()
    }
}

enum Attempt {
    Done(Result<NodeFacts, Reason>),
    Undelivered,
}

fn try_inspect(link: &Link, inspection: Inspection) -> Attempt {
    let mut state = lock(&link.server.state);
    if state.faults.refusing {
        return Attempt::Done(Err(refused()));
    }
    if !state.faults.delivers() {
        return Attempt::Undelivered;
    }
    let now = state.now();
    let found = state.store.inspect(inspection, &link.settings, now);
    let identity = identity(&link.server, state.store.identity());
    Attempt::Done(found.map(|(mut guard, quarantine)| {
        if let Some(quarantine) = quarantine {
            let remaining = link.hear(&quarantine);
            guard = GuardState::Quarantined { remaining };
        }
        NodeFacts::new("memory".into(), identity, guard)
    }))
}

/// Shaped like `run_id:master_replid`.
fn identity(server: &Shared, run: u64) -> String {
    let run_id = format!("{:020x}{run:020x}", server.index);
    format!("{run_id}:{run_id}")
}

impl Drop for MemoryNode {
    fn drop(&mut self) {
        self.link.close();
    }
}

impl fmt::Debug for MemoryNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryNode")
            .field("name", &self.link.server.name)
            .finish_non_exhaustive()
    }
}
