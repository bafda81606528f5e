//! All that makes a run: enough to run it again.

use std::{fmt, fs, io, path::Path};

use serde::{Deserialize, Serialize, de::IgnoredAny};

use super::{config::WorldConfig, outcome::Run, run::World};
use crate::plan::{
    Plan, PlanError,
    file::{self, Value},
};

/// Configuration, plan and seed of a run: the same three give the same history, byte for byte.
///
/// As a file it is a plan's ([`mod@crate::plan::format`]) with `seed` and a table `[config]` in front of the faults. A
/// program given by [`World::with_program`] is code and not in it: give it to [`Replay::world`] again.
///
/// ```
/// use simulator::{plan::Plan, world::{Replay, World, WorldConfig}};
///
/// let config = WorldConfig { safety_ms: 1_000, liveness_ms: 500, ..WorldConfig::default() };
/// let run = World::new(config, Plan::default(), 7).run();
/// let again = Replay::parse("replay.toml", &run.replay.to_string())?;
/// assert_eq!(again.run().history, run.history);
/// # Ok::<(), simulator::world::ReplayError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Everything about the world but its plan and its seed.
    pub config: WorldConfig,
    /// The faults.
    pub plan: Plan,
    /// Everything random.
    pub seed: u64,
}

/// Why a file cannot be run again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// It could not be read.
    #[error("{file}: {source}")]
    Io {
        /// Which file.
        file: String,
        /// What went wrong.
        source: io::Error,
    },
    /// Its seed or configuration is not one.
    #[error("{file}: {source}")]
    Config {
        /// Which file.
        file: String,
        /// What is wrong, and where.
        source: Box<toml::de::Error>,
    },
    /// Its plan is not one.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    seed: Seed,
    #[serde(default)]
    config: WorldConfig,
    /// Read apart, as a plan.
    #[serde(default, rename = "fault", skip_serializing)]
    _faults: Option<IgnoredAny>,
    #[serde(default, rename = "end_ms", skip_serializing)]
    _end: Option<IgnoredAny>,
    /// What the search says of a case ([`crate::hunt`]); a run does not depend on it.
    #[serde(default, rename = "planted", skip_serializing)]
    _planted: Option<IgnoredAny>,
    #[serde(default, rename = "violates", skip_serializing)]
    _violates: Option<IgnoredAny>,
}

/// TOML has no integers above those of 64 bits with a sign: larger seeds are text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Seed {
    Number(i64),
    Text(String),
}

impl Seed {
    fn new(seed: u64) -> Self {
        i64::try_from(seed).map_or_else(|_| Self::Text(seed.to_string()), Self::Number)
    }

    fn value(&self) -> Option<u64> {
        match self {
            Self::Number(seed) => u64::try_from(*seed).ok(),
            Self::Text(seed) => seed.parse().ok(),
        }
    }
}

impl Replay {
    /// Reads what its `Display` writes; `file_name` is only shown.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ReplayError> {
        let wrong = |source| ReplayError::Config {
            file: file_name.to_owned(),
            source: Box::new(source),
        };
        let head: Head = toml::from_str(text).map_err(wrong)?;
        let no_seed = || {
            wrong(serde::de::Error::custom(
                "the seed is not a number from 0 to 2^64 - 1",
            ))
        };
        let seed = head.seed.value().ok_or_else(no_seed)?;
        let hosts = head.config.hosts();
        let plan = file::read(file_name, text, |fields| {
            // Looked at above.
            let _ = fields.required("seed");
            for other in ["config", "planted", "violates"] {
                let _ = fields.optional(other);
            }
            let end = fields
                .optional("end_ms")
                .and_then(|value: Value<'_>| value.ms());
            Plan::read(fields, end, Some(&hosts))
        })?;
        Ok(Self {
            config: head.config,
            plan,
            seed,
        })
    }

    /// Reads a file that [`Replay::write`] wrote.
    ///
    /// # Errors
    ///
    /// Those of reading, and what is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(source) => Err(ReplayError::Io { file, source }),
        }
    }

    /// Writes a file from which it can be run again.
    ///
    /// # Errors
    ///
    /// Those of writing.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, self.to_string())
    }

    /// The world, yet to run.
    pub fn world(&self) -> World {
        World::new(self.config.clone(), self.plan.clone(), self.seed)
    }

    /// Runs it again.
    pub fn run(&self) -> Run {
        self.world().run()
    }
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = Head {
            seed: Seed::new(self.seed),
            config: self.config.clone(),
            _faults: None,
            _end: None,
            _planted: None,
            _violates: None,
        };
        let head = toml::to_string(&head).map_err(|_| fmt::Error)?;
        write!(f, "{head}\n{}", self.plan.to_toml())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::{Persistence, SavePoint};

    fn replay(seed: u64) -> Replay {
        let plan =
            "[[fault]]\nkind='cut'\nfrom='holder'\nto=['node-1']\nstart_ms=10.5\nduration_ms=7\n";
        let mut config = WorldConfig::default();
        config.server.persistence = Persistence::Rdb {
            save_points: vec![SavePoint {
                seconds: 3,
                changes: 1,
            }],
        };
        config
            .server
            .denied_commands
            .insert("client|kill".to_owned());
        config.redlock.rate_error_ppm = Some(50);
        config.workload.workers = 2;
        Replay {
            config,
            plan: Plan::parse("plan.toml", plan).unwrap(),
            seed,
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for seed in [0, 7, u64::MAX] {
            let replay = replay(seed);
            let text = replay.to_string();
            assert_eq!(
                Replay::parse("replay.toml", &text).unwrap(),
                replay,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        let error = |text: &str| Replay::parse("replay.toml", text).unwrap_err().to_string();
        assert!(error("seed = -1").contains("the seed is not a number"));
        let unknown = error("seed = 1\n[config]\nnods = 3\n");
        assert!(
            unknown.contains("nods") && unknown.contains("line 3"),
            "{unknown}"
        );
        let nobody = "seed=1\n[[fault]]\nkind='pause'\ntarget='node-9'\nstart_ms=1\n";
        let nobody = error(nobody);
        assert!(
            nobody.contains("node-9") && nobody.contains("replay.toml:4"),
            "{nobody}"
        );
    }
}
