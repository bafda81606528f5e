//! The bound on validity: `V(ttl) = (ttl − g − σ_s)(1 − ρ_c)/(1 + ρ_s) − σ_c − r`, held to the microsecond.
//!
//! [`exact`] puts the shipped core, `redlock::protocol::claim`, against a model of node expiry with clocks that are exact to
//! the nanosecond ([`model`]). The in-memory nodes of `redlock::memory` would be too coarse for it: their servers count microseconds,
//! and what tokio's timers deliver comes in whole milliseconds. [`wire`] then shows what is left of the bound when the whole
//! client runs in a simulated world: over a network with ticks, against servers that speak Redis.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap is a failed test, with a line number"
)]

mod exact;
mod model;
mod wire;
