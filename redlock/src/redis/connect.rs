//! From an address to a connection that calls may be written to.
//!
//! No call is written before HELLO, CLIENT ID and INFO were answered, the server was found fit, and
//! the connection before this one was killed on the server: what still sits in its socket would
//! otherwise be executed after the releases that this connection starts with.

use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, RedisError, Value,
    aio::MultiplexedConnection,
};

use super::{
    info::{ServerInfo, read_info},
    link::MAX_BATCHES,
    node::Shared,
    reply::{self, Quarantine, read_quarantine},
    stream::{Health, Watched},
};
use crate::{
    connector::{Address, ConnectError},
    protocol::Reason,
    runtime::BoxFuture,
};

/// The future that moves bytes for a connection.
pub(super) type Driver = BoxFuture<'static, ()>;

/// A connection on which calls were written, and which is gone.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    pub(super) run_id: Arc<str>,
    pub(super) identity: Arc<str>,
    pub(super) client_id: i64,
}

/// A connection on which calls may be written.
pub(super) struct Established {
    pub(super) connection: MultiplexedConnection,
    pub(super) driver: Driver,
    pub(super) health: Arc<Health>,
    pub(super) server: ServerInfo,
    pub(super) client_id: i64,
    /// The ACL forbids CLIENT KILL, so what the earlier connection still held may be executed late.
    pub(super) kill_forbidden: Option<Arc<str>>,
    /// What the server, which is not the one it was, said about its quarantine.
    pub(super) quarantine: Option<Quarantine>,
}

/// What the connections before this one taught.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// The one before this one, while it may still hold calls.
    pub(super) earlier: Option<Earlier>,
    /// Whether the node had a guard record.
    pub(super) known: bool,
}

/// Connects to the server of `shared`. `reached` is set once the server's port has accepted.
pub(super) async fn establish(
    shared: Arc<Shared>,
    past: Past,
    reached: Arc<AtomicBool>,
) -> Result<Established, Reason> {
    let mut setup = open(shared, &reached).await?;
    let (server, client_id) = setup.introduce().await?;
    let (kill_forbidden, quarantine) = setup.succeed(past, &server).await?;
    // The last reply and the end came together: the driver must not be polled again.
    if setup.ended {
        return Err(closed(&setup.health));
    }
    setup.health.reset_on_close(false);
    Ok(Established {
        connection: setup.connection,
        driver: setup.driver,
        health: setup.health,
        server,
        client_id,
        kill_forbidden,
        quarantine,
    })
}

/// Opens a connection and logs in. `reached` is set once the server's port has accepted.
pub(super) async fn open(shared: Arc<Shared>, reached: &AtomicBool) -> Result<Setup, Reason> {
    let stream = shared.connector.connect(&shared.address).await;
    let stream = stream.map_err(|error| match error {
        ConnectError::Io(error) => Reason::Connect(error.to_string().into()),
        ConnectError::Tls(text) => Reason::Tls(text.into()),
    })?;
    reached.store(true, Ordering::Relaxed);
    let health = Arc::new(Health::default());
    health.reset_on_close(true);
    let watched = Watched::new(stream, Arc::clone(&health));
    let login = shared.credentials.0.clone();
    let login = login
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new()
        .set_response_timeout(None)
        .set_connection_timeout(None)
        .set_pipeline_buffer_size(MAX_BATCHES + 1);
    let (connection, driver) = MultiplexedConnection::new_with_config(&login, watched, config)
        .await
        .map_err(|error| refusal(&error, &health))
        .map_err(|reason| hint(reason, &shared.address, &health))?;
    Ok(Setup {
        shared,
        connection,
        driver: Box::pin(driver),
        ended: false,
        health,
    })
}

/// A connection on which a server is asked who it is.
pub(super) struct Setup {
    shared: Arc<Shared>,
    connection: MultiplexedConnection,
    driver: Driver,
    /// Whether the driver has: it must not be polled again then.
    ended: bool,
    health: Arc<Health>,
}

impl Setup {
    /// Learns who the server is, and loads the scripts.
    async fn introduce(&mut self) -> Result<(ServerInfo, i64), Reason> {
        let mut pipe = Pipeline::new();
        pipe.cmd("CLIENT").arg("ID");
        pipe.cmd("INFO").arg("server");
        pipe.cmd("INFO").arg("replication");
        pipe.cmd("INFO").arg("memory");
        self.shared.scripts.load(&mut pipe);
        let replies = self.exchange(&pipe).await?;
        let [id, server, replication, memory, loaded @ ..] = replies.as_slice() else {
            return Err(Reason::Unreadable("too few replies to the set-up".into()));
        };
        let allows_replicas = self.shared.settings.allows_replicas();
        let (server, replication) = (info_text(server)?, info_text(replication)?);
        let server = read_info(server, replication, info_text(memory)?, allows_replicas)?;
        let Value::Int(client_id) = checked(id)? else {
            return Err(Reason::Unreadable("CLIENT ID answered no number".into()));
        };
        for value in loaded {
            checked(value)?;
        }
        let (index, name) = (self.shared.index, &self.shared.name);
        let registered = self.shared.directory.register(index, name, &server.run_id);
        registered.map_err(Reason::SameServer)?;
        Ok((server, *client_id))
    }

    /// Ends what the connection before this one may still do, and starts the quarantine of a server
    /// that is not the one it was.
    async fn succeed(
        &mut self,
        past: Past,
        server: &ServerInfo,
    ) -> Result<(Option<Arc<str>>, Option<Quarantine>), Reason> {
        let Some(earlier) = past.earlier else {
            return Ok((None, None));
        };
        let mut pipe = Pipeline::new();
        // A server with another run id is another process: the number would be somebody else's.
        let kill = earlier.run_id == server.run_id;
        if kill {
            pipe.cmd("CLIENT")
                .arg("KILL")
                .arg("ID")
                .arg(earlier.client_id);
        }
        if earlier.identity != server.identity && self.shared.settings.restart_guard {
            let random = self.shared.random();
            let scripts = &self.shared.scripts;
            let watch = scripts.watch(&server.identity, "", past.known, random.as_str());
            pipe.add_command(watch);
        }
        if pipe.is_empty() {
            return Ok((None, None));
        }
        let replies = self.exchange(&pipe).await?;
        let kill_forbidden = match replies.first() {
            Some(Value::ServerError(error)) if kill => Some(reply::error_text(error)),
            _ => None,
        };
        Ok((kill_forbidden, replies.last().and_then(read_quarantine)))
    }

    /// Sends a pipeline and awaits its replies, while driving the connection.
    pub(super) async fn exchange(&mut self, pipe: &Pipeline) -> Result<Vec<Value>, Reason> {
        let (connection, driver, ended) = (&mut self.connection, &mut self.driver, &mut self.ended);
        let mut replies = Box::pin(connection.send_packed_commands(pipe, 0, pipe.len()));
        let result = poll_fn(|cx| {
            if let Poll::Ready(result) = replies.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            *ended = *ended || Pin::new(&mut *driver).poll(cx).is_ready();
            match replies.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if *ended => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match result.await {
            Some(Ok(values)) => Ok(values),
            Some(Err(error)) => Err(refusal(&error, &self.health)),
            None => Err(closed(&self.health)),
        }
    }
}

pub(super) fn info_text(value: &Value) -> Result<&str, Reason> {
    match checked(value)? {
        Value::VerbatimString { text, .. } => Ok(text),
        Value::BulkString(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| Reason::Unreadable("INFO is not text".into()))
        }
        other => Err(Reason::Unreadable(reply::shape(other))),
    }
}

/// The value, or what a server error in its place means.
fn checked(value: &Value) -> Result<&Value, Reason> {
    match value {
        Value::ServerError(error) => Err(by_code(error.code(), reply::error_text(error))),
        value => Ok(value),
    }
}

fn by_code(code: &str, text: Arc<str>) -> Reason {
    match code {
        "LOADING" => Reason::Loading,
        "WRONGPASS" | "NOAUTH" => Reason::Credentials(text),
        "NOPERM" => Reason::Forbidden(text),
        _ => Reason::Server(text),
    }
}

fn closed(health: &Health) -> Reason {
    health.not_redis().unwrap_or_else(|| {
        Reason::Connect(format!("during the handshake: {}", health.broke()).into())
    })
}

/// A TLS port closes a connection that does not speak TLS, often without a word.
fn hint(reason: Reason, address: &Address, health: &Health) -> Reason {
    match (reason, address) {
        (Reason::Connect(text), Address::Tcp { .. }) if !health.has_received() => Reason::Connect(
            format!("{text}; if this is a TLS port use rediss:// in its URL").into(),
        ),
        (reason, _) => reason,
    }
}

/// Why the server did not take us.
fn refusal(error: &RedisError, health: &Health) -> Reason {
    if let Some(reason) = health.not_redis() {
        return reason;
    }
    let text = || {
        reply::mask(&format!(
            "{} {}",
            error.code().unwrap_or_default(),
            error.detail().unwrap_or_default()
        ))
    };
    match error.kind() {
        ErrorKind::RESP3NotSupported => Reason::TooOld("5 or older".into()),
        ErrorKind::AuthenticationFailed => Reason::Credentials(text()),
        ErrorKind::Parse => Reason::NotRedis("its reply is not in the Redis protocol".into()),
        _ => match error.code() {
            Some(code) => by_code(code, text()),
            None => closed(health),
        },
    }
}
