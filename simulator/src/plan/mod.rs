//! Plans: the faults of one run, as data.
//!
//! A [`Plan`] is a list of [`FaultWindow`]s. It can be written by hand, drawn at random, shrunk, and replayed,
//! in the simulated world and on real servers; nothing in it depends on a seed. Targets are hosts by name, or
//! roles ([`Role`]) that are resolved when the window begins.
//!
//! In reading order: what a fault is ([`Fault`], [`Family`], [`Target`], [`Hosts`]); how files spell it
//! ([`mod@format`], over [`mod@file`], which other files of a run use too); what is refused ([`check`]); the timeline that a
//! nemesis follows ([`Plan::edges`]) and how it finds the targets of a fault as it begins ([`resolve()`]); which of the
//! lock's assumptions a plan breaks ([`assumptions`]); plans drawn from a seed ([`draw`]); and how a plan that
//! makes something fail gets smaller ([`shrink`]). `Display` tells a fault in words.

pub mod assumptions;
pub mod check;
pub mod draw;
mod edges;
mod family;
mod fault;
pub mod file;
pub mod format;
mod hosts;
mod resolve;
pub mod shrink;
mod target;
mod words;

pub use self::{
    assumptions::{Assumption, Assumptions, ClusterFacts, Promise},
    check::{Complaint, InvalidPlan},
    edges::{Edge, EdgeKind},
    family::Family,
    fault::{Fault, FaultWindow, Links},
    format::PlanError,
    hosts::Hosts,
    resolve::{
        ClockFault, DirectedLink, LinkFault, NodeFault, Playing, ProcessFault, ResolvedFault,
        resolve,
    },
    target::{NotATarget, Role, Target},
};

/// The faults of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which they begin; of those that begin together, in the order of the file.
    pub windows: Vec<FaultWindow>,
}
