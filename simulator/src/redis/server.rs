//! One server: its process, its disk and its connections.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{
    binary::Binary,
    change::Change,
    command::{Call, dispatch, transaction},
    config::{Config, Now, Persistence},
    db::Dataset,
    replication::Replication,
    reply,
    request::{self, Limits, Request},
    script,
    session::{Muted, Session},
    state::{ClientEntry, State},
    value::Value,
};

/// How often the server looks after its keys and its disk by itself, in microseconds of the monotonic clock.
const CRON_US: u64 = 100_000;

/// A connection to one server, as the host knows it. Never used twice, unlike the numbers of CLIENT ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId(pub u64);

/// What comes of bytes that a client sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Bytes to write to the client.
    pub reply: Vec<u8>,
    /// The connection is to be closed once they are written.
    pub close: bool,
    /// Other connections that are to be closed at once: CLIENT KILL. The server knows them no more.
    pub closed: Vec<ConnectionId>,
    /// Requests wait because of CLIENT PAUSE: [`Server::receive`] is to be called again, with no bytes, when the wall clock
    /// shows this, in microseconds since the Unix epoch. Earlier does no harm.
    pub held_until_us: Option<u64>,
    /// Connections whose requests waited and need not any more: CLIENT UNPAUSE. Each wants a call with no bytes.
    pub resumed: Vec<ConnectionId>,
}

/// A key that a server holds, as checkers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// The database's number.
    pub db: usize,
    /// The key.
    pub key: &'a Binary,
    /// What it holds.
    pub value: &'a Value,
    /// When it expires, in milliseconds since the Unix epoch on the server's wall clock; none means never.
    pub expires_at_ms: Option<i64>,
}

#[derive(Default)]
struct Connection {
    session: Session,
    buffer: Vec<u8>,
    held: bool,
}

/// A redis-server process and its disk.
///
/// It reads no clock and wakes up by nobody: whoever calls says what the time is. Nothing but the calls and the configuration
/// decides what it does, to the byte.
///
/// ```
/// use simulator::redis::{Config, Now, Server};
///
/// let mut now = Now { wall_us: 1_700_000_000_000_000, monotonic_us: 0 };
/// let mut server = Server::new(Config::default(), now);
/// let client = server.connect(now);
/// assert_eq!(server.receive(client, b"SET lock me NX PX 50\r\n", now).reply, b"+OK\r\n");
/// now.wall_us += 50_000;
/// assert_eq!(server.receive(client, b"GET lock\r\n", now).reply, b"$2\r\nme\r\n");
/// now.wall_us += 1_000;
/// assert_eq!(server.receive(client, b"GET lock\r\n", now).reply, b"$-1\r\n");
/// ```
pub struct Server {
    pub(super) state: State,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    next_client: u64,
    running: bool,
    next_cron_us: u64,
    /// What memory held when the process ended.
    before: Dataset,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("run_id", &self.state.run_id)
            .field("running", &self.running)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server on an empty disk.
    #[must_use]
    pub fn new(config: Config, now: Now) -> Self {
        let mut server = Self {
            state: State {
                config,
                ..State::default()
            },
            connections: BTreeMap::new(),
            next_connection: 0,
            next_client: 0,
            running: false,
            next_cron_us: 0,
            before: Dataset::default(),
        };
        server.restart(now);
        server
    }

    /// Makes the server a replica, which refuses writes, or a master again; its data stay as they are.
    pub fn set_replica(&mut self, replica: bool) {
        self.state.config.replica = replica;
    }

    /// Ends a CLIENT PAUSE. For who is not a client: with ALL it holds everybody's CLIENT UNPAUSE as well.
    pub fn end_pause(&mut self) -> Received {
        let mut received = Received::default();
        self.state.pause = None;
        for (id, connection) in &mut self.connections {
            if std::mem::take(&mut connection.held) {
                received.resumed.push(*id);
            }
        }
        received
    }

    /// Sets the limit on memory, as CONFIG SET does, also while no process runs: the next one has it.
    pub fn set_maxmemory(&mut self, bytes: u64) {
        self.state.config.maxmemory = bytes;
    }

    /// How much memory it says it uses, in bytes.
    #[must_use]
    pub fn used_memory(&self) -> u64 {
        self.state.used_memory()
    }

    /// Whether the process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// The process' run id; the last one's when none runs.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.state.run_id
    }

    /// How it is set up now, CONFIG SET included.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// Accepts a connection.
    ///
    /// # Panics
    /// When the process does not run: its host refuses connections then.
    pub fn connect(&mut self, now: Now) -> ConnectionId {
        assert!(self.running, "nobody accepts connections");
        self.next_connection += 1;
        self.next_client += 1;
        let (id, client_id) = (ConnectionId(self.next_connection), self.next_client);
        let session = Session {
            client_id,
            authenticated: self.state.config.password.is_none(),
            since_us: now.wall_us,
            ..Session::default()
        };
        let entry = ClientEntry {
            name: Vec::new(),
            address: format!("127.0.0.1:{}", 40_000 + id.0),
            since_us: now.wall_us,
        };
        self.state.clients.insert(client_id, entry);
        let connection = Connection {
            session,
            ..Connection::default()
        };
        self.connections.insert(id, connection);
        id
    }

    /// Forgets a connection that the client, or the network, has ended. What it sent and was not yet executed is not
    /// executed.
    pub fn disconnect(&mut self, id: ConnectionId) {
        if let Some(mut connection) = self.connections.remove(&id) {
            self.forget(&mut connection.session);
        }
    }

    fn forget(&mut self, session: &mut Session) {
        let mut call = Call {
            state: &mut self.state,
            session,
            words: &[],
            name: "",
        };
        transaction::abandon(&mut call);
        self.state.clients.remove(&session.client_id);
        let replicas = &mut self.state.replication.replicas;
        replicas.remove(&session.client_id);
    }

    /// Takes bytes from a client, executes the requests that are complete, in order, and answers them. Bytes for a
    /// connection that is no more go nowhere.
    pub fn receive(&mut self, id: ConnectionId, bytes: &[u8], now: Now) -> Received {
        let mut received = Received::default();
        let Some(mut connection) = self.connections.remove(&id) else {
            received.close = true;
            return received;
        };
        self.advance(now);
        self.state.now = now;
        connection.buffer.extend_from_slice(bytes);
        self.serve(&mut connection, &mut received);
        self.state.disk.fsync_when_due(now);
        self.end_killed(&mut received);
        if connection.session.closing {
            received.close = true;
            self.forget(&mut connection.session);
        } else {
            self.connections.insert(id, connection);
        }
        if self.state.paused().is_none() {
            self.resume(id, &mut received);
        }
        received
    }

    /// Executes what is complete in a connection's buffer.
    fn serve(&mut self, connection: &mut Connection, received: &mut Received) {
        let Connection {
            session,
            buffer,
            held,
        } = connection;
        *held = false;
        let mut used = 0;
        while !session.closing {
            let limits = Limits {
                args: if self.state.config.version.is_7() {
                    i64::from(i32::MAX)
                } else {
                    1024 * 1024
                },
                stranger: !session.authenticated,
            };
            match request::parse(buffer.get(used..).unwrap_or_default(), limits) {
                Request::Incomplete => break,
                Request::Empty(bytes) => used += bytes,
                Request::Broken(text) => {
                    reply::error(&mut received.reply, &text.into());
                    session.closing = true;
                }
                Request::Command(words, bytes) => {
                    match dispatch::request(&mut self.state, session, &words) {
                        dispatch::Fate::Held => {
                            *held = true;
                            let until_ms = self.state.pause.map_or(0, |pause| pause.until_ms);
                            received.held_until_us = u64::try_from(until_ms)
                                .ok()
                                .map(|ms| ms.saturating_mul(1000));
                            break;
                        }
                        dispatch::Fate::Answered(outcome) => {
                            used += bytes;
                            answer(session, outcome, &mut received.reply);
                        }
                    }
                }
            }
        }
        buffer.drain(..used);
    }

    /// The client id of a connection.
    pub(super) fn client_of(&self, id: ConnectionId) -> Option<u64> {
        let connection = self.connections.get(&id)?;
        Some(connection.session.client_id)
    }

    /// The connection of a client id.
    pub(super) fn connection_of(&self, client: u64) -> Option<ConnectionId> {
        let mut all = self.connections.iter();
        let found = all.find(|(_, connection)| connection.session.client_id == client);
        found.map(|(id, _)| *id)
    }

    pub(super) fn end_killed(&mut self, received: &mut Received) {
        for client in std::mem::take(&mut self.state.killed) {
            if let Some(id) = self.connection_of(client) {
                self.disconnect(id);
                received.closed.push(id);
            }
        }
    }

    fn resume(&mut self, except: ConnectionId, received: &mut Received) {
        for (id, connection) in &mut self.connections {
            if connection.held && *id != except {
                connection.held = false;
                received.resumed.push(*id);
            }
        }
    }

    /// Does what the server does by itself: the fsync of every second, snapshots, deleting expired keys. To be called when
    /// [`next_timer_us`](Self::next_timer_us) says so, or at any other time: every other method does it first. As long as the wall
    /// clock runs evenly it makes no difference how late that is.
    pub fn advance(&mut self, now: Now) {
        if !self.running || now.monotonic_us < self.next_cron_us {
            return;
        }
        // The beats before the last found nothing that it does not find; it came when it was due, however late we hear.
        let since = (now.monotonic_us - self.next_cron_us) % CRON_US;
        self.next_cron_us = now.monotonic_us - since + CRON_US;
        self.state.now = Now {
            wall_us: now.wall_us.saturating_sub(since),
            monotonic_us: now.monotonic_us - since,
        };
        self.state.disk.fsync_when_due(self.state.now);
        self.state.save_when_due();
        self.state.replication_beat(self.state.now);
        if !self.state.config.lazy_expiry_only {
            self.state.expire_all();
        }
    }

    /// When [`advance`](Self::advance) is next wanted, in microseconds of the monotonic clock; none while nothing is to be
    /// done. It changes with everything that happens to the server.
    #[must_use]
    pub fn next_timer_us(&self, now: Now) -> Option<u64> {
        let state = &self.state;
        let expiry = state
            .data
            .earliest_expiry_ms()
            .filter(|_| !state.config.lazy_expiry_only && !state.is_replica());
        let expiry = expiry
            .and_then(|at| u64::try_from(at).ok())
            .map(|ms| ms.saturating_add(1).saturating_mul(1000));
        let due = [expiry, state.disk.next_fsync_us(), state.next_save_us()];
        let wall = due.into_iter().flatten().min().filter(|_| self.running)?;
        // If the wall clock runs evenly; it is looked at again then.
        let wanted = now
            .monotonic_us
            .saturating_add(wall.saturating_sub(now.wall_us));
        let beats = wanted.saturating_sub(self.next_cron_us).div_ceil(CRON_US);
        Some(
            self.next_cron_us
                .saturating_add(beats.saturating_mul(CRON_US)),
        )
    }

    /// The process dies (SIGKILL): what it handed to the operating system survives.
    pub fn crash(&mut self, now: Now) {
        self.advance(now);
        self.stop();
    }

    /// The machine loses power: what was fsynced survives.
    pub fn power_loss(&mut self, now: Now) {
        self.advance(now);
        self.stop();
        self.state.disk.lose_power();
    }

    /// The process ends as an operator would end it (SIGTERM): with the append-only file written, and a snapshot if there are
    /// save points.
    pub fn shutdown(&mut self, now: Now) {
        if !self.running {
            return;
        }
        self.advance(now);
        self.state.now = now;
        self.state.disk.fsync(now);
        if matches!(&self.state.config.persistence, Persistence::Rdb { save_points } if !save_points.is_empty())
        {
            self.state.save();
        }
        self.stop();
    }

    /// The disk is lost. A process that runs keeps its memory.
    pub fn wipe(&mut self) {
        self.state.disk = super::persistence::Disk::default();
    }

    fn stop(&mut self) {
        if !self.running {
            return;
        }
        self.running = false;
        self.connections.clear();
        self.before = std::mem::take(&mut self.state.data);
        self.state.tell(Change::Stopped);
    }

    /// Ends the process if it runs, and starts one that loads what the disk kept. It has a new run id, knows no scripts, and
    /// counts its clients anew.
    pub fn restart(&mut self, now: Now) {
        self.advance(now);
        self.stop();
        let starts = self.state.starts + 1;
        let (changes, old) = (self.state.drain_changes(), std::mem::take(&mut self.state));
        let mut disk = old.disk;
        let random = |word: u64| identifier(old.config.seed, starts, word);
        self.state = State {
            now,
            data: disk.load(),
            random: script::SEED_7_0,
            run_id: random(0),
            replication_id: random(1),
            started_us: now.wall_us,
            last_save_s: now.wall_s(),
            replication: Replication {
                master: old.config.replica_of.clone(),
                turns: old.replication.turns + 1,
                down_since_us: now.monotonic_us,
                ..Replication::default()
            },
            starts,
            config: old.config,
            ..State::default()
        };
        disk.open(now);
        self.state.disk = disk;
        // Redis makes two clients of its own before it accepts any.
        self.next_client = 2;
        self.running = true;
        self.next_cron_us = now.monotonic_us.saturating_add(CRON_US);
        changes
            .into_iter()
            .for_each(|change| self.state.tell(change));
        self.state.tell(Change::Started {
            run_id: self.state.run_id.clone(),
        });
        self.tell_loaded();
    }

    fn tell_loaded(&mut self) {
        if matches!(self.state.config.persistence, Persistence::Rdb { .. }) {
            self.state.drop_expired_at_load();
        }
        let loaded = self.state.data.all().map(|(db, key, entry)| Change::Set {
            db,
            key: key.clone(),
            value: entry.value.clone(),
            expires_at_ms: entry.expires_at_ms,
        });
        let before = std::mem::take(&mut self.before);
        let lost = before.all().filter(|(db, key, entry)| {
            let now = self.state.data.entry(*db, key.as_bytes());
            now.is_none_or(|now| {
                now.value != entry.value || now.expires_at_ms != entry.expires_at_ms
            })
        });
        let lost = lost.map(|(db, key, _)| Change::Lost {
            db,
            key: key.clone(),
        });
        let all: Vec<_> = loaded.chain(lost).collect();
        all.into_iter().for_each(|change| self.state.tell(change));
    }

    /// What changed since the last call, in order.
    #[must_use]
    pub fn drain_changes(&mut self) -> Vec<Change> {
        self.state.drain_changes()
    }

    /// All keys, expired ones that were not deleted yet included, in the order of databases and keys. None while the process
    /// does not run.
    pub fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        self.state.data.all().map(|(db, key, entry)| Key {
            db,
            key,
            value: &entry.value,
            expires_at_ms: entry.expires_at_ms,
        })
    }

    /// The string at a key of database 0 that a client would see at this time, and when it expires.
    #[must_use]
    pub fn string(&self, key: &[u8], now: Now) -> Option<(&[u8], Option<i64>)> {
        let entry = self.state.data.entry(0, key)?;
        let rule = self.state.config.expiry;
        let gone = entry
            .expires_at_ms
            .is_some_and(|at| rule.expired(at, now.wall_ms()));
        match &entry.value {
            Value::String(value) if !gone => Some((value.as_bytes(), entry.expires_at_ms)),
            _ => None,
        }
    }
}

/// Writes the reply to a request, unless the client wants none.
fn answer(session: &mut Session, outcome: reply::Outcome, out: &mut Vec<u8>) {
    match session.muted {
        Muted::No => match outcome {
            Ok(reply) => session.protocol.write(out, &reply),
            Err(failure) => reply::error(out, &failure),
        },
        Muted::Next => session.muted = Muted::This,
        Muted::This => session.muted = Muted::No,
        Muted::Always => {}
    }
}

/// 40 hexadecimal digits out of a seed.
pub(super) fn identifier(seed: u64, start: u64, word: u64) -> String {
    let mut state = mix(mix(mix(seed) ^ start) ^ word);
    let mut text = String::with_capacity(48);
    while text.len() < 40 {
        state = mix(state);
        text += &format!("{state:016x}");
    }
    text.truncate(40);
    text
}

/// Spreads the bits of a number (the finaliser of splitmix64).
pub(super) fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests;
