//! Whether two builds of the simulator tell the same histories.

use std::{
    fmt,
    hash::{DefaultHasher, Hasher as _},
    time::Duration,
};

use simulator::plan::Plan;

use super::{
    plans::draw,
    world::{Failed, config, run},
};

/// The histories of a few seeds, with drawn faults and without, at two ticks: one line for each, with a number that is
/// different whenever a byte of the history is.
#[derive(Debug)]
pub struct Histories(Vec<String>);

impl Histories {
    /// Runs `seeds` worlds of each kind, each for `length`.
    ///
    /// # Errors
    ///
    /// When one fails.
    pub fn run(seeds: u64, length: Duration) -> Result<Self, Failed> {
        let mut lines = Vec::new();
        for tick_ms in [1, 5] {
            for seed in 0..seeds {
                for (kind, plan) in [("calm", Plan::default()), ("faults", draw(seed, length))] {
                    let mut config = config(tick_ms, length);
                    config.workload.renews = seed % 2 == 1;
                    config.records_segments = seed % 4 == 3;
                    let run = run(config, plan, seed)?;
                    let mut text = Vec::new();
                    run.history.write_jsonl(&mut text)?;
                    let mut hasher = DefaultHasher::new();
                    hasher.write(&text);
                    hasher.write(run.waiting.as_bytes());
                    lines.push(format!(
                        "{tick_ms} ms, seed {seed}, {kind}: {} bytes, {:016x}",
                        text.len(),
                        hasher.finish()
                    ));
                }
            }
        }
        Ok(Self(lines))
    }
}

impl fmt::Display for Histories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_and_all_of_them_different() {
        let run = || Histories::run(2, Duration::from_secs(2)).unwrap();
        let (one, two) = (run(), run());
        assert_eq!(one.0, two.0);
        assert_eq!(one.0.len(), 8);
        let sums: std::collections::BTreeSet<_> =
            one.0.iter().map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(sums.len(), 8, "{one}");
    }
}
