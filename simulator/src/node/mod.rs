//! A Redis node: a [`crate::redis::Server`] on a host.
//!
//! The server's memory and disk live beside the host, because a disk outlives a process. The program accepts
//! connections, hands bytes to the server with what the host's clocks show, and records how the server's state
//! changed, and by whose command. A server that is told to follow another gets its connection to that one from `replica`;
//! `sentinel` finishes what a failover began.

mod program;
mod record;
mod replica;
mod sentinel;

pub use self::program::RedisNode;

/// The port that nodes listen on.
pub const PORT: u16 = 6379;
