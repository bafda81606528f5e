//! The history of a run: everything that happened, on true time.
//!
//! Hosts record [`Event`]s as they happen; the history orders them by (true time, host, sequence), which is the
//! same however the network under the world schedules hosts. Saved as `history.jsonl`, one event per line.

mod event;

pub use self::event::{
    Ends, Event, EventKind, HostName, LeaseId, NodeChange, Operation, OperationId, Outcome,
    Removal, StoreAccess,
};
