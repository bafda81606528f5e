//! A host: clocks, a process that can be paused and killed, and the kernel under it.
//!
//! A [`Host`] is what the world and the nemesis hold; a [`Process`] is what the program on it sees. The program and
//! everything that it spawns run in a task set of their own behind a gate (`runner`): while the process is
//! paused nothing of it is polled, its sockets go on buffering, its timers fire when it resumes, and the
//! kernel beside it still accepts connections. When it dies the task set is dropped, and its sockets with it.
//!
//! A program that is to run on real machines as well asks for a [`Place`] and not for a process.
//!
//! [`HostRuntime`] and [`HostConnector`] are the shipped client's seam to all this: the host's clocks, timers on its
//! CLOCK_MONOTONIC, tasks in the process, random bytes from the host's stream, and connections over the simulated
//! network.

mod place;
mod process;
mod runner;
mod runtime;
mod sleep;
mod state;

pub use self::{
    place::Place,
    process::{Monitor, Process, Program},
    runtime::{HostConnector, HostRuntime},
    state::Host,
};
pub(crate) use self::{process::panic_message, runner::run, state::Breakdown};
