//! A world: hosts on a network, clients at work, a plan of faults, and the history of it all.
//!
//! A run has two phases. In the first, *safety*, the plan's faults fall while clients work. Then the world heals:
//! all faults end, all hosts are up, clocks stop jumping; in the second, *liveness*, clients must get on.
//!
//! A run ends early when a program on a host panics or spins ([`Failure`]), and says so if the second phase brought
//! nobody anything ([`Run::stuck`]). Either way [`Run`]'s `Display` has all that it takes to run it again ([`Replay`]).
//!
//! ```
//! use simulator::{plan::Plan, world::{World, WorldConfig}};
//!
//! let config = WorldConfig { safety_ms: 5_000, liveness_ms: 1_000, ..WorldConfig::default() };
//! let run = World::new(config, Plan::default(), 7).run();
//! assert!(run.failure.is_none(), "{run}");
//! assert!(!run.history.events().is_empty());
//! ```
//!
//! A test that wants to say itself what happens when uses a [`Stage`]: nodes and a network without workload and plan.

mod config;
mod outcome;
mod replay;
mod run;
mod scale;
mod stage;
mod standing;

pub use self::{
    config::{ClockErrors, WorldConfig},
    outcome::{Failure, Run},
    replay::{Replay, ReplayError},
    run::{ClientProgram, World},
    stage::{Performance, Stage},
};
