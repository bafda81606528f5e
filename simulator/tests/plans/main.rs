//! Plans as files, drawn, judged and shrunk.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod any_plan;
mod drawn;
mod files;
mod theorem;
