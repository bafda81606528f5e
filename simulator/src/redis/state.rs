//! The process: its memory, and everything that commands read or alter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{
    binary::Binary,
    change::{Change, Why},
    config::{Config, Now},
    db::{Dataset, Entry},
    persistence::Disk,
    replication::Replication,
    reply::Failure,
    session::Dirty,
    value::Value,
};

/// A wrong type, in Redis' words.
pub(super) const WRONG_TYPE: &str =
    "WRONGTYPE Operation against a key holding the wrong kind of value";

/// One process and its disk.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) config: Config,
    pub(super) now: Now,
    pub(super) data: Dataset,
    pub(super) disk: Disk,
    /// Sources by SHA-1.
    pub(super) scripts: BTreeMap<String, Arc<[u8]>>,
    /// What `math.random` continues from in 7.0.
    pub(super) random: u64,
    pub(super) run_id: String,
    pub(super) replication_id: String,
    pub(super) replication: Replication,
    /// How often the process was started.
    pub(super) starts: u64,
    pub(super) started_us: u64,
    pub(super) last_save_s: i64,
    /// Changes since the last snapshot.
    pub(super) dirty: u64,
    /// CLIENT PAUSE.
    pub(super) pause: Option<Pause>,
    /// Who is connected, by client id.
    pub(super) clients: BTreeMap<u64, ClientEntry>,
    /// Client ids to disconnect.
    pub(super) killed: BTreeSet<u64>,
    /// Who watches a key.
    pub(super) watchers: BTreeMap<(usize, Binary), BTreeSet<u64>>,
    /// Whose watched keys were touched.
    pub(super) dirty_clients: Dirty,
    pub(super) changes: Vec<Change>,
    pub(super) uses: u64,
    pub(super) commands_processed: u64,
    pub(super) expired_keys: u64,
    pub(super) evicted_keys: u64,
}

/// Commands are held until the wall clock shows this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) until_ms: i64,
    /// All of them, or only those that write.
    pub(super) all: bool,
}

/// What other connections may know of one.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientEntry {
    pub(super) name: Vec<u8>,
    pub(super) address: String,
    pub(super) since_us: u64,
}

impl State {
    /// The pause that is still on.
    pub(super) fn paused(&mut self) -> Option<Pause> {
        if self
            .pause
            .is_some_and(|pause| pause.until_ms <= self.now.wall_ms())
        {
            self.pause = None;
        }
        self.pause
    }

    /// Whether an expiry time has passed.
    pub(super) fn is_past(&self, expires_at_ms: Option<i64>) -> bool {
        expires_at_ms.is_some_and(|at| self.config.expiry.expired(at, self.now.wall_ms()))
    }

    /// What a key holds, unless its time is over; then it is deleted first, as Redis does when somebody asks.
    pub(super) fn lookup(&mut self, db: usize, key: &[u8]) -> Option<&Entry> {
        let expires_at_ms = self.data.entry(db, key)?.expires_at_ms;
        if self.is_past(expires_at_ms) {
            // A replica waits for its master, and a paused server alters nothing.
            if !self.is_replica() && self.paused().is_none() {
                self.expire(db, &Binary::from(key));
            }
            return None;
        }
        if self.config.maxmemory > 0 {
            self.uses += 1;
            let uses = self.uses;
            if let Some(entry) = self.data.entry_mut(db, key) {
                entry.used = uses;
            }
        }
        self.data.entry(db, key)
    }

    /// The string that a key holds.
    pub(super) fn string(&mut self, db: usize, key: &[u8]) -> Result<Option<&Binary>, Failure> {
        match self.lookup(db, key) {
            None => Ok(None),
            Some(Entry {
                value: Value::String(value),
                ..
            }) => Ok(Some(value)),
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }

    /// The hash that a key holds.
    pub(super) fn hash(
        &mut self,
        db: usize,
        key: &[u8],
    ) -> Result<Option<&super::value::Hash>, Failure> {
        match self.lookup(db, key) {
            None => Ok(None),
            Some(Entry {
                value: Value::Hash(hash),
                ..
            }) => Ok(Some(hash)),
            Some(_) => Err(WRONG_TYPE.into()),
        }
    }

    /// Sets a key, whatever it held.
    pub(super) fn set(&mut self, db: usize, key: &[u8], value: Value, expires_at_ms: Option<i64>) {
        let key = Binary::from(key);
        self.change(Change::Set {
            db,
            key,
            value,
            expires_at_ms,
        });
    }

    /// Gives a key another expiry time.
    pub(super) fn set_expiry(&mut self, db: usize, key: &[u8], expires_at_ms: Option<i64>) {
        let key = Binary::from(key);
        self.change(Change::Expiry {
            db,
            key,
            expires_at_ms,
        });
    }

    /// Deletes a key, if there is one whose time is not over.
    pub(super) fn delete(&mut self, db: usize, key: &[u8]) -> bool {
        let there = self.lookup(db, key).is_some();
        if there {
            let (key, why) = (Binary::from(key), Why::Deleted);
            self.change(Change::Deleted { db, key, why });
        }
        there
    }

    /// Deletes a key whose time is over.
    pub(super) fn expire(&mut self, db: usize, key: &Binary) {
        self.expired_keys += 1;
        let (key, why) = (key.clone(), Why::Expired);
        self.change(Change::Deleted { db, key, why });
    }

    /// Empties one database or all.
    pub(super) fn flush(&mut self, db: Option<usize>) {
        let keys = self
            .data
            .all()
            .filter(|(owner, ..)| db.is_none_or(|db| db == *owner));
        let keys: Vec<_> = keys.map(|(owner, key, _)| (owner, key.clone())).collect();
        for (owner, key) in keys {
            self.touch(owner, &key);
        }
        self.change(Change::Flushed { db });
    }

    /// Makes a change: in memory, on disk, in the history, and known to those who watch the key.
    pub(super) fn change(&mut self, change: Change) {
        match &change {
            Change::Set { db, key, .. }
            | Change::Fields { db, key, .. }
            | Change::Expiry { db, key, .. }
            | Change::Deleted { db, key, .. } => self.touch(*db, key),
            _ => {}
        }
        self.dirty += 1;
        self.replicate(&change);
        self.data.apply(&change);
        self.disk.append(&change, &self.config.persistence);
        self.changes.push(change);
    }

    /// Adds to the history what is no change of data.
    pub(super) fn tell(&mut self, change: Change) {
        self.changes.push(change);
    }

    pub(super) fn drain_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Notes that a client's EXEC depends on a key.
    pub(super) fn watch(&mut self, client: u64, db: usize, key: &Binary) {
        let watchers = self.watchers.entry((db, key.clone())).or_default();
        watchers.insert(client);
    }

    /// Forgets that a client watched a key.
    pub(super) fn unwatch(&mut self, client: u64, db: usize, key: &Binary) {
        let place = (db, key.clone());
        if let Some(watchers) = self.watchers.get_mut(&place) {
            watchers.remove(&client);
            if watchers.is_empty() {
                self.watchers.remove(&place);
            }
        }
    }

    fn touch(&mut self, db: usize, key: &Binary) {
        if self.watchers.is_empty() {
            return;
        }
        if let Some(watchers) = self.watchers.get(&(db, key.clone())) {
            self.dirty_clients.extend(watchers);
        }
    }
}
