//! The classic counterexamples, each told by a plan, a small program per client, and the verdicts that follow.
//!
//! A story does not depend on luck: its program says what each client does and when, its plan what goes wrong, and it is run
//! with several seeds, which change clocks, latencies, back-off and owner tokens and must not change how it ends.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap is a failed test, with a line number"
)]

mod clock_step;
mod forgetful_node;
mod late_request;
mod late_write;
mod paused_holder;
mod stage;
mod unsealed_read;
