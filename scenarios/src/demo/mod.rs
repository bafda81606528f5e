//! The live demonstration: five real servers, a few contending worker processes, and a nemesis.
//!
//! Three kinds of process are made of the one binary. The *supervisor* starts everything, keeps the protected store, follows
//! the script of faults and shows what happens. *Workers* contend for one resource and reach the store over a Unix socket.
//! The *guard* owns the temporary folder, and cleans up after a supervisor that was killed.
//!
//! In reading order: `supervisor` (the run from start to end), `stage` (what it starts and removes again), `crew` (the
//! workers' processes), `worker` (what a worker does) over `link` and `wire`, `script` (the faults), `board` (all that is
//! known) with `tally`, `screen` and `summary`. What other live runs need as well is in [`crate::live`].
//!
//! Safety is judged by the fenced counter, the windows of validity and the order of the fencing tokens. The demonstration
//! runs on one machine with one clock, so it cannot show what drifting clocks do.

mod board;
mod crew;
mod link;
mod options;
mod screen;
mod script;
mod stage;
mod summary;
mod supervisor;
mod tally;
mod wire;
mod worker;

use crate::live::{
    clock, dice, error, guard, lease, member, nodes, setup, signals, store, windows,
};

pub use options::Options;
pub use supervisor::run;
pub use worker::{WorkerOptions, work};
