//! The asynchronous shell around the protocol core.
//!
//! It carries messages and decides nothing: every decision is taken by a
//! [`crate::protocol::claim::Claim`]. In reading order: [`shared`] (what all clones of a client
//! share), [`driver`] (one claim and the messages to and from it), [`watcher`] (the one task that keeps
//! deadlines and renewals), then what users hold: [`redlock`], [`request`], [`lease`], [`builder`],
//! [`shutdown`].

mod admin;
mod builder;
mod driver;
mod lease;
mod redlock;
mod request;
mod shared;
mod shutdown;
mod watcher;

pub use builder::{Builder, NodeFactory};
pub use lease::Lease;
pub use redlock::Redlock;
pub use request::{OnLoss, Request};
pub use shutdown::{ShutdownReport, Undelivered};
