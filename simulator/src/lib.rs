//! A deterministic world in which the shipped `redlock` client runs: hosts with clocks of their own, a network that loses and
//! delays, servers that crash and forget, and checkers that judge the history of what clients believed. One seed and one
//! plan of faults give one history, again and again.
//!
//! Never a model of the client: it runs the same code and sends the same bytes as in production.
//!
//! # In reading order
//!
//! - [`clock`] and [`host`]: clocks that drift and jump, processes that pause and die, the client's seam to both.
//! - [`network`]: what links do to what is sent.
//! - [`redis`] and [`node`]: a simulated Redis server, and one on a host. [`store`]: what locks protect.
//! - [`contender`] and [`workload`]: lock systems under test, and what clients do with them.
//! - [`plan`]: faults as data, and [`nemesis`], which carries them out. [`world`]: all of it together, run from a configuration, a plan and a seed.
//! - [`history`], [`truth`], [`checkers`], [`timeline`], [`mod@trace`]: what happened, what was true, what was violated, and how to look at it.
//! - [`hunt`]: the search for violations.
//!
//! # What it does not show
//!
//! Whatever is not in the model: a kernel that reorders, a disk that lies, a compiler's bug, two processes on one clock that disagree. Latencies
//! shorter than a tick are a tick. The servers are ours, held to real ones by their replies. Speed means nothing here.
//!
//! # Test a service of yours
//!
//! A service that locks can run in this world as well, with an invariant of its own that is checked on its own books: a
//! program that is given a [`workload::Session`], and a [`plan::Plan`] of what goes wrong. `examples/box_office.rs` in this crate is
//! such a service, and says step by step how to bring yours: `cargo run -p simulator --example box_office`.

#[cfg(not(tokio_unstable))]
compile_error!(
    "histories are only repeatable with tokio's seeded scheduling. Put these two lines under [build] in .cargo/config.toml:\n\
     rustflags = [\"--cfg\", \"tokio_unstable\"]\n\
     rustdocflags = [\"--cfg\", \"tokio_unstable\"]"
);

pub mod checkers;
pub mod clock;
pub mod contender;
pub mod history;
pub mod host;
pub mod hunt;
pub mod nemesis;
pub mod network;
pub mod node;
pub mod plan;
pub mod random;
pub mod redis;
pub mod store;
mod time;
pub mod timeline;
pub mod trace;
pub mod truth;
pub mod workload;
pub mod world;

pub use time::TrueTime;
