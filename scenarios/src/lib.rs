//! Named fault scenarios and the command line that runs them.
//!
//! [`demo`] shows the client at work on real servers, in a terminal, while things go wrong; [`endure`] is the failure test;
//! [`rig`] runs a simulator's cases on real servers; [`live`] is what live runs share. [`preflight`] looks at somebody's nodes.
#![cfg_attr(
    not(unix),
    doc = "It compiles for Unix only: live runs stop processes and need sockets with a path."
)]
#![cfg(unix)]

pub mod catalogue;
pub mod demo;
pub mod endure;
pub mod live;
pub mod preflight;
pub mod rig;
pub mod runs;
pub mod scenario;
