//! Redlock: the shipped client.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::LocalBoxFuture};
use redlock::{
    AcquireError, AdmitError, Answer, Connector, Drift, ExtendError, Lease, Redlock as Client,
    Runtime, protocol::Reading,
};
use serde::{Deserialize, Serialize};

use super::{Attempt, Contender, Held, Refusal, instant::InstantOnly};
use crate::{
    clock::ClockName,
    history::{Ends, HostName},
    host::Place,
    node,
};

/// How the client is configured; what is missing here has the client's own defaults. Durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedlockSettings {
    /// TTL of leases.
    pub ttl_ms: u64,
    /// The largest TTL; quarantines last as long.
    pub max_ttl_ms: u64,
    /// How many nodes must grant; a majority if `None`.
    pub quorum: Option<usize>,
    /// After this a node's answer no longer counts for a decision.
    pub node_timeout_ms: u64,
    /// TCP and the handshake.
    pub connect_timeout_ms: u64,
    /// Rate error that is allowed for on both sides, in parts per million; `None` is the customary 1% + 2 ms.
    pub rate_error_ppm: Option<u32>,
    /// Leases are measured by CLOCK_MONOTONIC alone, as with `Instant`, which stands still while the machine sleeps; not how the
    /// client is, but how others are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub instant_clock: bool,
    /// Steps of node clocks that are allowed for, in microseconds; only with `rate_error_ppm`.
    pub node_step_us: u64,
    /// Steps back of all of the client's clocks that are allowed for, in microseconds; only with `rate_error_ppm`.
    pub client_step_us: u64,
    /// How late a holder may act after it looked at its lease, in milliseconds, where the store does not fence: an assumption, of
    /// which the client knows nothing. Any delay if `None`.
    pub effect_delay_ms: Option<u64>,
    /// Fencing tokens.
    pub fencing: bool,
    /// The restart guard.
    pub restart_guard: bool,
    /// Identity read by every acquisition.
    pub strict_identity: bool,
    /// Back-off between attempts: the first, and the most.
    pub backoff_ms: (u64, u64),
}

impl Default for RedlockSettings {
    fn default() -> Self {
        Self {
            ttl_ms: 2_000,
            max_ttl_ms: 2_000,
            quorum: None,
            node_timeout_ms: 50,
            connect_timeout_ms: 1_000,
            rate_error_ppm: None,
            instant_clock: false,
            node_step_us: 0,
            client_step_us: 0,
            effect_delay_ms: None,
            fencing: true,
            restart_guard: true,
            strict_identity: false,
            backoff_ms: (20, 500),
        }
    }
}

impl RedlockSettings {
    /// The TTL of leases.
    pub const fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    /// The longest TTL that nodes accept.
    pub const fn max_ttl(&self) -> Duration {
        Duration::from_millis(self.max_ttl_ms)
    }

    /// How late a holder may act.
    pub fn effect_delay(&self) -> Option<Duration> {
        self.effect_delay_ms.map(Duration::from_millis)
    }

    /// The allowance for clocks that these settings ask for.
    pub fn drift(&self) -> Drift {
        self.rate_error_ppm.map_or(Drift::CUSTOMARY, |ppm| Drift {
            client_rate: redlock::Ppm(ppm),
            node_rate: redlock::Ppm(ppm),
            node_step: Duration::from_micros(self.node_step_us),
            client_step: Duration::from_micros(self.client_step_us),
            ..Drift::CUSTOMARY
        })
    }
}

/// The shipped client in a process.
#[derive(Debug)]
pub struct Redlock {
    client: Client,
    ttl: Duration,
    instant_clock: bool,
}

/// One of its leases.
struct HeldLease {
    lease: Lease,
    instant_clock: bool,
}

impl Redlock {
    /// A client in `place` of the cluster of `nodes`, which are named as plans name them.
    ///
    /// # Errors
    ///
    /// What the client's builder says.
    pub fn new(
        place: &impl Place,
        nodes: impl IntoIterator<Item = impl AsRef<str>>,
        settings: &RedlockSettings,
    ) -> Result<Self, redlock::BuildError> {
        let urls = nodes
            .into_iter()
            .map(|name| format!("redis://{}:{}", name.as_ref(), node::PORT));
        Self::over(place.runtime(), place.connector(), urls, settings)
    }

    /// A client of the nodes at these URLs, over any runtime and connector.
    ///
    /// # Errors
    ///
    /// What the client's builder says.
    pub fn over(
        runtime: Arc<dyn Runtime>,
        connector: Arc<dyn Connector>,
        urls: impl IntoIterator<Item = String>,
        settings: &RedlockSettings,
    ) -> Result<Self, redlock::BuildError> {
        let runtime: Arc<dyn Runtime> = if settings.instant_clock {
            Arc::new(InstantOnly(runtime))
        } else {
            runtime
        };
        let (base, cap) = settings.backoff_ms;
        let mut builder = Client::builder()
            .nodes(urls)
            .ttl(settings.ttl())
            .max_ttl(settings.max_ttl())
            .node_timeout(Duration::from_millis(settings.node_timeout_ms))
            .connect_timeout(Duration::from_millis(settings.connect_timeout_ms))
            .backoff(Duration::from_millis(base), Duration::from_millis(cap))
            .drift(settings.drift())
            .fencing(settings.fencing)
            .restart_guard(settings.restart_guard)
            .strict_identity(settings.strict_identity)
            .runtime(runtime)
            .connector(connector);
        if let Some(quorum) = settings.quorum {
            builder = builder.quorum(quorum);
        }
        Ok(Self {
            client: builder.build()?,
            ttl: settings.ttl(),
            instant_clock: settings.instant_clock,
        })
    }

    /// The client itself.
    pub const fn client(&self) -> &Client {
        &self.client
    }
}

impl Contender for Redlock {
    fn deploy(&self) -> LocalBoxFuture<'_, Result<(), String>> {
        async {
            match self.client.admit_new_cluster().await {
                // A try before may have admitted some nodes and failed at another. What is in service is left alone: the
                // others vote by themselves after a quarantine.
                Ok(()) | Err(AdmitError::NotNew { .. }) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
        .boxed_local()
    }

    fn acquire<'a>(
        &'a self,
        resource: &'a str,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Held>, Refusal>> {
        async move {
            match self
                .client
                .request(resource)
                .ttl(self.ttl)
                .within(within)
                .acquire()
                .await
            {
                Ok(lease) => Ok(Box::new(HeldLease {
                    lease,
                    instant_clock: self.instant_clock,
                }) as Box<dyn Held>),
                // Every attempt that failed was released with its own owner token: it holds nothing.
                Err(error) => Err(Refusal::Fail(told(&error))),
            }
        }
        .boxed_local()
    }
}

fn told(error: &AcquireError) -> String {
    error.to_string()
}

impl Held for HeldLease {
    fn owner(&self) -> Option<String> {
        Some(self.lease.owner_token().as_str().to_owned())
    }

    fn fencing_token(&self) -> Option<u64> {
        match self.lease.fencing_token().as_u64() {
            0 => None,
            token => Some(token),
        }
    }

    fn ends(&self) -> Option<Ends> {
        let (since, left) = self.lease.ends()?;
        let mut ends = ends(&since, left);
        if self.instant_clock {
            // All that it calls clocks is this one.
            ends.since_ns.truncate(1);
            ends.since_ns[0].0 = ClockName::Monotonic;
        }
        Some(ends)
    }

    fn attempt(&self) -> Option<Attempt> {
        let report = self.lease.report();
        let token = self.lease.fencing_token().as_u64();
        // The nodes are named by their addresses. One that confirmed an extension granted before.
        let grants = report.nodes.iter().filter_map(|node| match node.answer {
            Some(Answer::Granted { counter }) => Some((node.node.split(':').next()?, counter)),
            Some(Answer::Confirmed) => Some((node.node.split(':').next()?, token)),
            _ => None,
        });
        let grants: Vec<(&str, u64)> = grants.collect();
        let carrying = grants
            .iter()
            .filter(|(_, counter)| *counter == token)
            .count();
        Some(Attempt {
            published: !report.quorum.reached(carrying),
            granted: grants
                .iter()
                .map(|(node, _)| HostName::from(*node))
                .collect(),
        })
    }

    fn is_valid(&self) -> bool {
        self.lease.is_valid()
    }

    fn lost(&self) -> LocalBoxFuture<'_, ()> {
        self.lease.lost().boxed_local()
    }

    fn keep_renewed(&self) {
        self.lease.keep_renewed();
    }

    fn extend(&self, ttl: Duration) -> LocalBoxFuture<'_, Result<(), Refusal>> {
        async move {
            self.lease.extend(ttl).await.map_err(|error| match error {
                ExtendError::Unknown { .. } => Refusal::Unknown(error.to_string()),
                _ => Refusal::Fail(error.to_string()),
            })
        }
        .boxed_local()
    }

    fn release(&self) -> LocalBoxFuture<'_, Result<(), Refusal>> {
        async move {
            let report = self.lease.release().await;
            if report.freed {
                Ok(())
            } else {
                Err(Refusal::Unknown(report.to_string()))
            }
        }
        .boxed_local()
    }
}

fn ends(since: &Reading, left: Duration) -> Ends {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let mut since_ns = vec![
        (ClockName::Boot, nanos(since.boot)),
        (ClockName::Raw, nanos(since.raw)),
    ];
    since_ns.extend(since.wall.map(|wall| (ClockName::Wall, nanos(wall))));
    Ends {
        since_ns,
        left_ns: nanos(left),
    }
}
