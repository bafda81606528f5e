//! Scenarios: one hazard each, as a file that people read and that runs in the simulator and on real servers.
//!
//! A [`Scenario`] tells in prose what happens and why it matters, and declares cluster, clients, faults, what must
//! be seen for the run to mean anything, and the verdict that each [`Contender`] is expected to get. All its times are
//! multiples of the TTL ([`Ttls`]), so that the same file runs at simulated and at live speed.
//!
//! In reading order: [`file`](mod@file) (the format, field by field), [`fault`] (its faults), [`read`](Scenario::parse) (and what is said of a
//! mistake), [`contender`] (the locks), [`resolve`](Scenario::case) (a scenario and a contender make a world, a plan and a seed),
//! [`outcome`] (what came of a run, in one word), [`schema`](fn@schema) (the format for editors).

pub mod contender;
pub mod fault;
pub mod file;
pub mod outcome;
mod read;
mod resolve;
mod schema;
mod ttls;

pub use self::{
    contender::Contender,
    file::Scenario,
    outcome::Outcome,
    read::ScenarioError,
    schema::schema,
    ttls::{Span, Ttls},
};
