//! Plans: the faults of one run, as data.
//!
//! A [`Plan`] is a list of [`FaultWindow`]s. It can be written by hand, drawn at random, shrunk, and replayed,
//! in the simulated world and on real servers; nothing in it depends on a seed. Targets are hosts by name, or
//! roles ([`Role`]) that are resolved when the window begins.

mod fault;
mod target;

pub use self::{
    fault::{Fault, FaultWindow, Links},
    target::{Role, Target},
};

/// The faults of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they begin; of those that begin together, in the order of the file.
    pub windows: Vec<FaultWindow>,
}
