//! Real redis-server processes, and faults on them, for tests, demonstrations and measurements.
//!
//! Everything here runs on real time and real sockets, apart from the runtime of whoever uses it: servers are processes of
//! their own, and the sockets of the fault tools live on a thread of the testkit. A test may therefore use any flavour of
//! tokio runtime, a paused clock included.
//!
//! Read [`RedisServer`] first; [`ServerOptions`] says how a server is set up, [`RedisCluster`] starts several.
//! The faults of a server are its methods (stop, kill, forget), those of the network in front of it belong to [`Proxy`];
//! [`Listener`] and [`ClosedPort`] stand where a server should be.
//!
//! For Unix only: pausing a process and guarding it need signals and pipes. Elsewhere this crate is empty.
#![cfg(unix)]

mod binary;
mod cluster;
mod error;
mod listener;
mod options;
mod port;
mod process;
mod proxy;
mod runtime;
mod server;

pub use binary::Binary;
pub use cluster::RedisCluster;
pub use error::Error;
pub use listener::Listener;
pub use options::{AppendFsync, ServerOptions};
pub use port::ClosedPort;
pub use proxy::{Counts, Cut, Expectation, Fate, Flow, Message, Proxy, Way};
pub use server::RedisServer;
