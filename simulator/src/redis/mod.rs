//! A simulated redis-server: one process and its disk as a plain value that is told what arrives and what time it is.
//!
//! It serves what the shipped client and locks on a single Redis send, byte for byte as Redis 7.0 and 6.2 answer; a
//! differential property test against both holds it to that. It reads no clock, starts no task, opens no socket and takes no
//! random number, so a host of the simulated world wraps it in whatever clocks, network and faults it likes.
//!
//! In reading order: `server` is the whole; `config` how it is set up; `request` and `reply` the wire; `session` a
//! connection; `command` the commands, on the `state` of a process; `script` Lua; `info` what INFO says. Below them the
//! data: `db`, `value`, `binary`, `number`; `expiry` and eviction; `persistence`, the disk; `change`, the
//! history. Between servers: `replication` is who follows whom, `stream` what a master tells its replicas, `follower` what the
//! host of a replica does.
//!
//! What differs from Redis, knowingly: a hash keeps the order of its fields however large it grows; expired keys that nobody
//! asks for are all deleted at the next beat of a tenth of a second instead of by sampling; SCAN answers everything at once;
//! memory is estimated; WAIT answers at once; a replica always takes a full copy, which is made at once and travels as commands
//! instead of as an RDB file; a script that loops for long is ended instead of making the server BUSY; an
//! fsync takes no time. There is no publish/subscribe beyond PUBLISH to nobody, no blocking command, no cluster, and no type
//! but string and hash.

mod binary;
mod change;
mod command;
mod config;
mod db;
mod expiry;
mod follower;
mod info;
mod number;
mod persistence;
mod replication;
mod reply;
mod request;
mod script;
mod server;
mod session;
mod state;
mod stream;
mod value;

pub use binary::Binary;
pub use change::{Change, Why};
pub use config::{Config, ExpiryRule, MaxmemoryPolicy, Now, Persistence, SavePoint, Version};
pub use follower::BadStream;
pub use replication::{Master, MasterLink};
pub use server::{ConnectionId, Key, Received, Server};
pub use value::{Hash, Value};
