//! A whole comparison: servers, rounds, report.

use std::{path::PathBuf, time::Duration};

use redlock_testkit::{RedisCluster, ServerOptions};

use crate::{
    clock,
    contender::{Contender, Error, admit},
    held::Hold,
    report::{Measure, Report},
    variant::Variant,
    workload::{ManyTasks, OneTask},
};

/// Nodes under every contender.
const NODES: usize = 5;
/// After a node was continued: every client has found it again.
const RECOVERY: Duration = Duration::from_millis(1500);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Part {
    /// One task on fresh keys.
    One,
    /// 64 tasks on distinct keys.
    Distinct,
    /// 8 tasks on one key.
    OneKey,
    /// One task while one of the five nodes stands still.
    Stopped,
    /// Leases held and renewed, in a process of their own.
    Held,
}

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is measured.
    pub parts: Vec<Part>,
    /// Who.
    pub variants: Vec<Variant>,
    /// How often.
    pub rounds: u32,
    /// Cycles of one task per round.
    pub cycles: u32,
    /// How long several tasks run per round.
    pub time: Duration,
    /// Leases held.
    pub leases: u32,
    /// How long they are watched per round.
    pub held_for: Duration,
    /// The program that holds them: see [`Hold::elsewhere`].
    pub program: PathBuf,
}

impl Plan {
    /// Measures; tells `progress` what it is at.
    ///
    /// # Errors
    ///
    /// When something fails that should not.
    pub async fn run(&self, mut progress: impl FnMut(&str)) -> Result<Report, Error> {
        let cluster = RedisCluster::start(NODES, &ServerOptions::new())?;
        let urls = cluster.urls();
        admit(&urls).await?;
        let mut contenders = Vec::new();
        for variant in &self.variants {
            contenders.push((*variant, Contender::connect(*variant, &urls).await?));
        }
        let mut report = Report::default();
        for round in 1..=self.rounds {
            for part in &self.parts {
                progress(&format!("round {round} of {}: {part:?}", self.rounds));
                if *part == Part::Stopped {
                    cluster[NODES - 1].stop();
                }
                for (variant, contender) in &contenders {
                    let label = format!("{part:?}-{variant}-{round}");
                    self.measure(*part, *variant, contender, &urls, &label, &mut report)
                        .await?;
                }
                if *part == Part::Stopped {
                    cluster[NODES - 1].cont();
                    clock::sleep(RECOVERY).await;
                }
            }
        }
        Ok(report)
    }

    async fn measure(
        &self,
        part: Part,
        variant: Variant,
        contender: &Contender,
        urls: &[String],
        label: &str,
        report: &mut Report,
    ) -> Result<(), Error> {
        let one = OneTask {
            cycles: self.cycles,
            most: Duration::from_secs(3),
        };
        let many = |tasks, one_key| ManyTasks {
            tasks,
            one_key,
            time: self.time,
        };
        let mut add = |measure, sample| report.add(measure, variant, sample);
        match part {
            Part::One => {
                let found = one.run(contender, label).await?;
                add(Measure::AcquireP50, micros(found.acquire_p50));
                add(Measure::AcquireP99, micros(found.acquire_p99));
                add(Measure::ReleaseP50, micros(found.release_p50));
            }
            Part::Distinct => add(
                Measure::Distinct,
                many(64, false).run(contender, label).await?,
            ),
            Part::OneKey => add(Measure::OneKey, many(8, true).run(contender, label).await?),
            Part::Stopped => {
                let found = one.run(contender, label).await?;
                add(Measure::StoppedP50, micros(found.acquire_p50));
                add(Measure::StoppedP99, micros(found.acquire_p99));
                let healthy = report.samples(Measure::AcquireP99, variant).last().copied();
                if let Some(healthy) = healthy {
                    let ratio = micros(found.acquire_p99) / healthy;
                    report.add(Measure::StoppedToHealthy, variant, ratio);
                }
            }
            Part::Held => {
                let hold = Hold {
                    variant,
                    urls: urls.to_vec(),
                    leases: self.leases,
                    time: self.held_for,
                    label: label.to_owned(),
                };
                let program = self.program.clone();
                let need = tokio::task::spawn_blocking(move || hold.elsewhere(&program)).await;
                let need = need.map_err(|error| Error::Child(error.to_string()))??;
                // No figure here comes near what a float cannot hold exactly.
                let bytes = u32::try_from(need.resident / 1000).unwrap_or(u32::MAX);
                add(Measure::Resident, f64::from(bytes) / 1000.0);
                add(Measure::Core, need.core * 100.0);
                add(Measure::Lost, f64::from(need.lost));
            }
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
