//! Named fault scenarios and the command line that runs them.
//!
//! A [`scenario`] is a hazard in a file, the [`catalogue`] those that come with the laboratory; [`runs`] makes them in the simulator, and
//! [`rig`] on real servers; [`run_folder`] is what a run leaves behind. [`demo`] shows the client at work on real servers, in a terminal, while things go
//! wrong; [`endure`] is the failure test; [`live`] is what live runs share. [`preflight`] looks at somebody's nodes. [`cli`] is the program.
#![cfg_attr(
    not(unix),
    doc = "It compiles for Unix only: live runs stop processes and need sockets with a path."
)]
#![cfg(unix)]

pub mod built;
pub mod catalogue;
pub mod cli;
pub mod demo;
pub mod endure;
pub mod files;
pub mod live;
pub mod preflight;
pub mod rig;
pub mod run_folder;
pub mod runs;
pub mod scenario;
