//! The history of a run: everything that happened, on true time.
//!
//! Hosts record [`Event`]s through a [`Recorder`] as they happen; the [`History`] orders them by (true time, host,
//! sequence), which is the same however the network under the world schedules hosts. It is saved as
//! `history.jsonl`, and [`first_difference`] names where two of them part. Checkers and truth are computed from
//! histories and nothing else.
//!
//! # The file
//!
//! One event per line, a JSON object. Every line has
//!
//! | field | is |
//! |---|---|
//! | `at_ns` | true time, nanoseconds since the world began |
//! | `host` | `node-1` …, `client-1` …, `store`; `world` for what no host did |
//! | `sequence` | number of the event on its host, from 0; `host#sequence` names the event |
//! | `event` | what happened, one of the following |
//!
//! | `event` | fields |
//! |---|---|
//! | `clock` | `clock`: `wall`, `monotonic`, `raw` or `boot`; from `from_ns` (true time) on it shows `local_ns` (nanoseconds since its own origin, 1970 for `wall`) and gains `rate_error_ppm` microseconds per second (−1,000,000: frozen) |
//! | `fault_began` | `window`: place in the plan from 0; `fault`: in words; `hosts`: whom it hit |
//! | `fault_ended` | `window` |
//! | `healed` | all faults over, all hosts up: progress is due from here on |
//! | `started` | `incarnation`: how many times it started before |
//! | `paused`, `resumed` | the process is not scheduled, and is again |
//! | `crashed` | `power_lost`, `data_lost`: true or false |
//! | `panicked` | `message` |
//! | `invoke` | `operation`: its id; `operation_kind`: `acquire` (`resource`), `extend` (`lease`, `ttl_ms` milliseconds), `release` (`lease`), `read` (`resource`, `lease`, `token`) or `write` (the same and `value`) |
//! | `return` | `operation`; `outcome`: `acquired` (`owner` token in hexadecimal or null, `fencing_token` or null; the lease is named like the operation), `ok` (`value` read or null), `fail` (`error`: it had no effect) or `info` (`error`: nobody knows) |
//! | `attempt` | `operation`, `owner`, `won`, `granted`: nodes, `published`: the fencing token took a second round |
//! | `deadline` | `lease`; it is over as soon as one of the clocks in `since_ns` (pairs of clock and what it showed, nanoseconds) has counted `left_ns` nanoseconds more |
//! | `belief_ended` | `lease`, `why`: the holder was told or looked |
//! | `node` | `by`: the host whose command it was, or null; `change`: `set` (`key`, `owner`, `expires_wall_ms`: the node's wall clock, milliseconds since 1970, or null), `removed` (`key`, `owner`, `why`: `deleted`, `expired`, `evicted`, `flushed`, `lost` or `overwritten`), `counter` (`stripe`, `counter`) or `votes` (`votes`: true or false; a node of which nothing is said votes) |
//! | `store` | `operation`; `access`: `read` or `written` (`resource`, `token` or null, `value`) or `refused` (`resource`, `token`, `highest` seen) |
//! | `sent` | `to`, `connection` and `segment` (numbers from 0), `bytes`, `latency_ns` nanoseconds |
//!
//! # Where to read
//!
//! [`Event`] for what there is, [`Recorder`] for how it gets there, checkers for what follows from it.

mod difference;
mod event;
mod file;
mod log;
mod recorder;

#[cfg(test)]
mod tests;

pub use self::{
    difference::{Difference, first_difference},
    event::{
        Ends, Event, EventId, EventKind, HostName, LeaseId, NodeChange, Operation, OperationId,
        Outcome, Removal, StoreAccess,
    },
    file::ReadError,
    log::History,
    recorder::Recorder,
};
