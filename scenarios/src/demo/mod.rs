//! The live demonstration: five real servers, a few contending worker processes, and a nemesis.
//!
//! Three kinds of process are made of the one binary. The *supervisor* starts everything, keeps the protected store, follows
//! the script of faults and shows what happens. *Workers* contend for one resource and reach the store over a Unix socket.
//! The *guard* owns the temporary folder, and cleans up after a supervisor that was killed.
//!
//! In reading order: `supervisor` (the run from start to end; `signals` end it early), `stage` (what it starts and removes
//! again), `guard`, `crew` (the workers' processes), `worker` (what a worker does) over `link` and `wire`, `store` (what the
//! lock protects), `script` (the faults), `board` (all that is known) with `nodes`, `windows` and `tally`, `screen` and
//! `summary`. `setup` finds a redis-server; `clock` and `dice` are the seams to time and chance.
//!
//! Safety is judged by the fenced counter, the windows of validity and the order of the fencing tokens. The demonstration
//! runs on one machine with one clock, so it cannot show what drifting clocks do.

mod board;
mod clock;
mod crew;
mod dice;
mod error;
mod guard;
mod link;
mod nodes;
mod options;
mod screen;
mod script;
mod setup;
mod signals;
mod stage;
mod store;
mod summary;
mod supervisor;
mod tally;
mod windows;
mod wire;
mod worker;

pub use error::Error;
pub use guard::{GuardOptions, guard};
pub use options::Options;
pub use supervisor::run;
pub use worker::{WorkerOptions, work};
