//! What clients do with locks, taken down for the history.
//!
//! A [`Session`] stands between a program and a contender: it records every invocation and how it ended, when
//! the deadline of a lease moved, and when its holder learnt that it is over. [`Workload`] is the usual
//! program: acquire a resource, read and write what it protects, release, think. Programs of one's own use
//! sessions in the same way, and every checker works on what they do.

mod activity;
mod cycle;
mod session;

pub(crate) use self::cycle::is_zero;
pub use self::{
    activity::Activity,
    cycle::{Range, Workload, work},
    session::{RecordedLease, Session},
};
