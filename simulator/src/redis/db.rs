//! One database: keys, what they hold, and when they expire.

use std::collections::BTreeMap;

use super::{binary::Binary, change::Change, value::Value};

/// How many databases there are.
pub(super) const DATABASES: usize = 16;

/// What a key takes in memory beside its bytes; an estimate.
const OVERHEAD: usize = 96;

/// A key's value and when it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// Milliseconds since the Unix epoch, on the server's wall clock.
    pub(super) expires_at_ms: Option<i64>,
    /// When it was last used, in commands: for eviction.
    pub(super) used: u64,
}

/// All databases of a server, expired keys included: who asks decides what is gone.
#[derive(Clone, Debug, Default)]
pub(super) struct Dataset {
    dbs: BTreeMap<usize, BTreeMap<Binary, Entry>>,
    /// Roughly the memory that the keys take.
    size: usize,
    /// No key expires before this; looking at all of them makes it exact.
    earliest_ms: Option<i64>,
}

impl Dataset {
    pub(super) fn entry(&self, db: usize, key: &[u8]) -> Option<&Entry> {
        self.dbs.get(&db)?.get(key)
    }

    pub(super) fn entry_mut(&mut self, db: usize, key: &[u8]) -> Option<&mut Entry> {
        self.dbs.get_mut(&db)?.get_mut(key)
    }

    pub(super) fn keys(&self, db: usize) -> impl Iterator<Item = (&Binary, &Entry)> {
        self.dbs.get(&db).into_iter().flatten()
    }

    /// Everything, in the order of databases and keys.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Binary, &Entry)> {
        self.dbs
            .iter()
            .flat_map(|(db, keys)| keys.iter().map(|(key, entry)| (*db, key, entry)))
    }

    pub(super) fn len(&self, db: usize) -> usize {
        self.dbs.get(&db).map_or(0, BTreeMap::len)
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// A time before which no key expires.
    pub(super) fn earliest_expiry_ms(&self) -> Option<i64> {
        self.earliest_ms
    }

    pub(super) fn set_earliest_expiry_ms(&mut self, earliest: Option<i64>) {
        self.earliest_ms = earliest;
    }

    fn note_expiry(&mut self, at: Option<i64>) {
        self.earliest_ms = match (self.earliest_ms, at) {
            (Some(earliest), Some(at)) => Some(earliest.min(at)),
            (earliest, at) => earliest.or(at),
        };
    }

    fn insert(&mut self, db: usize, key: &Binary, value: Value, expires_at_ms: Option<i64>) {
        self.note_expiry(expires_at_ms);
        self.size += key.0.len() + value.size() + OVERHEAD;
        let entry = Entry {
            value,
            expires_at_ms,
            used: 0,
        };
        let old = self.dbs.entry(db).or_default().insert(key.clone(), entry);
        if let Some(old) = old {
            self.size -= key.0.len() + old.value.size() + OVERHEAD;
        }
    }

    fn remove(&mut self, db: usize, key: &Binary) {
        let old = self.dbs.get_mut(&db).and_then(|keys| keys.remove(key));
        if let Some(old) = old {
            self.size -= key.0.len() + old.value.size() + OVERHEAD;
        }
    }

    fn set_fields(&mut self, db: usize, key: &Binary, fields: &[(Binary, Option<Binary>)]) {
        let Some(Entry {
            value: Value::Hash(hash),
            ..
        }) = self.dbs.get_mut(&db).and_then(|keys| keys.get_mut(key))
        else {
            return;
        };
        for (field, value) in fields {
            let had = hash
                .field(field.as_bytes())
                .map_or(0, |old| field.0.len() + old.0.len() + 16);
            let has = value
                .as_ref()
                .map_or(0, |new| field.0.len() + new.0.len() + 16);
            match value {
                Some(value) => hash.set(field.clone(), value.clone()),
                None => hash.remove(field.as_bytes()),
            };
            self.size = self.size + has - had;
        }
    }

    /// Applies a change: the one way in which data is altered, in memory and on disk.
    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Set {
                db,
                key,
                value,
                expires_at_ms,
            } => self.insert(*db, key, value.clone(), *expires_at_ms),
            Change::Fields { db, key, fields } => self.set_fields(*db, key, fields),
            Change::Expiry {
                db,
                key,
                expires_at_ms,
            } => {
                self.note_expiry(*expires_at_ms);
                if let Some(entry) = self.entry_mut(*db, key.as_bytes()) {
                    entry.expires_at_ms = *expires_at_ms;
                }
            }
            Change::Deleted { db, key, .. } => self.remove(*db, key),
            Change::Flushed { db: Some(db) } => {
                let keys = self.dbs.remove(db).unwrap_or_default();
                let sizes = keys
                    .iter()
                    .map(|(key, entry)| key.0.len() + entry.value.size() + OVERHEAD);
                self.size -= sizes.sum::<usize>();
            }
            Change::Flushed { db: None } | Change::Started { .. } | Change::Stopped => {
                *self = Self::default()
            }
            Change::Lost { .. } => {}
        }
    }
}
