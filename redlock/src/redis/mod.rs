//! Redis servers as nodes.
//!
//! A [`RedisNode`] only queues calls. Behind it one task owns one connection and does everything else:
//! it connects, pipelines, pairs replies with calls, keeps releases until they are delivered, and
//! abandons a connection that has stalled. It polls the driver of redis-rs inside itself, so that a
//! call costs one wake-up to send and one to receive, and abandoning is dropping.
//!
//! What a caller may rely on:
//!
//! - calls about one resource are executed in the order in which they were submitted, also across
//!   reconnections;
//! - an acquire call is executed at most once, and never after a release that was submitted later;
//! - a release is delivered, or answered `Refused(Expired)` once its key has expired by itself;
//! - memory is bounded: so many calls in flight, so many releases kept.
//!
//! What it does not promise: where the ACL forbids `CLIENT KILL`, a call that was under way on a
//! broken connection may still be executed after its release; its key then lives for its TTL.
//!
//! In reading order: `url` and `node` are what users touch; `actor` is the task; `connect`,
//! `link`, `queue`, `pack` and `wake` are its parts; `script`, `reply` and `info` are what is said on the wire;
//! `inspect` and `probe` look at a server when somebody asks how it stands.

mod actor;
mod connect;
mod directory;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod info;
mod inspect;
mod link;
mod memory;
mod node;
mod pack;
mod probe;
mod queue;
mod reply;
mod script;
mod stream;
mod url;
mod wake;

pub use directory::Directory;
pub use node::{Limits, NodeConfig, RedisNode};
pub use url::{Credentials, UrlError, parse_url};
