//! What one process that runs many worlds keeps.

use std::time::Duration;

use super::{
    plans::draw,
    world::{Failed, Load, config, run},
};
use crate::held::resident;

/// Resident memory in the course of many worlds.
#[derive(Clone, Debug)]
pub struct Memory {
    /// Bytes, after so many worlds: the first tenth, by which everything that is kept for good is there, then quarters of the
    /// whole.
    pub resident: Vec<(u64, u64)>,
    /// What happened in all of them together.
    pub load: Load,
}

impl Memory {
    /// Runs `worlds` worlds of `length`, every other one with drawn faults.
    ///
    /// # Errors
    ///
    /// When a world fails, or the system does not say how much memory is used.
    pub fn run(
        worlds: u64,
        tick_ms: u64,
        length: Duration,
        mut progress: impl FnMut(u64),
    ) -> Result<Self, Failed> {
        let mut looks: Vec<_> = (1..=4).map(|quarter| worlds * quarter / 4).collect();
        looks.insert(0, (worlds / 10).max(1));
        let (mut kept, mut load) = (Vec::new(), Load::default());
        for done in 1..=worlds {
            let plan = if done % 2 == 0 {
                draw(done, length)
            } else {
                simulator::plan::Plan::default()
            };
            load += Load::from(&run(config(tick_ms, length), plan, done)?);
            if looks.contains(&done) {
                kept.push((done, resident()?));
                progress(done);
            }
        }
        Ok(Self {
            resident: kept,
            load,
        })
    }

    /// How many bytes each world between the first look and the last left behind; negative when memory was given back.
    #[must_use]
    pub fn kept_per_world(&self) -> f64 {
        let (Some(first), Some(last)) = (self.resident.first(), self.resident.last()) else {
            return 0.0;
        };
        let worlds = last.0.saturating_sub(first.0).max(1);
        (last.1 as f64 - first.1 as f64) / worlds as f64
    }
}
