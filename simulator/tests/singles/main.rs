//! The locks on one Redis: what each does, and the hazard that separates it from the next.
//!
//! In reading order: `rules` is what all of them do and which do not; `hazards` are the holes of each on a single server;
//! `failover` those of a master with a replica; `replay` says that a seed tells all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod hazards;
mod replay;
mod rules;
mod stage;
