//! Simulated seconds per second of one core.

use std::{collections::BTreeMap, time::Duration};

use simulator::plan::Plan;

use super::world::{Failed, Load, config, hosts, idle, run};
use crate::{
    clock::{self, processor_time},
    report::median,
};

/// Samples of one tick length.
#[derive(Clone, Debug)]
pub struct Speed {
    /// The tick, in milliseconds.
    pub tick_ms: u64,
    /// Of the default world without faults.
    pub world: Samples,
    /// Of a turmoil whose hosts do nothing, by how many there are: as many as the world has, and one.
    pub idle: BTreeMap<usize, Samples>,
    /// What happened in all worlds together.
    pub load: Load,
}

/// Simulated seconds per second, round by round.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// Of wall time.
    pub wall: Vec<f64>,
    /// Of this process' time on a processor: the figure to compare when others use the machine.
    pub processor: Vec<f64>,
}

impl Samples {
    fn take(
        &mut self,
        simulated: Duration,
        work: impl FnOnce() -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let (begun, used) = (clock::now(), processor_time("self")?);
        work()?;
        let (took, used) = (
            begun.elapsed(),
            processor_time("self")?.saturating_sub(used),
        );
        self.wall.push(simulated.as_secs_f64() / took.as_secs_f64());
        self.processor
            .push(simulated.as_secs_f64() / used.as_secs_f64());
        Ok(())
    }

    /// The medians: of wall time, and of time on a processor.
    #[must_use]
    pub fn medians(&self) -> Option<(f64, f64)> {
        Some((median(&self.wall)?, median(&self.processor)?))
    }
}

impl Speed {
    /// Nothing measured yet.
    #[must_use]
    pub fn new(tick_ms: u64) -> Self {
        Self {
            tick_ms,
            world: Samples::default(),
            idle: BTreeMap::new(),
            load: Load::default(),
        }
    }

    /// One sample of each: worlds of `length`, with `seed`.
    ///
    /// # Errors
    ///
    /// When one of them fails.
    pub fn round(&mut self, seed: u64, length: Duration) -> Result<(), Failed> {
        let config = config(self.tick_ms, length);
        let hosts = hosts(&config);
        self.world.take(length, || {
            self.load += Load::from(&run(config, Plan::default(), seed)?);
            Ok(())
        })?;
        for hosts in [1, hosts] {
            let samples = self.idle.entry(hosts).or_default();
            samples.take(length, || idle(hosts, self.tick_ms, length))?;
        }
        Ok(())
    }
}
