//! The clients that are under test: the shipped one, and the ones with a planted mistake.
//!
//! The first two mistakes are made outside of the library, which cannot be configured into either; the third is a switch
//! that it has, thrown where its manual says that it must not be.

use std::{sync::Arc, time::Duration};

use redlock::{
    Answer, BoxFuture, Drift, Node, NodeFacts, Reason, Redlock, Runtime, Settings, SystemConnector,
    node::{Inspection, Reply, Request, Verb},
    redis::{Limits, NodeConfig, RedisNode, UrlError, parse_url},
};

use super::{
    error::Error,
    options::{MAX_TTL, Plant, TTL},
};

/// The client of the worker at this position. Everything is the default but the TTLs, and the
/// back-off, which is shorter so that a free resource is soon found.
pub(super) fn client(
    nodes: &[String],
    position: usize,
    plant: Option<Plant>,
) -> Result<Redlock, Error> {
    let builder = Redlock::builder()
        .ttl(TTL)
        .max_ttl(MAX_TTL)
        .backoff(Duration::from_millis(5), Duration::from_millis(60));
    let builder = match plant {
        None => builder.nodes(nodes),
        // A cluster of one node, on the same keys as everybody else's: any node's grant is enough.
        Some(Plant::QuorumOfOne) => builder.nodes(nodes.get(position % nodes.len())),
        Some(Plant::NoRestartGuard) => builder.nodes(nodes).restart_guard(false),
        Some(Plant::GrantWithoutAsking) => {
            let mut builder = builder;
            for (index, url) in nodes.iter().enumerate() {
                let (address, credentials) = parse_url(url).map_err(unusable)?;
                builder = builder.node(
                    move |settings: &Arc<Settings>, runtime: &Arc<dyn Runtime>, drift: Drift| {
                        let inner = RedisNode::new(NodeConfig {
                            address: address.clone(),
                            credentials: credentials.clone(),
                            settings: settings.clone(),
                            runtime: runtime.clone(),
                            connector: Arc::new(SystemConnector),
                            limits: Limits::default(),
                            directory: Arc::default(),
                            index,
                            drift,
                        });
                        Arc::new(Yes(inner)) as Arc<dyn Node>
                    },
                );
            }
            builder
        }
    };
    builder
        .build()
        .map_err(|error| Error::Client(error.to_string()))
}

/// The clients that admit the nodes, together all of them.
pub(super) fn admitting(nodes: &[String], plant: Option<Plant>) -> Result<Vec<Redlock>, Error> {
    let count = match plant {
        Some(Plant::QuorumOfOne) => nodes.len(),
        Some(Plant::GrantWithoutAsking | Plant::NoRestartGuard) | None => 1,
    };
    (0..count)
        .map(|position| client(nodes, position, plant))
        .collect()
}

fn unusable(error: UrlError) -> Error {
    Error::Client(error.to_string())
}

/// A node that grants whatever it is asked, and does not ask its server.
#[derive(Debug)]
struct Yes(RedisNode);

impl Node for Yes {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn submit(&self, request: Request, reply: Reply) {
        match request.verb {
            Verb::Acquire { proposal, .. } => reply.send(Answer::Granted { counter: proposal }),
            _ => self.0.submit(request, reply),
        }
    }

    fn inspect(&self, inspection: Inspection) -> BoxFuture<'static, Result<NodeFacts, Reason>> {
        self.0.inspect(inspection)
    }
}
