//! Lock systems under test, behind one small interface.
//!
//! A [`Contender`] acquires; a [`Held`] says what its holder believes, its fencing token if it has one, and
//! releases. Redlock ([`Redlock`]) is the first: the shipped client, on a host's clocks, timers, tasks and network. Beside it
//! stand the locks that people build on one Redis ([`single`]).

mod cloned;
mod instant;
mod redlock;
pub mod single;

use std::time::Duration;

use futures::future::LocalBoxFuture;

pub(crate) use self::cloned::ClonedGenerator;
pub use self::{
    redlock::{Redlock, RedlockSettings},
    single::{Single, SingleRule, SingleSettings},
};
use crate::history::{Ends, HostName};

/// A lock system, as one client process uses it.
pub trait Contender {
    /// Puts a new cluster into service, once, before anybody locks.
    ///
    /// # Errors
    ///
    /// Why not, in a line. It may be tried again.
    fn deploy(&self) -> LocalBoxFuture<'_, Result<(), String>>;

    /// Acquires `resource`, waiting for its holder for at most `within`.
    ///
    /// # Cancellation
    ///
    /// Nothing stays locked for longer than the TTL.
    fn acquire<'a>(
        &'a self,
        resource: &'a str,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Held>, Refusal>>;
}

/// Why something was not done, or nobody knows whether.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It had no effect.
    Fail(String),
    /// It may have had one, or may yet have.
    Unknown(String),
}

/// How a lease was acquired. For goals, never for judging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The nodes whose grant was received, in time or late.
    pub granted: Vec<HostName>,
    /// The fencing token took a second round of messages.
    pub published: bool,
}

/// A lease, or what a lock system has for one.
pub trait Held {
    /// The random value in the nodes' keys, as the history writes it.
    fn owner(&self) -> Option<String>;

    /// The number that the store is to check.
    fn fencing_token(&self) -> Option<u64>;

    /// Until when the holder believes, on its clocks; `None` when it knows that the lease is over, or when
    /// it knows no end.
    fn ends(&self) -> Option<Ends>;

    /// How it was acquired, as far as the contender knows by now.
    fn attempt(&self) -> Option<Attempt>;

    /// Whether the holder believes, now. Asking may end it.
    fn is_valid(&self) -> bool;

    /// Resolves when the holder is told that the lease is over; never for lock systems that tell nobody.
    fn lost(&self) -> LocalBoxFuture<'_, ()>;

    /// Has the lease renewed in the background from now on.
    fn keep_renewed(&self);

    /// Extends the lease to `ttl` from now.
    fn extend(&self, ttl: Duration) -> LocalBoxFuture<'_, Result<(), Refusal>>;

    /// Lets go.
    fn release(&self) -> LocalBoxFuture<'_, Result<(), Refusal>>;
}
