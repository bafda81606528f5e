//! One Redis as its clients reach it: a connection that is opened when needed, and again when it broke.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt as _,
    future::{AbortHandle, Abortable, Either, select},
};
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo,
    RedisError, Value, aio::MultiplexedConnection,
};
use redlock::{Address, Connector, Runtime};

use crate::contender::Refusal;

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallError {
    /// It never left.
    Unsent(String),
    /// It may have been executed, or may yet be.
    Unknown(String),
    /// The server refused it: the first word of the error, and all of it.
    Refused(String, String),
}

impl CallError {
    pub(super) fn is_readonly(&self) -> bool {
        matches!(self, Self::Refused(code, _) if code == "READONLY")
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsent(why) | Self::Unknown(why) | Self::Refused(_, why) => f.write_str(why),
        }
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unknown(why) => Self::Unknown(why),
            CallError::Unsent(why) | CallError::Refused(_, why) => Self::Fail(why),
        }
    }
}

/// The seams to the world that the shipped client has too.
#[derive(Clone, Debug)]
pub(super) struct Seams {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) connector: Arc<dyn Connector>,
}

/// One Redis.
pub(super) struct Server {
    seams: Seams,
    address: Address,
    login: RedisConnectionInfo,
    timeout: Duration,
    slot: Mutex<Slot>,
    /// Whoever has it opens the connection; the others wait for that one.
    opening: tokio::sync::Mutex<()>,
}

/// The connection, and how many there were before it.
#[derive(Default)]
struct Slot {
    link: Option<Link>,
    number: u64,
}

/// A connection in use. It is closed when this is dropped; what was written to it may still arrive, as with any client.
struct Link {
    connection: MultiplexedConnection,
    driver: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Server {
    /// The server of a URL; `None` when it is not `redis://` or `unix://`.
    pub(super) fn new(url: &str, seams: Seams, timeout: Duration) -> Option<Self> {
        let info = url.into_connection_info().ok()?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => Address::Tcp {
                host: host.clone(),
                port: *port,
            },
            ConnectionAddr::Unix(path) => Address::Unix { path: path.clone() },
            _ => return None,
        };
        Some(Self {
            seams,
            address,
            login: info.redis_settings().clone().set_skip_set_lib_name(),
            timeout,
            slot: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        })
    }

    /// Its host, or the path of its socket.
    pub(super) fn host(&self) -> String {
        match &self.address {
            Address::Tcp { host, .. } => host.clone(),
            other => other.to_string(),
        }
    }

    /// Sends a command and waits for its reply, for at most the time-out.
    pub(super) async fn call(&self, command: &Cmd) -> Result<Value, CallError> {
        let sent = AtomicBool::new(false);
        let exchange = async {
            let (mut connection, number) = self.connection().await?;
            sent.store(true, Ordering::Relaxed);
            let reply = command.query_async::<Value>(&mut connection).await;
            reply.map_err(|error| self.failed(&error, number))
        };
        let clock = self.seams.runtime.sleep(self.timeout);
        match select(std::pin::pin!(exchange), clock).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => {
                self.slot().link = None;
                let why = format!(
                    "{} did not answer in {} ms",
                    self.address,
                    self.timeout.as_millis()
                );
                Err(if sent.load(Ordering::Relaxed) {
                    CallError::Unknown(why)
                } else {
                    CallError::Unsent(why)
                })
            }
        }
    }

    fn slot(&self) -> std::sync::MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &RedisError, number: u64) -> CallError {
        let why = format!("{}: {error}", self.address);
        if let Some(code) = error.code() {
            return CallError::Refused(code.to_owned(), why);
        }
        let mut slot = self.slot();
        // Somebody may have opened another one since.
        if slot.number == number {
            slot.link = None;
        }
        CallError::Unknown(why)
    }

    fn open_already(&self) -> Option<(MultiplexedConnection, u64)> {
        let slot = self.slot();
        let link = slot.link.as_ref()?;
        Some((link.connection.clone(), slot.number))
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), CallError> {
        if let Some(open) = self.open_already() {
            return Ok(open);
        }
        let _turn = self.opening.lock().await;
        if let Some(open) = self.open_already() {
            return Ok(open);
        }
        let link = self.open().await.map_err(CallError::Unsent)?;
        let connection = link.connection.clone();
        let mut slot = self.slot();
        slot.number += 1;
        slot.link = Some(link);
        Ok((connection, slot.number))
    }

    async fn open(&self) -> Result<Link, String> {
        let told = |error: &dyn fmt::Display| format!("{}: {error}", self.address);
        let stream = self.seams.connector.connect(&self.address).await;
        let stream = stream.map_err(|error| told(&error))?;
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None);
        let opened = MultiplexedConnection::new_with_config(&self.login, stream, config).await;
        let (connection, driver) = opened.map_err(|error| told(&error))?;
        let (handle, registration) = AbortHandle::new_pair();
        let driver = Abortable::new(driver, registration).map(|_| ());
        let spawned = self.seams.runtime.spawn(Box::pin(driver));
        spawned.map_err(|error| told(&error))?;
        Ok(Link {
            connection,
            driver: handle,
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
