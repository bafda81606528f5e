//! Whom a server follows, and who follows it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{change::Change, config::Now, db::Dataset, state::State, stream};

/// How often a master says something to its replicas when there is nothing to say, in microseconds of the monotonic clock.
const PING_US: u64 = 10_000_000;
/// A peer that was silent for this long is gone, in microseconds of the monotonic clock (`repl-timeout`).
pub(super) const TIMEOUT_US: u64 = 60_000_000;

/// Where a master listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// How far a replica has come with its master.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MasterLink {
    /// There is no connection.
    #[default]
    Connect,
    /// One is being opened.
    Connecting,
    /// They introduce themselves.
    Handshake,
    /// The copy is on its way.
    Sync,
    /// The replica has a copy, and receives what changes.
    Connected,
}

impl MasterLink {
    /// As ROLE says it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connecting => "connecting",
            Self::Handshake => "handshake",
            Self::Sync => "sync",
            Self::Connected => "connected",
        }
    }
}

/// A replica, as its master knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Replica {
    pub(super) address: String,
    pub(super) port: u16,
    /// It asked for the copy; before that it only introduced itself.
    pub(super) online: bool,
    /// How much of the stream it says that it has.
    pub(super) acknowledged: u64,
    pub(super) heard_us: u64,
    /// What it has yet to be sent.
    pub(super) output: Vec<u8>,
}

/// All of it. A server that never had to do with replication has none.
#[derive(Clone, Debug, Default)]
pub(super) struct Replication {
    pub(super) master: Option<Master>,
    /// Raised by every change of master.
    pub(super) turns: u64,
    pub(super) link: MasterLink,
    pub(super) heard_us: u64,
    pub(super) down_since_us: u64,
    /// Bytes of the stream that are no whole command yet.
    pub(super) inbox: Vec<u8>,
    /// The database that the stream received speaks of.
    pub(super) inbox_db: usize,
    /// By client id.
    pub(super) replicas: BTreeMap<u64, Replica>,
    /// Whether there is a stream, which counts its bytes: since the first replica came, or as one.
    pub(super) backlog: bool,
    pub(super) offset: u64,
    /// The database that the stream sent speaks of.
    pub(super) stream_db: Option<usize>,
    pub(super) next_ping_us: u64,
    /// The id as a replica, before the promotion; and up to where that stream counts.
    pub(super) inherited: Option<(String, u64)>,
    /// How many ids this process has had.
    pub(super) ids: u64,
}

impl Replication {
    pub(super) fn online(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(|replica| replica.online)
    }

    /// Adds to the stream, and to what every replica is to be sent.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.offset += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let online = self.replicas.values_mut().filter(|replica| replica.online);
        online.for_each(|replica| replica.output.extend_from_slice(bytes));
    }
}

impl State {
    /// Whether it refuses writes and leaves expiry to somebody else.
    pub(super) fn is_replica(&self) -> bool {
        self.config.replica || self.replication.master.is_some()
    }

    /// Tells the replicas of a change that is about to be made.
    pub(super) fn replicate(&mut self, change: &Change) {
        let replication = &mut self.replication;
        // What a replica is told it passes on as it came.
        if !replication.backlog || replication.master.is_some() {
            return;
        }
        let mut bytes = Vec::new();
        stream::write(&mut bytes, change, &self.data, &mut replication.stream_db);
        replication.send(&bytes);
    }

    /// A replica wants everything: the answer, and the copy. From now on it is told what changes.
    pub(super) fn full_copy(&mut self, client: u64) -> Vec<u8> {
        if !self.replication.backlog {
            // Nobody has an older history to continue.
            self.new_replication_id();
            self.replication.inherited = None;
            self.replication.backlog = true;
        }
        let now_us = self.now.monotonic_us;
        let replication = &mut self.replication;
        // The stream says anew which database it speaks of.
        replication.stream_db = None;
        replication.next_ping_us = now_us.saturating_add(PING_US);
        let offset = replication.offset;
        let replica = replication.replicas.entry(client).or_default();
        if replica.address.is_empty() {
            replica.address = "127.0.0.1".to_owned();
        }
        replica.online = true;
        replica.heard_us = now_us;
        replica.acknowledged = offset;
        let copy = copy(&self.data);
        let head = format!(
            "+FULLRESYNC {} {offset}\r\n${}\r\n",
            self.replication_id,
            copy.len()
        );
        [head.into_bytes(), copy].concat()
    }

    /// Follows a master, or nobody: what REPLICAOF does.
    pub(super) fn follow(&mut self, master: Option<Master>) {
        if self.replication.master == master {
            return;
        }
        // Its replicas have to hear of the new history.
        self.drop_replicas(|_| true);
        if master.is_none() {
            let next = self.replication.offset.saturating_add(1);
            let old = self.replication_id.clone();
            self.new_replication_id();
            self.replication.inherited = Some((old, next));
            self.replication.stream_db = None;
        }
        let replication = &mut self.replication;
        replication.master = master;
        replication.turns += 1;
        replication.link = MasterLink::Connect;
        replication.down_since_us = self.now.monotonic_us;
        replication.inbox.clear();
    }

    fn new_replication_id(&mut self) {
        self.replication.ids += 1;
        let word = self.replication.ids + 1;
        self.replication_id = super::server::identifier(self.config.seed, self.starts, word);
    }

    /// What a master does by itself.
    pub(super) fn replication_beat(&mut self, now: Now) {
        let replication = &mut self.replication;
        if replication.replicas.is_empty() {
            return;
        }
        if replication.master.is_none() && now.monotonic_us >= replication.next_ping_us {
            replication.next_ping_us = now.monotonic_us.saturating_add(PING_US);
            replication.send(b"*1\r\n$4\r\nPING\r\n");
        }
        let silent = |since: u64| now.monotonic_us.saturating_sub(since) > TIMEOUT_US;
        self.drop_replicas(|replica| replica.online && silent(replica.heard_us));
    }

    /// Ends the connections to replicas.
    pub(super) fn drop_replicas(&mut self, which: impl Fn(&Replica) -> bool) {
        let replicas = &mut self.replication.replicas;
        let dropped = replicas.iter().filter(|(_, replica)| which(replica));
        let dropped: Vec<u64> = dropped.map(|(client, _)| *client).collect();
        for client in dropped {
            replicas.remove(&client);
            self.clients.remove(&client);
            self.killed.insert(client);
        }
    }
}

/// Everything that a server holds, as the commands that make it.
fn copy(data: &Dataset) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (nothing, mut database) = (Dataset::default(), None);
    for (db, key, entry) in data.all() {
        let change = Change::Set {
            db,
            key: key.clone(),
            value: entry.value.clone(),
            expires_at_ms: entry.expires_at_ms,
        };
        stream::write(&mut bytes, &change, &nothing, &mut database);
    }
    bytes
}
