//! The live rig: runs a simulator's case on real redis-server processes.
//!
//! A case is what [`simulator::world::Replay`] holds: configuration, plan and seed. [`perform`] starts servers, a process per
//! client, a proxy on every link, and the protected store; it carries out the plan in real time with the simulator's own
//! nemesis, and returns a [`History`](simulator::history::History) that the same checkers and the same timeline judge.
//!
//! What is the simulator's own here, and not a copy: the workload, the contender, the store, the nemesis, the state of hosts
//! with their clocks, and the rules of links. What is real: the servers, the processes with their pauses (SIGSTOP) and deaths
//! (SIGKILL), the sockets, the scheduler, and time.
//!
//! - A worker's clocks are true time, CLOCK_MONOTONIC of the machine, through the maps that the simulator keeps: each clock is
//!   faulted on its own, and its course is in the history exactly as it was read.
//! - The history has no events of nodes: nobody sees keys change on a real server as it happens. [`LiveRun::facts`] says so
//!   ([`simulator::truth::Facts::observes_nodes`]), and checkers that would need them answer unknown.
//! - What cannot be made live is refused before anything starts ([`not_possible`]), each with its reason. What turned out not to be
//!   possible in the middle of a run is in [`LiveRun::not_made`], and what is only nearly so in [`LiveRun::notes`].
//!
//! Everything that was started is stopped on every exit, also when the supervisor is killed.
//!
//! In reading order: `options`; `possible` (what is refused); `run` (from start to end) with `stage` (what it starts), `hearing`
//! (what workers say); `field` (how faults are done) with `clocks`, `crew` (clients), `node` (servers, their clocks in `faketime`; a replica of one in `replication`) and `link` (proxies); `worker` (the
//! other end) over `wire`; `watch` (true time) and `notes`.

mod clocks;
mod crew;
mod error;
mod faketime;
mod field;
mod hearing;
mod link;
mod node;
mod notes;
mod options;
mod possible;
mod replication;
mod run;
mod stage;
mod watch;
mod wire;
mod worker;

pub use self::{
    error::Error,
    options::{LIVE_TTL, Options},
    possible::not_possible,
    run::{LiveRun, perform},
    worker::{WorkerOptions, work},
};

/// Runs a task beside the others of the supervisor's thread.
#[expect(clippy::disallowed_methods, reason = "live runs are on tokio itself")]
fn spawn(task: impl Future<Output = ()> + 'static) {
    drop(tokio::task::spawn_local(task));
}
