//! The failure test: worker processes contend for leases on five real servers while a seeded nemesis stops, kills,
//! restarts, flushes and pauses nodes, stops and kills workers, and delays the store's replies.
//!
//! All processes share one machine and so one clock, CLOCK_BOOTTIME. The supervisor records the *window* of every lease:
//! from the return of acquire to the earlier of the call of release (or the drop) and the deadline. What must hold, whatever
//! is paused:
//!
//! 1. no two windows of one resource overlap;
//! 2. fencing tokens increase from window to window;
//! 3. the fenced counter loses no update;
//! 4. the unfenced one loses updates only to writes that left before their lease's deadline and arrived after it;
//! 5. no gap between acquisitions is longer than TTL + 2 s while a quorum of nodes is up and admitted;
//! 6. after the last release the nodes hold no lock key, within the node deadline plus 1 s;
//! 7. descriptors, threads, tasks and memory of the workers return to where they started.
//!
//! Breaking one of the first four is a violation of safety. The same test with a planted mistake must find it.
//!
//! In reading order: `options`, `script` (the faults), `supervisor` (the run from start to end) with `stage` (what it starts),
//! `nemesis` (how nodes are hit) and `crew` (the workers' processes); `worker` and its `hand`s over `link` and `wire`, with
//! the client of `plant` and what `gauge` reads; `ledger` (all that is known) with `shadow` and `gap`, and `ending`, `verdict`
//! and `summary` over it.
//!
//! What it cannot show: clocks that differ between machines, and a network that delays in one direction only.

mod crew;
mod ending;
mod gap;
mod gauge;
mod hand;
mod ledger;
mod link;
mod nemesis;
mod options;
mod plant;
mod script;
mod shadow;
mod stage;
mod summary;
mod supervisor;
mod verdict;
mod wire;
mod worker;

use crate::live::{
    clock, dice, error, guard, lease, member, nodes, setup, signals, store, windows,
};

pub use options::Options;
pub use supervisor::run;
pub use worker::{WorkerOptions, work};
