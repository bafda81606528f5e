//! What is run: a world with its plan, and a turmoil with nothing on it.

use std::time::{Duration, UNIX_EPOCH};

use simulator::{
    history::{EventKind, Outcome},
    plan::Plan,
    world::{Run, World, WorldConfig},
};

/// A run that went wrong measures nothing.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// A world's own failure.
    #[error("seed {seed}: {why}")]
    World {
        /// Of which world.
        seed: u64,
        /// What it said.
        why: String,
    },
    /// turmoil's.
    #[error("turmoil with nothing on it: {0}")]
    Idle(String),
    /// The operating system does not say what a process uses.
    #[error("what this process uses: {0}")]
    System(#[from] std::io::Error),
}

/// What happened in a world: without it, its speed says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Leases that were acquired.
    pub acquisitions: u64,
    /// Events in the history.
    pub events: u64,
}

impl std::ops::AddAssign for Load {
    fn add_assign(&mut self, other: Self) {
        self.acquisitions += other.acquisitions;
        self.events += other.events;
    }
}

impl From<&Run> for Load {
    fn from(run: &Run) -> Self {
        let events = run.history.events();
        let acquired = events.iter().filter(|event| {
            let kind = &event.kind;
            matches!(kind, EventKind::Return { outcome, .. } if matches!(outcome, Outcome::Acquired { .. }))
        });
        Self {
            acquisitions: count(acquired.count()),
            events: count(events.len()),
        }
    }
}

/// A number of things, as large as it may be.
pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// The default world with `tick_ms`, for `length`: faults may fall in the first two thirds, as they do by default.
#[must_use]
pub fn config(tick_ms: u64, length: Duration) -> WorldConfig {
    let length_ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let liveness_ms = length_ms / 3;
    WorldConfig {
        tick_ms,
        safety_ms: length_ms - liveness_ms,
        liveness_ms,
        ..WorldConfig::default()
    }
}

/// Runs a world to its end.
///
/// # Errors
///
/// When it failed: a panic on a host, for one.
pub fn run(config: WorldConfig, plan: Plan, seed: u64) -> Result<Run, Failed> {
    let run = World::new(config, plan, seed).run();
    match &run.failure {
        None => Ok(run),
        Some(failure) => Err(Failed::World {
            seed,
            why: failure.to_string(),
        }),
    }
}

/// How many hosts such a world has.
#[must_use]
pub fn hosts(config: &WorldConfig) -> usize {
    // And the protected store.
    config.nodes + config.clients + 1
}

/// Has turmoil run `hosts` hosts that do nothing, for `length`.
///
/// # Errors
///
/// turmoil's own.
pub fn idle(hosts: usize, tick_ms: u64, length: Duration) -> Result<(), Failed> {
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .epoch(UNIX_EPOCH)
        .tick_duration(Duration::from_millis(tick_ms.max(1)))
        .simulation_duration(Duration::MAX)
        .build();
    for host in 0..hosts {
        sim.host(format!("host-{host}"), std::future::pending);
    }
    while sim.elapsed() < length {
        sim.step()
            .map_err(|error| Failed::Idle(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_as_long_as_asked_for_and_somebody_acquires() {
        let config = config(1, Duration::from_millis(4_000));
        assert_eq!(config.length(), Duration::from_millis(4_000));
        let run = run(config, Plan::default(), 1).unwrap();
        let load = Load::from(&run);
        assert!(
            load.acquisitions > 0 && load.events > load.acquisitions,
            "{load:?}"
        );
    }

    #[test]
    fn an_idle_turmoil_runs_to_its_end() {
        idle(3, 5, Duration::from_secs(1)).unwrap();
    }
}
