//! What clients and the store say to each other: one JSON object per line.

use serde::{Deserialize, Serialize};

use crate::history::OperationId;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) operation: OperationId,
    pub(super) resource: String,
    pub(super) token: Option<u64>,
    /// The value to write; `None` reads.
    pub(super) write: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done { value: u64 },
    Refused { highest: u64 },
}
