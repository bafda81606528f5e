//! Real redis-server processes, and faults on them, for tests, demonstrations and measurements.
//!
//! Everything here runs on real time and real sockets, apart from the runtime of whoever uses it: servers are processes of
//! their own, and the sockets of the fault tools live on a thread of the testkit. A test may therefore use any flavour of
//! tokio runtime, a paused clock included.
//!
//! Read [`RedisServer`] first; [`ServerOptions`] says how a server is set up, [`RedisCluster`] starts several.
//! The faults of a server are its methods (stop, kill, forget), those of the network in front of it belong to [`Proxy`];
//! [`Listener`] and [`ClosedPort`] stand where a server should be, and [`FakeTime`] is a server's wall clock.
//!
//! ```
//! use redlock_testkit::{Flow, Proxy, RedisServer, ServerOptions};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = RedisServer::start(&ServerOptions::new())?;
//! let proxy = Proxy::to(&server)?;
//! let mut client = redis::Client::open(proxy.url())?.get_multiplexed_async_connection().await?;
//!
//! // The reply to the next SET stays on the way; the server has executed the command.
//! proxy.replies_to("SET", Flow::Hold);
//! let reply = proxy.next_reply_to("SET");
//! let call = tokio::spawn(async move { redis::cmd("SET").arg("k").arg("v").exec_async(&mut client).await });
//! reply.held().await;
//! assert_eq!(server.command(&["EXISTS", "k"]), redis::Value::Int(1));
//! server.kill();
//! drop(proxy);
//! assert!(call.await?.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! For Unix only: pausing a process and guarding it need signals and pipes. Elsewhere this crate is empty.
#![cfg(unix)]

mod binary;
mod cluster;
mod error;
mod faketime;
mod listener;
mod options;
mod port;
mod process;
mod proxy;
mod runtime;
mod server;
mod tls;

pub use binary::Binary;
pub use cluster::RedisCluster;
pub use error::Error;
pub use faketime::{FakeTime, Shown};
pub use listener::Listener;
pub use options::{AppendFsync, ServerOptions};
pub use port::ClosedPort;
pub use proxy::{Counts, Cut, Expectation, Fate, Flow, Message, Proxy, Way};
pub use server::RedisServer;
pub use tls::Certificate;
