//! How the client behaves, written once and shown on every kind of node.
//!
//! A *behaviour* is an asynchronous function over a [`Cluster`]: it makes clients, breaks nodes, and panics when
//! the client does something else than its rules say. It knows no kind of node and reads no clock but the client's
//! [`Runtime`](redlock::Runtime), so the same lines run on
//!
//! - in-memory nodes, on virtual time,
//! - simulated redis-servers behind a simulated network, on simulated time,
//! - redis-server processes, on real time with short TTLs.
//!
//! What differs between kinds is behind [`Nodes`]; each kind has one harness, a test target that implements it and expands
//! [`for_each_behaviour`] to a `#[test]` per behaviour. A behaviour that passes on one kind and fails on another is a
//! finding: one of the two nodes is wrong, and real Redis decides which.
//!
//! To add a behaviour, write the function, and add a line to [`list`]: that adds a test to each harness. What a kind
//! cannot do is said there as well, with the reason.
//!
//! In reading order: [`nodes`] is what a kind of node offers, [`cluster`] what behaviours stand on; then the behaviours
//! by what they are about: [`lock`], [`quorum`], [`lease`], [`release`], [`memory_loss`], [`scope`] and [`server`]; last, the [`list`] of
//! them all.

#![allow(
    clippy::unwrap_used,
    reason = "a behaviour says what it expects by failing"
)]

pub mod cluster;
pub mod nodes;

pub mod lease;
pub mod lock;
pub mod memory_loss;
pub mod quorum;
pub mod release;
pub mod scope;
pub mod server;

pub mod list;

pub use self::{
    cluster::Cluster,
    nodes::{Nodes, Setup},
};
