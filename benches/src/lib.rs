//! Measurements: what an acquisition costs with all nodes healthy, with one silent, and with one gone, beside what other
//! clients need for the same; and how many simulated runs fit into a second.
//!
//! A benchmark without the test harness has to end at once unless `--bench` is among its arguments, because `cargo test
//! --all-targets` runs it too. This crate holds nothing yet.
