//! What the table at the end is made of.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;

/// Counts and latencies of the run.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) acquisitions: u64,
    pub(super) contentions: u64,
    /// Leases that were over before their holder was done.
    pub(super) losses: u64,
    /// Of these, the ones whose work was cancelled instead of finishing too late.
    pub(super) cancelled: u64,
    pub(super) renewals: u64,
    /// Wishes that ended without a lease because of the nodes, and what was said about the last one.
    pub(super) failures: u64,
    pub(super) last_failure: Option<String>,
    /// Acquire, when the first attempt found the resource free.
    pub(super) at_once: Latencies,
    /// Acquire, when somebody else held the resource at first.
    pub(super) waiting: Latencies,
    pub(super) release: Latencies,
    /// From the stop of a holder to the next acquisition.
    pub(super) takeover: Latencies,
}

/// A distribution of durations, in microseconds, with two significant digits.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        // Two is one of the numbers of digits that a histogram can have.
        Self(Histogram::new(2).expect("two digits are possible"))
    }
}

impl Latencies {
    pub(super) fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        // Only a histogram of fixed size refuses a value.
        let _ = self.0.record(micros);
    }

    fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let times = [
            self.at(0.5),
            self.at(0.99),
            Duration::from_micros(self.0.max()),
        ];
        write!(f, "{} ms, n={}", times.map(millis).join("/"), self.0.len())
    }
}

/// Milliseconds with as many digits as tell something.
fn millis(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 10_000 {
        format!("{}.{:02}", micros / 1000, micros % 1000 / 10)
    } else {
        (micros / 1000).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_written_with_useful_digits() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.to_string(), "none");
        for micros in [500, 500, 500, 12_000] {
            latencies.add(Duration::from_micros(micros));
        }
        assert_eq!(latencies.to_string(), "0.50/12/12 ms, n=4");
    }
}
