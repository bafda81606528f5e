//! What every contender does, and for how long.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::{
    clock,
    contender::{Contender, Error},
};

/// One task that acquires and releases, a fresh resource each time.
#[derive(Clone, Copy, Debug)]
pub struct OneTask {
    /// How many times, once it is warm.
    pub cycles: u32,
    /// It ends earlier than that when this has passed.
    pub most: Duration,
}

/// What one task measured.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// Median of acquiring.
    pub acquire_p50: Duration,
    /// 99th percentile of acquiring.
    pub acquire_p99: Duration,
    /// Median of releasing.
    pub release_p50: Duration,
}

impl OneTask {
    /// Runs it. `label` makes the resources of this run its own.
    ///
    /// # Errors
    ///
    /// When an acquisition fails.
    pub async fn run(self, contender: &Contender, label: &str) -> Result<Latencies, Error> {
        let mut session = contender.session();
        let warm = clock::now();
        let mut number = 0_u64;
        while number == 0 || (number < 200 && warm.elapsed() < Duration::from_millis(50)) {
            number += 1;
            let held = session.acquire(&format!("{label}-warm-{number}")).await?;
            session.release(held).await;
        }
        let (mut acquire, mut release) = (histogram(), histogram());
        let begun = clock::now();
        for number in 0..self.cycles {
            let resource = format!("{label}-{number}");
            let start = clock::now();
            let held = session.acquire(&resource).await?;
            let acquired = clock::now();
            session.release(held).await;
            record(&mut acquire, acquired - start);
            record(&mut release, acquired.elapsed());
            if begun.elapsed() > self.most {
                break;
            }
        }
        Ok(Latencies {
            acquire_p50: quantile(&acquire, 0.5),
            acquire_p99: quantile(&acquire, 0.99),
            release_p50: quantile(&release, 0.5),
        })
    }
}

/// Several tasks that acquire and release as fast as they can.
#[derive(Clone, Copy, Debug)]
pub struct ManyTasks {
    /// How many.
    pub tasks: u32,
    /// Whether all want the same resource, or each a fresh one every time.
    pub one_key: bool,
    /// For how long.
    pub time: Duration,
}

impl ManyTasks {
    /// Runs them, and returns cycles per second.
    ///
    /// # Errors
    ///
    /// When an acquisition fails.
    pub async fn run(self, contender: &Contender, label: &str) -> Result<f64, Error> {
        let begun = clock::now();
        let end = begun + self.time;
        let tasks: Vec<_> = (0..self.tasks)
            .map(|task| {
                clock::spawn(self.task(
                    contender.clone(),
                    format!("{label}-{task}"),
                    label.to_owned(),
                    end,
                ))
            })
            .collect();
        let mut cycles = 0;
        for task in tasks {
            let done = task
                .await
                .map_err(|error| Error::Child(error.to_string()))?;
            cycles += done?;
        }
        Ok(f64::from(cycles) / begun.elapsed().as_secs_f64())
    }

    async fn task(
        self,
        contender: Contender,
        own: String,
        shared: String,
        end: Instant,
    ) -> Result<u32, Error> {
        let mut session = contender.session();
        let mut cycles = 0;
        while clock::now() < end {
            let held = if self.one_key {
                session.acquire(&shared).await?
            } else {
                session.acquire(&format!("{own}-{cycles}")).await?
            };
            session.release(held).await;
            cycles += 1;
        }
        Ok(cycles)
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(600_000_000_000, 3).expect("the bounds are in order")
}

fn record(histogram: &mut Histogram<u64>, duration: Duration) {
    histogram.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
}

fn quantile(histogram: &Histogram<u64>, at: f64) -> Duration {
    Duration::from_nanos(histogram.value_at_quantile(at))
}
