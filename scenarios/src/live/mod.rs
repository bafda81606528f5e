//! What all runs on real servers share.
//!
//! In reading order: `guard` (cleans up after a supervisor that was killed), `setup` (finds a redis-server), `signals` (end a
//! run early), `member` (a worker's process), `nodes` (what is known about each node), `lease` and `windows` (who could rely on a lease when), `store` (what the lock
//! protects, and the questions that holders ask it); `clock` and `dice` are the seams to time and chance.

pub(crate) mod clock;
pub(crate) mod dice;
pub(crate) mod error;
pub(crate) mod guard;
pub(crate) mod lease;
pub(crate) mod member;
pub(crate) mod nodes;
pub(crate) mod setup;
pub(crate) mod signals;
pub(crate) mod store;
pub(crate) mod windows;

pub use error::Error;
pub use guard::{GuardOptions, guard};
