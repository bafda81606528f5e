//! The lock protocol as a pure state machine.
//!
//! Nothing in this folder reads a clock, draws a random byte, spawns a task or knows of Redis: time
//! is passed in as [`Reading`]s, randomness as numbers, and what nodes answered as [`Answer`]s. The
//! same code therefore runs in a service, in a simulator with drifting clocks, and under an
//! exhaustive test that walks every order of replies.
//!
//! In reading order:
//!
//! - [`quorum`]: how many of how many nodes must agree.
//! - [`clock`]: readings of a host's clocks, and elapsed time that only errs on the safe side.
//! - [`validity`]: how long a holder may rely on a TTL, given how wrong clocks may be.
//! - [`token`] and [`key`]: owner tokens, fencing tokens, and where a resource lives on a node.
//! - [`answer`]: what a node can say, and what it means for a vote.
//! - [`acquire`]: from the first call to a majority that carries one fencing token.
//! - [`extend`]: which confirmations make which deadline, and when a lease is lost.
//! - [`release`]: which nodes must be told, and what they said.
//! - [`claim`]: the four verbs above joined into the life of one attempt and the lease it may become.
//! - [`quarantine`]: how long a node that may have forgotten keys stays out, measured by the client.
//! - [`retry`]: how long to wait before the next attempt.

pub mod acquire;
pub mod answer;
pub mod claim;
pub mod clock;
pub mod extend;
pub mod key;
pub mod quarantine;
pub mod quorum;
pub mod release;
pub mod retry;
pub mod token;
pub mod validity;

pub use answer::{Answer, Reason};
pub use clock::{Reading, Stopwatch};
pub use quorum::Quorum;
pub use token::{FencingToken, OwnerToken};
pub use validity::{Drift, Ppm};
