//! Acquiring.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::LocalBoxFuture};
use redlock::{Connector, Runtime};

use super::{
    commands::Entry,
    lease::SingleLease,
    master::Servers,
    server::{CallError, Seams, Server},
    settings::SingleSettings,
};
use crate::contender::{Contender, Held, Refusal};

/// Why a lock on one Redis cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SingleError {
    /// Not as many servers as the settings ask for.
    #[error("{expected} servers are needed, {found} are given")]
    Servers {
        /// How many the settings ask for.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A URL that is neither `redis://` nor `unix://`. It is not shown: it may hold a password.
    #[error("server {0} has no URL that can be used")]
    Url(usize),
    /// A duration of zero.
    #[error("{0} has to be above 0")]
    Zero(&'static str),
}

/// A lock on one Redis, or on a master and its replica, as one client process uses it.
#[derive(Debug)]
pub struct Single {
    runtime: Arc<dyn Runtime>,
    servers: Arc<Servers>,
    settings: SingleSettings,
    /// What rules without owner tokens write into keys.
    client: String,
}

/// 32 hexadecimal digits.
fn random(runtime: &dyn Runtime) -> String {
    let mut bytes = [0; 16];
    runtime.fill_random(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Single {
    /// A client on `runtime`, with connections from `connector`, of the server at the first of `urls`; with a replica, of
    /// the servers at both. Nothing is opened yet.
    ///
    /// # Errors
    ///
    /// [`SingleError`].
    pub fn new(
        runtime: Arc<dyn Runtime>,
        connector: Arc<dyn Connector>,
        urls: impl IntoIterator<Item = impl AsRef<str>>,
        settings: SingleSettings,
    ) -> Result<Self, SingleError> {
        let SingleSettings {
            ttl_ms,
            poll_ms,
            node_timeout_ms,
            ..
        } = settings;
        let named = [
            ("ttl_ms", ttl_ms),
            ("poll_ms", poll_ms),
            ("node_timeout_ms", node_timeout_ms),
        ];
        if let Some((name, _)) = named.into_iter().find(|(_, ms)| *ms == 0) {
            return Err(SingleError::Zero(name));
        }
        let seams = Seams {
            runtime: runtime.clone(),
            connector,
        };
        let mut servers = Vec::new();
        for (index, url) in urls.into_iter().enumerate() {
            let server = Server::new(url.as_ref(), seams.clone(), settings.node_timeout());
            servers.push(server.ok_or(SingleError::Url(index + 1))?);
        }
        let (expected, found) = (settings.servers(), servers.len());
        if expected != found {
            return Err(SingleError::Servers { expected, found });
        }
        Ok(Self {
            client: random(&*runtime),
            runtime,
            servers: Arc::new(Servers::new(servers)),
            settings,
        })
    }

    /// How it is configured.
    pub const fn settings(&self) -> &SingleSettings {
        &self.settings
    }

    fn entry(&self, resource: &str) -> Entry {
        let rule = self.settings.rule;
        Entry {
            rule,
            key: SingleSettings::key(resource),
            value: if rule.has_owner_token() {
                random(&*self.runtime)
            } else {
                self.client.clone()
            },
        }
    }

    /// Tries until it works or `within` is over. Whatever goes wrong with a server is tried again as well; what may have been
    /// done by a call that got no answer stays as it is, until its TTL is over if it has one.
    async fn take(&self, resource: &str, within: Duration) -> Result<SingleLease, Refusal> {
        let start = self.runtime.monotonic();
        let (entry, ttl) = (self.entry(resource), self.settings.ttl());
        self.servers.look_again();
        let mut doubt = None;
        // What this is for is tried without it as well.
        let _ = entry.arrive(&self.servers, ttl).await;
        let last = loop {
            let failed = match entry.take(&self.servers, ttl).await {
                Ok(Some(host)) => {
                    // The TTL counts from here, where the reply is.
                    let (runtime, servers) = (self.runtime.clone(), self.servers.clone());
                    return Ok(SingleLease::new(runtime, servers, entry, host, ttl));
                }
                Ok(None) => None,
                Err(error) => {
                    if let CallError::Unknown(why) = &error {
                        doubt = Some(why.clone());
                    }
                    Some(error)
                }
            };
            let waited = self.runtime.monotonic().saturating_sub(start);
            if waited.saturating_add(self.settings.poll()) > within {
                break failed;
            }
            self.runtime.sleep(self.settings.poll()).await;
        };
        Err(match (doubt, last) {
            (Some(why), _) => Refusal::Unknown(why),
            (None, Some(error)) => error.into(),
            (None, None) => Refusal::Fail(format!("somebody else holds {resource:?}")),
        })
    }
}

impl Contender for Single {
    fn deploy(&self) -> LocalBoxFuture<'_, Result<(), String>> {
        // A Redis is ready for such a lock as it is.
        async { Ok(()) }.boxed_local()
    }

    fn acquire<'a>(
        &'a self,
        resource: &'a str,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Held>, Refusal>> {
        async move {
            let lease = self.take(resource, within).await?;
            Ok(Box::new(lease) as Box<dyn Held>)
        }
        .boxed_local()
    }
}
