//! A deterministic world in which the shipped `redlock` client runs: hosts with clocks of their own, a network that loses and
//! delays, servers that crash and forget, and checkers that judge the history of what clients believed. One seed and one
//! plan of faults give one history, again and again.
//!
//! Never a model of the client: it runs the same code and sends the same bytes as in production.

pub mod checkers;
pub mod clock;
pub mod history;
pub mod plan;
mod time;
pub mod timeline;
pub mod truth;

pub use time::TrueTime;
