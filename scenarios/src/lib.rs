//! Named fault scenarios and the command line that runs them.
//!
//! [`demo`] shows the client at work on real servers, in a terminal, while things go wrong; [`endure`] is the failure test;
//! [`live`] is what live runs share. [`preflight`] looks at somebody's nodes. [`cli`] is the program, [`run_folder`] what a run leaves behind.
#![cfg_attr(
    not(unix),
    doc = "It compiles for Unix only: live runs stop processes and need sockets with a path."
)]
#![cfg(unix)]

pub mod built;
pub mod cli;
pub mod demo;
pub mod endure;
pub mod files;
pub mod live;
pub mod preflight;
pub mod run_folder;
