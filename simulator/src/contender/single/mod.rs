//! The locks that people build on one Redis.
//!
//! A key `lock:{resource}` on one server, or on a master whose replica may be promoted. What they differ in is the
//! commands that take the key and give it back ([`SingleRule`]); each rule leaves one hole open that the next one closes,
//! and the last leaves those that no lock on one Redis can close.
//!
//! | rule | acquire | release | the hole |
//! |---|---|---|---|
//! | `blind_set` | SET EX | DEL | it excludes nobody |
//! | `check_then_set` | GET; if nil SET EX | DEL | two who both read nil both set |
//! | `set_then_expire` | SETNX; EXPIRE | DEL | who dies in between leaves a key for ever |
//! | `expire_then_set` | EXPIRE, then GET; if nil SET NX EX | DEL | whoever comes extends the key of whoever is there |
//! | `blind_delete` | SET NX PX | DEL | a DEL that comes late removes the next holder's key |
//! | `owner_checked` | SET NX PX | compare and delete | no drift allowed for, the TTL counted from the reply |
//! | `owner_checked` with a replica | the same, on whoever is master | the same | a write that was answered is lost by a failover |
//!
//! All of them believe until a TTL after the *reply*, on CLOCK_MONOTONIC, which stands still while the machine sleeps: what
//! is usual (`Instant`, `System.nanoTime`, `time.monotonic`). None has a fencing token.
//!
//! The commands travel through redis-rs on a stream that the shipped client's seams open ([`redlock::Runtime`] and
//! [`redlock::Connector`]), so the same code runs on simulated hosts and on real servers.
//!
//! In reading order: `settings`; `server` is a connection to one Redis, `master` finds the one to use; `commands` is what is
//! sent; `lock` acquires, `lease` is what it hands out.

mod commands;
mod lease;
mod lock;
mod master;
mod server;
mod settings;

pub use self::{
    lock::{Single, SingleError},
    settings::{SingleRule, SingleSettings},
};
