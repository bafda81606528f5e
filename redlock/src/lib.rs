//! Leases on N independent Redis nodes, with fencing tokens, a restart guard, and validity that knows
//! how wrong clocks may be.
//!
//! **Before you use it.** A lease ends by itself, and its holder may be stopped at any moment between
//! looking and acting. If a second holder at work would be a disaster, the protected store has to check
//! [fencing tokens](manual::fencing), on reads as well as on writes; no lock service can do that for
//! you. [`manual::safety`] says exactly what is promised, and on what it rests.
//!
//! ```
//! use std::time::Duration;
//! use redlock::Redlock;
//! # use redlock::memory::MemoryCluster;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let cluster = MemoryCluster::new(5);
//! # struct Store;
//! # impl Store { async fn write(&self, _: redlock::FencingToken, _: &str) {} }
//! # let store = Store;
//! let redlock = Redlock::builder()
//!     // .nodes(["redis://10.0.0.1", "redis://10.0.0.2", "redis://10.0.0.3", …])
//! #   .memory_nodes(&cluster)
//!     .ttl(Duration::from_secs(10))
//!     .build()?; // no I/O yet
//!
//! let lease = redlock.acquire("invoice:42").await?; // waits, with back-off
//! store.write(lease.fencing_token(), "paid").await; // the store refuses older tokens
//! lease.release().await; // or drop it
//!
//! // Renewed while the body runs; the body is cancelled when the lease is lost.
//! redlock
//!     .with("invoice:42", async |lease| store.write(lease.fencing_token(), "sent").await)
//!     .await?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! On a cluster that never held a lock, call [`Redlock::admit_new_cluster`] once; unknown nodes are
//! quarantined for `max_ttl` otherwise, because nobody can tell a new node from one that forgot.
//!
//! # Layers
//!
//! Three layers, one direction:
//!
//! - [`protocol`] is a pure state machine. It knows no tokio, no clock, no random generator and no
//!   Redis; time and randomness are passed in.
//! - The shell ([`Redlock`], [`Lease`], [`Request`]) carries messages between callers, nodes and the
//!   core. It decides nothing.
//! - The seams ([`runtime`], [`connector`], [`node`]) are where the world comes in: every clock, timer,
//!   task and random byte, every byte stream, every node. Nothing in this crate goes around them, so
//!   that a test can run the shipped client in a simulated world. [`redis`] holds the nodes of
//!   production; the feature `memory` adds nodes in memory with scripted faults, for unit tests.
//!
//! Deliberately absent: several resources under one lease, hand-over to another process, re-entry, and
//! any fairness among waiters.
//!
//! # Features
//!
//! - `tls`: `rediss://` addresses, through rustls and the certificates of the system.
//! - `memory`: [`memory`], for tests of services.

/// Whether a rule is switched off: without the feature `planted-bugs`, none ever is.
#[cfg(feature = "planted-bugs")]
macro_rules! planted {
    ($bug:ident) => {
        crate::planted::is_planted(crate::planted::Bug::$bug)
    };
}
#[cfg(not(feature = "planted-bugs"))]
macro_rules! planted {
    ($bug:ident) => {
        false
    };
}

mod client;
mod config;
pub mod connector;
pub mod error;
pub mod manual;
#[cfg(feature = "memory")]
pub mod memory;
pub mod node;
#[cfg(feature = "planted-bugs")]
#[doc(hidden)]
pub mod planted;
pub mod preflight;
pub mod protocol;
pub mod redis;
pub mod report;
pub mod runtime;
pub mod settings;

pub use client::{
    Builder, Lease, NodeFactory, OnLoss, Redlock, Request, ShutdownReport, Undelivered,
};
pub use connector::{Address, ConnectError, Connector, NodeStream, SystemConnector};
pub use error::{
    AcquireError, AdmitError, BuildError, ExtendError, ResourceError, TtlError, WithError,
};
pub use node::{GuardState, Node, NodeFacts};
pub use preflight::{Finding, Preflight, PreflightNode, Problem, Severity};
pub use protocol::{Answer, Drift, FencingToken, OwnerToken, Ppm, Reason};
pub use report::{NodeReport, ReleaseReport, Report};
pub use runtime::{BoxFuture, NoRuntime, Runtime, TokioRuntime};
pub use settings::Settings;
