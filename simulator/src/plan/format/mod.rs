//! The file format of plans.
//!
//! TOML. Each fault is a table of its own, in any order:
//!
//! ```toml
//! end_ms = 10_000        # optional
//!
//! [[fault]]
//! kind = "hold"
//! from = "holder"
//! to = ["node-1", "quorum_of(holder)"]
//! direction = "one_way"
//! start_ms = 1200
//! duration_ms = 3000.5
//!
//! [[fault]]
//! kind = "clock_step"
//! target = "node-3"
//! clocks = ["wall"]
//! by_ms = -150
//! start_ms = 2000
//! ```
//!
//! # Types
//!
//! | type | is |
//! |---|---|
//! | ms | milliseconds as a number with at most three decimals (`1.5`, `0.001`), not negative; kept exactly |
//! | ppm | parts per million, an integer |
//! | host | a string: the name of a host (`"node-1"`, `"client-2"`, `"store"`) or a role (`"nodes"`, `"clients"`, `"holder"`, `"next_waiter"`, `"minority"`, `"majority"`, `"quorum_of(holder)"`, `"node_of(holder)"`, `"store"`), resolved when the fault begins |
//! | hosts | one host, or a list of at least one |
//!
//! # Fields of the file
//!
//! | field | type | default | means |
//! |---|---|---|---|
//! | `end_ms` | ms | none | no fault may begin at or after it; it is only checked, the length of a run belongs to its scenario |
//! | `[[fault]]` | tables | none | the faults; a file without any is a plan in which nothing goes wrong |
//!
//! # Fields of every fault
//!
//! | field | type | default | means |
//! |---|---|---|---|
//! | `kind` | string | required | see below |
//! | `start_ms` | ms | required | when it begins, since the world began |
//! | `duration_ms` | ms, above 0 | until the world heals | how long it lasts; kinds that happen at once have none |
//!
//! # Kinds
//!
//! On links: `from` (hosts, required), `to` (hosts, required), `direction` (`"both"`, the default, or `"one_way"`:
//! only what travels from `from` to `to` is hit).
//!
//! | kind | more fields | see |
//! |---|---|---|
//! | `hold` | | [`Fault::Hold`] |
//! | `cut` | | [`Fault::Cut`] |
//! | `slow` | `extra_ms_min`, `extra_ms_max` (ms, required, in this order of size) | [`Fault::Slow`] |
//! | `lose` | `loss_ppm` (0 to 1,000,000, required) | [`Fault::Lose`] |
//! | `reset` | at once | [`Fault::Reset`] |
//! | `flap` | `down_ms`, `up_ms` (ms, above 0, required) | [`Fault::Flap`] |
//!
//! On the whole network:
//!
//! | kind | more fields | see |
//! |---|---|---|
//! | `ring` | `hosts` (at least three different ones, required) | [`Fault::Ring`] |
//! | `bridge` | `left`, `right`, `bridge` (hosts, required; nobody is in two of them) | [`Fault::Bridge`] |
//!
//! On a host: `target` (host, required).
//!
//! | kind | more fields | see |
//! |---|---|---|
//! | `pause`, `suspend`, `stop_machine` | | [`Fault::Pause`], [`Fault::Suspend`], [`Fault::StopMachine`] |
//! | `crash`, `power_loss` | `lose_data` (true or false, default false) | [`Fault::Crash`], [`Fault::PowerLoss`] |
//! | `clock_step` | at once; `clocks`, `by_ms` (ms, negative is back, not 0, required) | [`Fault::ClockStep`] |
//! | `clock_drift` | `clocks`, `rate_error_ppm` (from −1,000,000, not 0, required) | [`Fault::ClockDrift`] |
//! | `clock_freeze` | `clocks` | [`Fault::ClockFreeze`] |
//! | `flush_all`, `script_flush` | at once; `target` is a node | [`Fault::FlushAll`], [`Fault::ScriptFlush`] |
//! | `client_pause`, `read_only`, `memory_full` | `target` is a node | [`Fault::ClientPause`], [`Fault::ReadOnly`], [`Fault::MemoryFull`] |
//! | `failover` | at once; `target` is the node that is promoted, a replica; `repoint` (true or false, default true) | [`Fault::Failover`] |
//!
//! `clocks` is required: one or a list of `"wall"`, `"monotonic"`, `"raw"`, `"boot"`.
//!
//! # What is refused
//!
//! Unknown kinds and fields, fields that are missing or of another type, and faults that contradict themselves or
//! each other (see [`super::check`]). All problems of a file are reported at once.
//!
//! [`Fault::Hold`]: super::Fault::Hold
//! [`Fault::Cut`]: super::Fault::Cut
//! [`Fault::Slow`]: super::Fault::Slow
//! [`Fault::Lose`]: super::Fault::Lose
//! [`Fault::Reset`]: super::Fault::Reset
//! [`Fault::Flap`]: super::Fault::Flap
//! [`Fault::Ring`]: super::Fault::Ring
//! [`Fault::Bridge`]: super::Fault::Bridge
//! [`Fault::Pause`]: super::Fault::Pause
//! [`Fault::Suspend`]: super::Fault::Suspend
//! [`Fault::StopMachine`]: super::Fault::StopMachine
//! [`Fault::Crash`]: super::Fault::Crash
//! [`Fault::PowerLoss`]: super::Fault::PowerLoss
//! [`Fault::ClockStep`]: super::Fault::ClockStep
//! [`Fault::ClockDrift`]: super::Fault::ClockDrift
//! [`Fault::ClockFreeze`]: super::Fault::ClockFreeze
//! [`Fault::FlushAll`]: super::Fault::FlushAll
//! [`Fault::ScriptFlush`]: super::Fault::ScriptFlush
//! [`Fault::ClientPause`]: super::Fault::ClientPause
//! [`Fault::ReadOnly`]: super::Fault::ReadOnly
//! [`Fault::MemoryFull`]: super::Fault::MemoryFull
//! [`Fault::Failover`]: super::Fault::Failover

mod read;
mod write;

use std::time::Duration;

use super::{
    Plan,
    file::{self, Fields, FileError},
    hosts::Hosts,
};

/// What is wrong with a plan's file.
pub type PlanError = FileError;

impl Plan {
    /// Reads a plan from the text of a file; `file_name` is only shown.
    ///
    /// Whether the hosts that it names exist is not known yet: see [`Plan::check`].
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file, with line, column and what was expected.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, PlanError> {
        file::read(file_name, text, |fields| {
            let end = fields.optional("end_ms").and_then(|value| value.ms());
            Self::read(fields, end, None)
        })
    }

    /// Reads the `[[fault]]` tables of a file that contains more than a plan. Reports to `fields` what is wrong;
    /// no fault may begin at or after `end`, and hosts are looked up if they are known.
    ///
    /// `None` when something was wrong with a fault itself.
    pub fn read(
        fields: &mut Fields<'_>,
        end: Option<Duration>,
        hosts: Option<&Hosts>,
    ) -> Option<Self> {
        read::plan(fields, end, hosts)
    }

    /// The file that [`Plan::parse`] reads as this plan. Times finer than a microsecond are cut.
    pub fn to_toml(&self) -> String {
        write::plan(self)
    }
}
