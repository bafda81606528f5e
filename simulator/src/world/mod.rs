//! A world: hosts on a network, clients at work, a plan of faults, and the history of it all.
//!
//! A run has two phases. In the first, *safety*, the plan's faults fall while clients work. Then the world heals:
//! all faults end, all hosts are up, clocks stop jumping; in the second, *liveness*, clients must get on.
//!
//! ```
//! use simulator::{plan::Plan, world::{World, WorldConfig}};
//!
//! let config = WorldConfig { safety_ms: 5_000, liveness_ms: 1_000, ..WorldConfig::default() };
//! let run = World::new(config, Plan::default(), 7).run();
//! assert!(run.failure.is_none());
//! assert!(!run.history.events().is_empty());
//! ```
//!
//! A test that wants to say itself what happens when uses a [`Stage`]: nodes and a network without workload and plan.

mod config;
mod run;
mod stage;

pub use self::{
    config::{ClockErrors, WorldConfig},
    run::{ClientProgram, Failure, Run, World},
    stage::{Performance, Stage},
};
