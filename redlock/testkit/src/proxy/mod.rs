//! A TCP proxy in front of a server, which delays, holds, swallows and cuts, and tells what passed.
//!
//! It splits the bytes of both directions into messages of the Redis protocol, so that a test can say "hold the request that
//! contains this key" and then wait until exactly that has happened, instead of sleeping.

mod connection;
mod expectation;
mod frame;
mod state;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

pub use expectation::Expectation;
use state::Shared;

use crate::runtime::{bounded, handle};
use crate::{Error, RedisServer};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Reply,
}

/// What happens to the messages of one direction. Messages of one connection stay in order, so those behind a held one wait
/// with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// They go on at once.
    #[default]
    Pass,
    /// Each goes on so long after it arrived.
    Delay(Duration),
    /// They wait until the flow changes.
    Hold,
    /// They vanish. From the first one on, so does everything behind it on that connection, even when the flow changes: no
    /// network leaves a hole in a stream. Only a new connection gets through again.
    Swallow,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order: the peer reads an end.
    Fin,
    /// With a reset: the peer gets an error.
    Reset,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is still in the proxy.
    Waiting,
    /// It was written to the other side.
    Forwarded,
    /// It vanished as [`Flow::Swallow`] demands.
    Swallowed,
    /// Its connection was gone before it could be written.
    Lost,
}

/// A message that reached the proxy.
#[derive(Clone)]
pub struct Message {
    /// The number of the connection, from 1 in the order in which they came.
    pub connection: u64,
    /// Which way it goes.
    pub way: Way,
    /// The message, as the protocol writes it.
    pub bytes: Vec<u8>,
    /// For a reply, the request that it answers. (None for a push, and for bytes that are no Redis protocol.)
    pub request: Option<Vec<u8>>,
    /// Whether it had to wait for a while, held or delayed.
    pub held: bool,
    /// What became of it.
    pub fate: Fate,
    arrived: Instant,
}

impl Message {
    /// Whether the request, or the request that this reply answers, contains these bytes.
    fn is_about(&self, needle: &[u8]) -> bool {
        let subject = match self.way {
            Way::Request => Some(&self.bytes),
            Way::Reply => self.request.as_ref(),
        };
        subject.is_some_and(|bytes| {
            needle.is_empty() || bytes.windows(needle.len()).any(|part| part == needle)
        })
    }
}

/// Shows the command without its arguments, some of which are secrets.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request = self.request.as_ref().unwrap_or(&self.bytes);
        let text = String::from_utf8_lossy(request);
        let command = text
            .split("\r\n")
            .nth(2)
            .filter(|_| text.starts_with('*'))
            .unwrap_or("?");
        let held = if self.held { ", waited" } else { "" };
        write!(
            f,
            "#{} {:?} {command}, {} bytes, {:?}{held}",
            self.connection,
            self.way,
            self.bytes.len(),
            self.fate
        )
    }
}

/// What passed since the proxy started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that reached the server.
    pub connections: u64,
    /// Requests that arrived from clients.
    pub requests: u64,
    /// Replies that arrived from the server.
    pub replies: u64,
    /// Bytes of these requests.
    pub request_bytes: u64,
    /// Bytes of these replies.
    pub reply_bytes: u64,
}

/// A TCP proxy on a loopback port, with a server behind it. It remembers every message, so it is for tests and not for long
/// measurements. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of a server, through which everything passes at first.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn to(server: &RedisServer) -> Result<Self, Error> {
        Self::to_port(server.port())
    }

    /// A proxy in front of whatever listens on a loopback port.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn to_port(port: u16) -> Result<Self, Error> {
        let target = Arc::new(AtomicU16::new(port));
        let shared = Shared::new();
        let (listener, port) = crate::listener::listen(1024)?;
        let task = handle().spawn(accept(listener, Arc::clone(&shared), Arc::clone(&target)));
        Ok(Self {
            port,
            target,
            shared,
            task,
        })
    }

    /// The port on which clients connect.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address for clients as a Redis URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Leads connections that come from now on to another port.
    pub fn redirect(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }

    /// Resets connections that come from now on, until it is told not to.
    pub fn refuse(&self, refuses: bool) {
        self.shared.update(|state| state.refuses = refuses);
    }

    /// Sets what happens to requests for which there is no exception.
    pub fn requests(&self, flow: Flow) {
        self.shared
            .update(|state| state.set_flow(Way::Request, flow));
    }

    /// Sets what happens to replies for which there is no exception.
    pub fn replies(&self, flow: Flow) {
        self.shared.update(|state| state.set_flow(Way::Reply, flow));
    }

    /// Makes an exception for requests that contain these bytes. The newest exception that fits wins.
    pub fn requests_containing(&self, needle: impl AsRef<[u8]>, flow: Flow) {
        self.shared
            .update(|state| state.add_rule(Way::Request, needle.as_ref().into(), flow));
    }

    /// Makes an exception for replies to requests that contain these bytes. The newest exception that fits wins.
    pub fn replies_to(&self, needle: impl AsRef<[u8]>, flow: Flow) {
        self.shared
            .update(|state| state.add_rule(Way::Reply, needle.as_ref().into(), flow));
    }

    /// Lets everything pass again, held messages included, and forgets the exceptions.
    pub fn pass(&self) {
        self.shared.update(state::State::pass_all);
    }

    /// Ends all connections on both sides. What they still had on the way is lost.
    pub fn cut(&self, how: Cut) {
        self.end(how, true);
    }

    /// Ends all connections on the clients' side only. What clients have sent is still on its way, and the server gets it
    /// when the flow lets it: the late request of a closed connection.
    pub fn cut_clients(&self, how: Cut) {
        self.end(how, false);
    }

    fn end(&self, how: Cut, both: bool) {
        self.shared.update(|state| {
            for open in state.open.values() {
                open.client.send_replace(Some(how));
                if both {
                    open.server.send_replace(Some(how));
                }
            }
        });
    }

    /// The next request, from this call on, that contains these bytes.
    #[must_use]
    pub fn next_request(&self, needle: impl AsRef<[u8]>) -> Expectation {
        Expectation::new(&self.shared, Way::Request, needle.as_ref())
    }

    /// The next reply, from this call on, to a request that contains these bytes.
    #[must_use]
    pub fn next_reply_to(&self, needle: impl AsRef<[u8]>) -> Expectation {
        Expectation::new(&self.shared, Way::Reply, needle.as_ref())
    }

    /// Everything that has reached the proxy, in order of arrival.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.shared.read().messages.clone()
    }

    /// What passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.read().counts
    }

    /// How many connections are open now, on at least one side.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.read().open.len()
    }

    /// Waits until so many connections were made since the start.
    ///
    /// # Panics
    /// When that does not happen within 20 seconds.
    pub async fn connected(&self, count: u64) {
        let shared = Arc::clone(&self.shared);
        let reached = bounded(async move {
            shared
                .wait(|state| (state.counts.connections >= count).then_some(()))
                .await;
        });
        assert!(
            reached.await.is_some(),
            "only {:?} of {count} connections came",
            self.counts()
        );
    }

    /// Waits until no connection is open on either side.
    ///
    /// # Panics
    /// When that does not happen within 20 seconds.
    pub async fn disconnected(&self) {
        let shared = Arc::clone(&self.shared);
        let reached = bounded(async move {
            shared
                .wait(|state| state.open.is_empty().then_some(()))
                .await
        });
        assert!(
            reached.await.is_some(),
            "{} connections are still open",
            self.open_connections()
        );
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The connections belong to this task and end with it.
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, target: Arc<AtomicU16>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        if shared.read().refuses {
            let _ = client.set_zero_linger();
            continue;
        }
        connections.spawn(connection::carry(
            Arc::clone(&shared),
            client,
            target.load(Ordering::Relaxed),
        ));
    }
}

#[cfg(test)]
mod tests;
