//! The stream from a master to its replicas: what happened to the data, as commands that do it again.
//!
//! Times are absolute and scripts are what they came to, as in Redis, so that replicas agree whatever their clocks show. A
//! key that expired is a DEL of the master's.

use super::{
    binary::Binary,
    change::{Change, Why},
    db::{Dataset, Entry},
    number,
    state::State,
    value::{Hash, Value},
};

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends what makes `change` where the data are `before`. `said` is the database that the stream speaks of.
pub(super) fn write(
    out: &mut Vec<u8>,
    change: &Change,
    before: &Dataset,
    said: &mut Option<usize>,
) {
    let mut select = |out: &mut Vec<u8>, db: usize| {
        if said.replace(db) != Some(db) {
            command(out, &[b"SELECT", db.to_string().as_bytes()]);
        }
    };
    match change {
        Change::Set {
            db,
            key,
            value,
            expires_at_ms,
        } => {
            select(out, *db);
            let at = expires_at_ms.map(|at| at.to_string());
            match value {
                Value::String(text) => match &at {
                    Some(at) => {
                        command(out, &[b"SET", &key.0, &text.0, b"PXAT", at.as_bytes()]);
                    }
                    None => command(out, &[b"SET", &key.0, &text.0]),
                },
                Value::Hash(hash) => {
                    if before.entry(*db, key.as_bytes()).is_some() {
                        command(out, &[b"DEL", &key.0]);
                    }
                    let fields = hash.in_order().into_iter();
                    let mut words: Vec<&[u8]> = vec![b"HSET", &key.0];
                    words.extend(fields.flat_map(|(field, value)| [&*field.0, &*value.0]));
                    command(out, &words);
                    if let Some(at) = &at {
                        command(out, &[b"PEXPIREAT", &key.0, at.as_bytes()]);
                    }
                }
            }
        }
        Change::Fields { db, key, fields } => {
            select(out, *db);
            for (field, value) in fields {
                match value {
                    Some(value) => command(out, &[b"HSET", &key.0, &field.0, &value.0]),
                    None => command(out, &[b"HDEL", &key.0, &field.0]),
                }
            }
        }
        Change::Expiry {
            db,
            key,
            expires_at_ms,
        } => {
            select(out, *db);
            match expires_at_ms {
                Some(at) => command(out, &[b"PEXPIREAT", &key.0, at.to_string().as_bytes()]),
                None => command(out, &[b"PERSIST", &key.0]),
            }
        }
        Change::Deleted { db, key, .. } => {
            select(out, *db);
            command(out, &[b"DEL", &key.0]);
        }
        Change::Flushed { db: Some(db) } => {
            select(out, *db);
            command(out, &[b"FLUSHDB"]);
        }
        Change::Flushed { db: None } => command(out, &[b"FLUSHALL"]),
        Change::Stopped | Change::Started { .. } | Change::Lost { .. } => {}
    }
}

/// The change that a command of the stream makes to `state`, if it makes one. Whether a time is over does not matter: the
/// master has the say.
pub(super) fn read(state: &State, db: usize, words: &[Vec<u8>]) -> Option<Change> {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let there = |key: &[u8]| state.data.entry(db, key);
    let key = || Some(Binary::from(*words.get(1)?));
    match *words.as_slice() {
        [b"SET", name, value] => Some(Change::Set {
            db,
            key: name.into(),
            value: Value::String(value.into()),
            expires_at_ms: None,
        }),
        [b"SET", name, value, b"PXAT", at] => Some(Change::Set {
            db,
            key: name.into(),
            value: Value::String(value.into()),
            expires_at_ms: Some(number::parse(at)?),
        }),
        [b"HSET", name, ref fields @ ..] => {
            let fields = fields.chunks_exact(2);
            let fields = fields.map(|pair| (Binary::from(pair[0]), Binary::from(pair[1])));
            if matches!(
                there(name),
                Some(Entry {
                    value: Value::Hash(_),
                    ..
                })
            ) {
                let fields = fields.map(|(field, value)| (field, Some(value))).collect();
                let key = key()?;
                return Some(Change::Fields { db, key, fields });
            }
            let mut hash = Hash::default();
            fields.for_each(|(field, value)| {
                hash.set(field, value);
            });
            Some(Change::Set {
                db,
                key: name.into(),
                value: Value::Hash(hash),
                expires_at_ms: None,
            })
        }
        [b"HDEL", name, field] => there(name).and(key()).map(|key| Change::Fields {
            db,
            key,
            fields: vec![(field.into(), None)],
        }),
        [b"PEXPIREAT", name, at] => {
            let at = number::parse(at)?;
            there(name).and(key()).map(|key| Change::Expiry {
                db,
                key,
                expires_at_ms: Some(at),
            })
        }
        [b"PERSIST", name] => there(name).and(key()).map(|key| Change::Expiry {
            db,
            key,
            expires_at_ms: None,
        }),
        [b"DEL", name] => there(name).map(|entry| Change::Deleted {
            db,
            key: name.into(),
            why: if state.is_past(entry.expires_at_ms) {
                Why::Expired
            } else {
                Why::Deleted
            },
        }),
        [b"FLUSHDB"] => Some(Change::Flushed { db: Some(db) }),
        [b"FLUSHALL"] => Some(Change::Flushed { db: None }),
        _ => None,
    }
}
