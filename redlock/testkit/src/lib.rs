//! Real redis-server processes, and faults on them, for tests, demonstrations and measurements.
//!
//! Everything here runs on real time and real sockets, apart from the runtime of whoever uses it: servers are processes of
//! their own, and the sockets of the fault tools live on a thread of the testkit. A test may therefore use any flavour of
//! tokio runtime, a paused clock included.
//!
//! Read [`RedisServer`] first; [`ServerOptions`] says how a server is set up.
#![cfg_attr(
    not(unix),
    doc = "It compiles for Unix only: pausing a process and guarding it need signals and pipes."
)]
#![cfg(unix)]

mod binary;
mod cluster;
mod error;
mod options;
mod port;
mod process;
mod server;

pub use binary::Binary;
pub use cluster::RedisCluster;
pub use error::Error;
pub use options::{AppendFsync, ServerOptions};
pub use port::ClosedPort;
pub use server::RedisServer;
