//! Measurements of the client: what its pure core costs (`cargo bench -p benches`), and the whole client on five real
//! servers beside two others (`cargo run --release -p benches --bin redlock-compare`).
//!
//! The others are `rslock`, and a *raw* loop over redis-rs that sends the very bytes that our client sends and does nothing
//! else: to all nodes at once, waiting for the third reply. What is measured runs in turn (A B C A B C …), because a machine's
//! speed drifts more in a minute than the differences of interest; every figure is the median of such rounds, and every ratio
//! the median of the ratios within a round.
//!
//! In reading order: [`variant`] names what is compared, [`contender`] runs it, `raw` and `capture` are the raw loop and the
//! bytes it repeats, [`workload`] is what all of them do, [`held`] is the process that holds leases, [`report`] the tables.
//!
//! A benchmark without the test harness has to end at once unless `--bench` is among its arguments, because `cargo test
//! --all-targets` runs it too.
#![cfg(unix)]

mod capture;
pub mod clock;
pub mod contender;
pub mod held;
mod raw;
pub mod report;
pub mod run;
pub mod simulated;
pub mod variant;
pub mod workload;
