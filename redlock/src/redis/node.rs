//! A Redis server as a [`Node`].

use std::{
    fmt, mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::{
    actor::{Actor, Message},
    directory::Directory,
    memory::Memory,
    probe::probe,
    queue::{Call, Inspect},
    script::Scripts,
    url::Credentials,
};
use crate::{
    connector::{Address, Connector},
    node::{Inspection, Node, NodeFacts, Reply, Request},
    preflight::Probe,
    protocol::{Answer, Drift, OwnerToken, Reason},
    runtime::{BoxFuture, NoRuntime, Runtime},
    settings::Settings,
};

/// Time and space that one node may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A call unanswered for longer puts the connection in doubt: no new acquisitions until it is
    /// answered. Default: 50 ms, the decision deadline of a call.
    pub node_timeout: Duration,
    /// Limits connecting, TLS and the whole handshake together. Default: 1 s.
    pub connect_timeout: Duration,
    /// A call unanswered for longer makes the connection be abandoned. Default: 1 s.
    pub stall_timeout: Duration,
    /// The most calls in flight, releases not counted. Default: 1024.
    pub max_in_flight: usize,
    /// The wait after the first failed attempt to connect; it doubles with each. Default: 50 ms.
    pub backoff_base: Duration,
    /// The longest wait between attempts to connect. Default: 1 s.
    pub backoff_cap: Duration,
    /// How often the node is looked at while nobody needs it: whether it is still the same master, and
    /// how its quarantine stands. At most every third of `max_ttl`. Default: 10 s.
    pub look_interval: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            node_timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(1),
            stall_timeout: Duration::from_secs(1),
            max_in_flight: 1024,
            backoff_base: Duration::from_millis(50),
            backoff_cap: Duration::from_secs(1),
            look_interval: Duration::from_secs(10),
        }
    }
}

/// What a [`RedisNode`] is made of.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where the server listens; also the node's name.
    pub address: Address,
    /// Who we are to it.
    pub credentials: Credentials,
    /// The cluster's settings.
    pub settings: Arc<Settings>,
    /// Clock, timers, tasks and random bytes.
    pub runtime: Arc<dyn Runtime>,
    /// Opens streams.
    pub connector: Arc<dyn Connector>,
    /// Time and space.
    pub limits: Limits,
    /// How wrong this client's clocks may be, when it measures a quarantine.
    pub drift: Drift,
    /// The servers of this client's nodes; shared by all of them.
    pub directory: Arc<Directory>,
    /// The node's place among them.
    pub index: usize,
}

/// What a node's handle and its task share.
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    pub(super) address: Address,
    pub(super) credentials: Credentials,
    pub(super) settings: Arc<Settings>,
    pub(super) scripts: Scripts,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) limits: Limits,
    pub(super) drift: Drift,
    pub(super) directory: Arc<Directory>,
    pub(super) index: usize,
    memory: Mutex<Memory>,
}

impl Shared {
    pub(super) fn now(&self) -> Duration {
        self.runtime.monotonic()
    }

    /// Text that nobody can guess.
    pub(super) fn random(&self) -> OwnerToken {
        let mut random = [0; OwnerToken::RANDOM_BYTES];
        self.runtime.fill_random(&mut random);
        OwnerToken::from_random(random)
    }

    /// How long after a look the next one is due, if nothing calls for one.
    pub(super) fn look_interval(&self) -> Duration {
        let third = (self.settings.max_ttl / 3).max(Duration::from_millis(100));
        self.limits.look_interval.min(third)
    }

    pub(super) fn take_memory(&self) -> Memory {
        mem::take(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn keep_memory(&self, memory: Memory) {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = memory;
    }
}

struct Handle {
    shared: Arc<Shared>,
    /// To the task, once there is one. Closed when the task's runtime has ended.
    task: Mutex<Option<mpsc::UnboundedSender<Message>>>,
}

impl Handle {
    /// Queues a message for the task, and starts a task if none runs. Gives the message back when
    /// nothing can run one.
    fn send(&self, message: Message) -> Option<Message> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let message = match &*task {
            Some(sender) => sender.send(message).err()?.0,
            None => message,
        };
        let Ok(sender) = self.spawn() else {
            return Some(message);
        };
        let returned = sender.send(message).err();
        *task = Some(sender);
        returned.map(|mpsc::error::SendError(message)| message)
    }

    fn spawn(&self) -> Result<mpsc::UnboundedSender<Message>, NoRuntime> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let actor = Actor::new(Arc::clone(&self.shared), inbox);
        // The order of calls is fixed when a batch is first polled, which tokio's cooperative budget
        // must not put off. The task bounds its own work per poll.
        let actor = tokio::task::unconstrained(actor);
        self.shared.runtime.spawn(Box::pin(actor))?;
        Ok(sender)
    }
}

/// A Redis server.
///
/// Nothing is connected and no task is started before the first call. From then on the node stays
/// connected, and connects again by itself, until it is dropped and its releases are delivered or
/// have given up.
pub struct RedisNode {
    handle: Arc<Handle>,
    /// A second connection, for releases that overtake.
    #[cfg(feature = "planted-bugs")]
    releaser: Arc<Handle>,
}

impl RedisNode {
    /// A node for the server at `config.address`. Does no I/O and spawns nothing.
    pub fn new(config: NodeConfig) -> Self {
        Self {
            #[cfg(feature = "planted-bugs")]
            releaser: Handle::new(config.clone()),
            handle: Handle::new(config),
        }
    }
}

impl Handle {
    fn new(config: NodeConfig) -> Arc<Self> {
        let shared = Shared {
            name: config.address.to_string().into(),
            address: config.address,
            credentials: config.credentials,
            scripts: Scripts::new(&config.settings),
            settings: config.settings,
            runtime: config.runtime,
            connector: config.connector,
            limits: config.limits,
            drift: config.drift,
            directory: config.directory,
            index: config.index,
            memory: Mutex::default(),
        };
        Arc::new(Self {
            shared: Arc::new(shared),
            task: Mutex::new(None),
        })
    }
}

impl Node for RedisNode {
    fn name(&self) -> &str {
        &self.handle.shared.name
    }

    fn submit(&self, request: Request, reply: Reply) {
        let call = Box::new(Call {
            request,
            reply,
            whole: false,
        });
        let handle = &self.handle;
        #[cfg(feature = "planted-bugs")]
        let handle = match call.request.verb {
            crate::node::Verb::Release { .. } if planted!(ReleaseOvertakes) => &self.releaser,
            _ => handle,
        };
        if let Some(Message::Call(call)) = handle.send(Message::Call(call)) {
            let refused = Answer::Refused(Reason::NoRuntime);
            call.reply.send(refused);
        }
    }

    fn inspect(&self, inspection: Inspection) -> BoxFuture<'static, Result<NodeFacts, Reason>> {
        let handle = Arc::clone(&self.handle);
        Box::pin(async move {
            let (to, result) = oneshot::channel();
            let look = Inspect {
                what: inspection,
                to,
            };
            // Given back, it is dropped, which answers it.
            drop(handle.send(Message::Inspect(look)));
            result.await.unwrap_or(Err(Reason::NoRuntime))
        })
    }

    fn probe(&self) -> BoxFuture<'static, Result<Probe, Reason>> {
        Box::pin(probe(Arc::clone(&self.handle.shared)))
    }
}

impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNode")
            .field("name", &self.handle.shared.name)
            .finish_non_exhaustive()
    }
}
