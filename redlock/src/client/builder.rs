//! Configuring a client.

use std::{fmt, sync::Arc, time::Duration};

use super::{redlock::Redlock, shared::Shared};
use crate::{
    config::{Config, LONGEST_MAX_TTL},
    connector::{Connector, SystemConnector},
    error::BuildError,
    node::Node,
    protocol::{Drift, Quorum, key::valid_prefix, retry::Backoff},
    redis::{self, Directory, Limits, NodeConfig, RedisNode},
    runtime::{Runtime, TokioRuntime},
    settings::Settings,
};

/// Makes a node for a client, knowing the client's settings and runtime. How nodes that are not
/// Redis (in-memory ones, say) enter a client.
pub trait NodeFactory: Send + Sync {
    /// The node at this position. `drift` says how wrong the client's clocks may be when the node
    /// measures a quarantine with them.
    fn node(
        &self,
        settings: &Arc<Settings>,
        runtime: &Arc<dyn Runtime>,
        drift: Drift,
    ) -> Arc<dyn Node>;
}

impl<F> NodeFactory for F
where
    F: Fn(&Arc<Settings>, &Arc<dyn Runtime>, Drift) -> Arc<dyn Node> + Send + Sync,
{
    fn node(
        &self,
        settings: &Arc<Settings>,
        runtime: &Arc<dyn Runtime>,
        drift: Drift,
    ) -> Arc<dyn Node> {
        self(settings, runtime, drift)
    }
}

enum NodeSource {
    Url(String),
    Custom(Box<dyn NodeFactory>),
}

/// Configures a [`Redlock`] client.
///
/// Every client of a cluster must use the same nodes, quorum, `max_ttl`, prefix, stripes, fencing,
/// restart guard and strict identity; the nodes store these and refuse clients that differ, by name of the setting.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`ttl`](Builder::ttl) | 10 s | long enough that one ntpd step (128 ms) is nearly within the drift allowance, short enough to wait for a holder that died |
/// | [`max_ttl`](Builder::max_ttl) | 30 s | three times the TTL, for requests that ask for more; a node that forgot its keys stays out until a client has measured this long |
/// | [`drift`](Builder::drift) | 1% + 2 ms (ρ = 5,026 ppm on both sides, σ = 0) | what Redlock clients customarily allow |
/// | [`min_validity`](Builder::min_validity) | 0 | any lease that is still valid may be worth having; raise it to what the work needs |
/// | [`quorum`](Builder::quorum) | ⌊N/2⌋ + 1 | the smallest majority tolerates the most nodes that are down |
/// | [`node_timeout`](Builder::node_timeout) | 50 ms | many round trips in one data centre, and a small part of the TTL (Redis' text suggests 5 to 50 ms for 10 s) |
/// | [`connect_timeout`](Builder::connect_timeout) | 1 s | TCP, TLS and the whole handshake; nobody waits for it |
/// | [`acquire_timeout`](Builder::acquire_timeout) | 30 s | a holder that died is waited out, and nobody waits for ever by accident |
/// | [`backoff`](Builder::backoff) | 20 ms doubling to 500 ms, half of it random | splits end soon, a released lock is found within half a second |
/// | [`renew_after_percent`](Builder::renew_after_percent) | 33 | a third of the TTL leaves two thirds for about seven retries |
/// | [`max_lifetime`](Builder::max_lifetime) | none | set it where a hung holder must lose its lease |
/// | [`stripes`](Builder::stripes) | 256 | fencing counters are shared by hash: few enough to keep for ever, enough that neighbours rarely disturb each other's fast path |
/// | [`prefix`](Builder::prefix) | `redlock` | keys are `redlock:lock:<resource>` |
/// | cap on proposed counters | the node's time ± `max_ttl`/4 | one wrong client clock must not run the counters ahead, nor fall behind a node that forgot its own |
/// | [`fencing`](Builder::fencing) | on | without it a paused holder can write after its lease ended |
/// | [`restart_guard`](Builder::restart_guard) | on | without it one node restarted without its data makes two holders |
/// | [`strict_identity`](Builder::strict_identity) | off | it doubles the cost of the acquire script, and independent masters do not need it |
/// | [`max_in_flight`](Builder::max_in_flight) | 1,024 calls per node | past it a node counts as busy |
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    nodes: Vec<NodeSource>,
    quorum: Option<usize>,
    ttl: Duration,
    max_ttl: Option<Duration>,
    drift: Drift,
    min_validity: Duration,
    limits: Limits,
    acquire_timeout: Duration,
    backoff: Backoff,
    renew_after_percent: u32,
    max_lifetime: Option<Duration>,
    stripes: u32,
    prefix: String,
    fencing: bool,
    restart_guard: bool,
    strict_identity: bool,
    runtime: Arc<dyn Runtime>,
    connector: Arc<dyn Connector>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            quorum: None,
            ttl: Duration::from_secs(10),
            max_ttl: None,
            drift: Drift::CUSTOMARY,
            min_validity: Duration::ZERO,
            limits: Limits::default(),
            acquire_timeout: Duration::from_secs(30),
            backoff: Backoff::default(),
            renew_after_percent: 33,
            max_lifetime: None,
            stripes: 256,
            prefix: "redlock".to_owned(),
            fencing: true,
            restart_guard: true,
            strict_identity: false,
            runtime: Arc::new(TokioRuntime::new()),
            connector: Arc::new(SystemConnector),
        }
    }
}

impl Builder {
    /// Adds nodes by URL: `redis://[user:password@]host[:port][/db]`, `rediss://…` for TLS (feature
    /// `tls`), `unix:///path`. Independent masters without replicas, an odd number of them: five
    /// survive the loss of two.
    pub fn nodes(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.nodes
            .extend(urls.into_iter().map(|url| NodeSource::Url(url.into())));
        self
    }

    /// Adds a node that is not reached by URL, such as an in-memory one.
    pub fn node(mut self, factory: impl NodeFactory + 'static) -> Self {
        self.nodes.push(NodeSource::Custom(Box::new(factory)));
        self
    }

    /// Adds all nodes of an in-memory cluster.
    #[cfg(feature = "memory")]
    pub fn memory_nodes(mut self, cluster: &crate::memory::MemoryCluster) -> Self {
        for index in 0..cluster.len() {
            let cluster = cluster.clone();
            self = self.node(
                move |settings: &Arc<Settings>, runtime: &Arc<dyn Runtime>, drift: Drift| {
                    cluster.connect_with(index, settings, runtime, drift)
                },
            );
        }
        self
    }

    /// How many nodes must agree, at least a majority. More than a majority tolerates nodes that
    /// forget: f of them when 2q − N ≥ f + 1.
    pub fn quorum(mut self, quorum: usize) -> Self {
        self.quorum = Some(quorum);
        self
    }

    /// The TTL of leases, in whole milliseconds.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The longest TTL that any client of the cluster may ask for. Part of the cluster's settings: a
    /// node that may have forgotten keys does not vote for this long. Three times the default TTL
    /// unless set.
    pub fn max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = Some(max_ttl);
        self
    }

    /// How wrong clocks may be: what exclusion rests on. See [`Drift`].
    pub fn drift(mut self, drift: Drift) -> Self {
        self.drift = drift;
        self
    }

    /// A lease is handed out only with more validity left than this.
    pub fn min_validity(mut self, min_validity: Duration) -> Self {
        self.min_validity = min_validity;
        self
    }

    /// How long a call to one node may take, connecting included, before the node counts as not
    /// agreeing. Nobody waits for it unless the quorum hangs on that node.
    pub fn node_timeout(mut self, node_timeout: Duration) -> Self {
        self.limits.node_timeout = node_timeout;
        self
    }

    /// How long connecting to a node may take in the background, TLS and handshake included.
    pub fn connect_timeout(mut self, connect_timeout: Duration) -> Self {
        self.limits.connect_timeout = connect_timeout;
        self
    }

    /// How many calls to one node may be unanswered at a time; past it the node counts as busy.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.limits.max_in_flight = max_in_flight;
        self
    }

    /// How long [`Redlock::acquire`] waits by default.
    pub fn acquire_timeout(mut self, acquire_timeout: Duration) -> Self {
        self.acquire_timeout = acquire_timeout;
        self
    }

    /// How long to wait between attempts.
    pub fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.backoff = Backoff { base, cap };
        self
    }

    /// When a lease that is kept renewed is renewed, in percent of its TTL, 1 to 90.
    pub fn renew_after_percent(mut self, percent: u32) -> Self {
        self.renew_after_percent = percent;
        self
    }

    /// Leases are not renewed beyond this age, so that a holder that hangs loses its lease.
    pub fn max_lifetime(mut self, max_lifetime: Duration) -> Self {
        self.max_lifetime = Some(max_lifetime);
        self
    }

    /// Number of fencing counters per node, shared by resources through a hash. Part of the cluster's
    /// settings.
    pub fn stripes(mut self, stripes: u32) -> Self {
        self.stripes = stripes;
        self
    }

    /// What stands before all keys: 1 to 64 letters, digits, `.`, `_` or `-`. Part of the cluster's
    /// settings; two prefixes are two clusters that do not see each other.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Whether nodes count fencing tokens. Part of the cluster's settings.
    pub fn fencing(mut self, fencing: bool) -> Self {
        self.fencing = fencing;
        self
    }

    /// Whether nodes that restarted or were flushed are quarantined for `max_ttl`. Part of the
    /// cluster's settings. Turn it off only where every node syncs each write (`appendfsync always`).
    pub fn restart_guard(mut self, restart_guard: bool) -> Self {
        self.restart_guard = restart_guard;
        self
    }

    /// Whether every acquisition reads the node's identity from INFO, instead of trusting what was read
    /// when the connection was made. Part of the cluster's settings; off by default, and without effect
    /// when the restart guard is off.
    ///
    /// A failover to a replica and back, or a proxy that leads one connection to several servers,
    /// changes the server and breaks no connection. Nodes with connected replicas are therefore refused
    /// unless this is on. It roughly doubles what the acquire script costs the node.
    pub fn strict_identity(mut self, strict_identity: bool) -> Self {
        self.strict_identity = strict_identity;
        self
    }

    /// Clocks, timers, tasks and random bytes; [`TokioRuntime`] by default.
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtime = runtime;
        self
    }

    /// How streams to nodes are opened; the operating system's sockets by default.
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Checks the configuration and makes the client. Does no I/O and needs no runtime yet: nodes are
    /// connected by the first call.
    ///
    /// # Errors
    ///
    /// [`BuildError`], naming what cannot be used and what can.
    pub fn build(self) -> Result<Redlock, BuildError> {
        let config = self.config()?;
        let settings = Arc::new(config.settings.clone());
        let directory = Arc::<Directory>::default();
        let mut nodes: Vec<Arc<dyn Node>> = Vec::with_capacity(self.nodes.len());
        for (index, source) in self.nodes.iter().enumerate() {
            let node: Arc<dyn Node> = match source {
                NodeSource::Custom(factory) => factory.node(&settings, &self.runtime, self.drift),
                NodeSource::Url(url) => {
                    let (address, credentials) =
                        redis::parse_url(url).map_err(|problem| BuildError::InvalidUrl {
                            index: index + 1,
                            problem: problem.to_string(),
                        })?;
                    Arc::new(RedisNode::new(NodeConfig {
                        address,
                        credentials,
                        settings: settings.clone(),
                        runtime: self.runtime.clone(),
                        connector: self.connector.clone(),
                        limits: self.limits,
                        drift: self.drift,
                        directory: directory.clone(),
                        index,
                    }))
                }
            };
            if let Some(first) = nodes.iter().position(|other| other.name() == node.name()) {
                let name = node.name().to_owned();
                return Err(BuildError::DuplicateNode {
                    first: first + 1,
                    second: index + 1,
                    name,
                });
            }
            nodes.push(node);
        }
        Ok(Redlock::new(Arc::new(Shared::new(
            config,
            self.runtime,
            nodes,
        ))))
    }

    fn config(&self) -> Result<Config, BuildError> {
        let count = self.nodes.len();
        if count == 0 {
            return Err(BuildError::NoNodes);
        }
        if count > Quorum::MAX_NODES {
            return Err(BuildError::TooManyNodes(count));
        }
        let quorum = match self.quorum {
            None => Quorum::majority(count),
            Some(asked) => Quorum::new(count, asked).ok_or(BuildError::InvalidQuorum {
                asked,
                nodes: count,
            })?,
        };
        if !valid_prefix(&self.prefix) {
            return Err(BuildError::InvalidPrefix(self.prefix.clone()));
        }
        let day = Duration::from_secs(86_400).as_millis();
        for (name, asked, most) in [
            ("stripes", u128::from(self.stripes), 65_536),
            (
                "node_timeout in ms",
                self.limits.node_timeout.as_millis(),
                day,
            ),
            (
                "connect_timeout in ms",
                self.limits.connect_timeout.as_millis(),
                day,
            ),
            (
                "max_in_flight",
                self.limits.max_in_flight as u128,
                1_000_000,
            ),
            (
                "renew_after_percent",
                u128::from(self.renew_after_percent),
                90,
            ),
        ] {
            if !(1..=most).contains(&asked) {
                return Err(BuildError::OutOfRange {
                    name,
                    asked,
                    least: 1,
                    most,
                });
            }
        }
        let max_ttl = self
            .max_ttl
            .unwrap_or_else(|| self.ttl.saturating_mul(3).min(LONGEST_MAX_TTL));
        let whole = Duration::from_millis(u64::try_from(max_ttl.as_millis()).unwrap_or(u64::MAX));
        if max_ttl > LONGEST_MAX_TTL {
            return Err(BuildError::InvalidMaxTtl(max_ttl));
        }
        let config = Config {
            settings: Settings {
                quorum,
                max_ttl: whole,
                prefix: self.prefix.clone(),
                stripes: self.stripes,
                fencing: self.fencing,
                restart_guard: self.restart_guard,
                // Without the guard there is no identity to compare.
                strict_identity: self.strict_identity && self.restart_guard,
            },
            drift: self.drift,
            ttl: self.ttl,
            min_validity: self.min_validity,
            node_timeout: self.limits.node_timeout,
            acquire_timeout: self.acquire_timeout,
            backoff: self.backoff,
            renew_after_percent: self.renew_after_percent,
            max_lifetime: self.max_lifetime,
        };
        config.check_ttl(self.ttl)?;
        Ok(config)
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("nodes", &self.nodes.len())
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("drift", &self.drift)
            .finish_non_exhaustive()
    }
}
