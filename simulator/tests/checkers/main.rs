//! Checkers and truth against hand-made histories, good and bad, and against brute force.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap is a failed test, with a line number"
)]

mod beliefs;
mod brute;
mod effects;
mod goals;
mod keys;
mod liveness;
mod mutex;
mod oracle;
mod report;
mod story;
mod timeline;
mod tokens;
mod truth;
mod windows;
