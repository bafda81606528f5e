//! In-memory nodes with scripted faults, and a runtime on tokio's virtual time.
//!
//! For unit tests of services that lock, and for this crate's own. Nothing here opens a socket, and
//! with [`VirtualRuntime`] nothing waits for real time either: a test of a ten second lease takes
//! microseconds and always takes the same path.
//!
//! The servers of a [`MemoryCluster`] answer like the scripts that run in Redis: guard record,
//! quarantine, fencing counters and owner checks mean the same, and a client that is idle ends a
//! quarantine that it has measured. It does not look at its servers otherwise: that one was flushed is
//! noticed by the next acquisition. What they do *not* show is anything
//! about Redis itself: its protocol, its errors, its persistence, its clock under load.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use redlock::{
//!     Answer, OwnerToken, Runtime, Settings,
//!     memory::{MemoryCluster, VirtualRuntime, VerbKind},
//!     node::{Node, ReplySink, Reply, ReplyTag, Request, Verb},
//!     protocol::{Quorum, claim::Call, key::LockKey},
//! };
//!
//! /// Prints what the node answered.
//! struct Print;
//!
//! impl ReplySink for Print {
//!     fn answered(self: Arc<Self>, node: usize, _: ReplyTag, answer: Answer) {
//!         println!("node {node}: {answer}");
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
//! let settings = Arc::new(Settings {
//!     quorum: Quorum::majority(3),
//!     max_ttl: Duration::from_secs(60),
//!     prefix: "redlock".into(),
//!     stripes: 16,
//!     fencing: true,
//!     restart_guard: true,
//!     strict_identity: false,
//! });
//! let runtime: Arc<dyn Runtime> = Arc::new(VirtualRuntime::new(7));
//! let cluster = MemoryCluster::new(3);
//! let node = cluster.connect(0, &settings, &runtime);
//! let acquire = Request {
//!     lock: Arc::new(LockKey::new("redlock", b"invoices", 16)),
//!     owner: OwnerToken::from_random([1; 20]),
//!     verb: Verb::Acquire {
//!         ttl: Duration::from_secs(10),
//!         proposal: runtime.wall_micros(),
//!         expires: Duration::MAX,
//!     },
//! };
//! node.submit(acquire, Reply::new(Arc::new(Print), 0, Call::Acquire));
//! runtime.sleep(Duration::from_millis(1)).await;
//!
//! let server = cluster.server(0);
//! assert_eq!(server.count(VerbKind::Acquire), 1);
//! assert_eq!(server.owner_of(b"invoices"), Some(OwnerToken::from_random([1; 20])));
//!
//! runtime.sleep(Duration::from_secs(10)).await;
//! assert_eq!(server.owner_of(b"invoices"), None);
//! # });
//! ```
//!
//! In reading order: [`MemoryCluster`] and its [`MemoryServer`]s are what a test scripts and looks
//! at, `store` is what a server holds and how it answers, `faults` what it was told to do wrong,
//! `link` one client's connection to one server, `clock` and [`VirtualRuntime`] the time of servers
//! and clients.

mod clock;
mod cluster;
mod faults;
mod guard;
mod link;
mod log;
mod node;
mod runtime;
mod server;
mod store;

pub use cluster::MemoryCluster;
pub use log::{Executed, VerbKind};
pub use runtime::{HostClock, VirtualRuntime};
pub use server::MemoryServer;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also after a panic of another thread: nothing here is left half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
