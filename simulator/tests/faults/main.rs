//! Shows of every fault that it does what its name says, by measuring what it does to programs that run under it.
//!
//! [`mesh`] is the instrument for links: programs on client hosts that send each other the time, so that every
//! message tells how long it took. [`lab`] makes worlds of exact clocks and constant latency, in which what is
//! measured is an exact number. Each test also runs its world without the fault, or on a link or host that
//! the fault does not name: what is measured there must be as usual.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod clocks;
mod connects;
mod death;
mod failures;
mod lab;
mod links;
mod mesh;
mod nodes;
mod pauses;
mod persistence;
mod quarantine;
mod roles;
