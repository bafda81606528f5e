//! What happened to a server's data, for the history.

use serde::{Deserialize, Serialize};

use super::{binary::Binary, value::Value};

/// Why a key is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// A client deleted it, or gave it an expiry time in the past.
    Deleted,
    /// Its time was over and somebody asked for it, or the server looked for such keys. Until then an expired key is
    /// invisible but there: a wall clock that steps back brings it to life again.
    Expired,
    /// Memory was full.
    Evicted,
}

/// One change of a server's state. Applied in order to an empty map they give its contents: [`Change::Started`] empties it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub enum Change {
    /// A key holds a new value. Any expiry time it had is replaced by this one.
    Set {
        /// The database's number.
        db: usize,
        /// The key.
        key: Binary,
        /// What it holds now.
        value: Value,
        /// When it expires, in milliseconds since the Unix epoch on the server's wall clock; none means never.
        expires_at_ms: Option<i64>,
    },
    /// Fields of a hash were set or, where there is no value, removed.
    Fields {
        /// The database's number.
        db: usize,
        /// The key.
        key: Binary,
        /// The fields.
        fields: Vec<(Binary, Option<Binary>)>,
    },
    /// A key expires at another time.
    Expiry {
        /// The database's number.
        db: usize,
        /// The key.
        key: Binary,
        /// The new time, in milliseconds since the Unix epoch on the server's wall clock; none means never.
        expires_at_ms: Option<i64>,
    },
    /// A key is gone.
    Deleted {
        /// The database's number.
        db: usize,
        /// The key.
        key: Binary,
        /// Why.
        why: Why,
    },
    /// A database, or all of them, was emptied by a client.
    Flushed {
        /// The database's number; none means all.
        db: Option<usize>,
    },
    /// The process ended, in whatever way; its memory is gone.
    Stopped,
    /// The process runs, with an empty memory; a [`Change::Set`] for each key that its disk brought back follows.
    Started {
        /// Its new run id.
        run_id: String,
    },
    /// A key that memory held when the process ended came back with an older state, or not at all. Follows the
    /// [`Change::Set`]s of a start.
    Lost {
        /// The database's number.
        db: usize,
        /// The key.
        key: Binary,
    },
}
