//! The protected store: what locks are for.
//!
//! A host of its own that keeps one number per resource and every operation that it saw. It takes a fencing
//! token along with an access, and refuses tokens below the highest it has seen, if it fences: on writes only, or on
//! reads too ([`Fencing`]). Its data outlives its process.

mod client;
mod message;
mod program;

pub use self::{
    client::{StoreClient, StoreError},
    program::{Fencing, Store},
};

/// The port that the store listens on.
pub const PORT: u16 = 7000;

/// The name of the store's host.
pub const NAME: &str = "store";
