//! The folder of a run: `<root>/<scenario>/<contender>/<seed>/`, by default under `target/runs`.
//!
//! | file | is |
//! |---|---|
//! | `manifest.json` | what was run: see [`Manifest`]; enough to run it again |
//! | `history.jsonl` | everything that happened, one event per line: see [`simulator::history`] |
//! | `verdict.json` | what the checkers say: `ending` (`as_expected`, `safety`, `liveness` or `inconclusive`), `breakdown` (why the run itself went wrong, or null), `not_made` (faults that could not be made while a live run was on, with reasons), and the fields of [`Report`] |
//!
//! A folder is written beside its place and moved there when it is whole: nobody ever reads half of one.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use simulator::{
    checkers::Report,
    history::{History, ReadError},
    plan::Plan,
    truth::Facts,
    world::{Replay, WorldConfig},
};

use crate::{
    built::Build,
    cli::Ending,
    files::{FileError, make_folder, read_text, write_whole},
};

/// The number of this format.
pub const FORMAT: u32 = 1;
/// Where run folders are, unless said otherwise.
pub const ROOT: &str = "target/runs";

const MANIFEST: &str = "manifest.json";
const HISTORY: &str = "history.jsonl";
const VERDICT: &str = "verdict.json";

/// Where a run took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// In the simulated world.
    Simulated,
    /// On real servers.
    Live,
}

/// A run that is over and was judged.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedRun {
    /// The name of the scenario.
    pub scenario: String,
    /// The name of what was under test.
    pub contender: String,
    /// Where it took place.
    pub mode: Mode,
    /// The exact command that runs it again.
    pub command: String,
    /// Configuration, plan and seed.
    pub replay: Replay,
    /// What one must know of it besides its history.
    pub facts: Facts,
    /// Everything that happened.
    pub history: History,
    /// What the checkers say.
    pub report: Report,
    /// Why the run itself went wrong, if it did: then its history says nothing.
    pub breakdown: Option<String>,
    /// Faults of the plan that could not be made while it was on, each with the reason: unless a rule was violated, the run says nothing.
    pub not_made: Vec<String>,
}

/// `manifest.json`: what was run, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The number of the format, [`FORMAT`].
    pub format: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// The name of what was under test.
    pub contender: String,
    /// What everything random was drawn from.
    pub seed: u64,
    /// Where it took place.
    pub mode: Mode,
    /// The exact command that runs it again.
    pub command: String,
    /// What ran it.
    pub build: Build,
    /// The commit it was built from, when that is known; with `-dirty` at its end there was more.
    pub commit: Option<String>,
    /// The versions of the dependencies that histories depend on.
    pub dependencies: String,
    /// What one must know besides the history.
    pub facts: Facts,
    /// Everything about the world but its plan and its seed.
    pub config: WorldConfig,
    /// The faults, with the fields of a plan's file.
    pub plan: toml::Table,
}

/// A run folder that was read.
#[derive(Clone, Debug)]
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The run.
    pub run: FinishedRun,
}

/// Why a run folder cannot be written or read. Each names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such folder, or no such file in it.
    #[error("{}: this is no folder of a run: it has no {missing}", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
        /// The file that is missing.
        missing: &'static str,
    },
    /// A file is not what it should be.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A name cannot be that of a folder.
    #[error("{name:?} cannot be the name of a folder: use letters, digits and -_.+")]
    Name {
        /// The name.
        name: String,
    },
}

/// `verdict.json`.
#[derive(Serialize, Deserialize)]
struct Verdict {
    ending: String,
    breakdown: Option<String>,
    #[serde(default)]
    not_made: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

impl FinishedRun {
    /// How it ended: what its exit code would be.
    pub fn ending(&self) -> Ending {
        if self.breakdown.is_some() {
            return Ending::Safety;
        }
        match Ending::of_report(&self.report) {
            Ending::AsExpected if !self.not_made.is_empty() => Ending::Inconclusive,
            ending => ending,
        }
    }

    fn manifest(&self) -> Result<Manifest, Error> {
        let text = self.replay.plan.to_toml();
        let plan = text
            .parse()
            .map_err(|error: toml::de::Error| Error::Damaged {
                path: MANIFEST.into(),
                why: error.to_string(),
            })?;
        Ok(Manifest {
            format: FORMAT,
            scenario: self.scenario.clone(),
            contender: self.contender.clone(),
            seed: self.replay.seed,
            mode: self.mode,
            command: self.command.clone(),
            build: Build::this(),
            commit: Build::commit().map(str::to_owned),
            dependencies: Build::dependencies().to_owned(),
            facts: self.facts.clone(),
            config: self.replay.config.clone(),
            plan,
        })
    }
}

impl RunFolder {
    /// Where the folder of a run is.
    ///
    /// # Errors
    ///
    /// When scenario or contender have names that no folder can have.
    pub fn place(
        root: &Path,
        scenario: &str,
        contender: &str,
        seed: u64,
    ) -> Result<PathBuf, Error> {
        for name in [scenario, contender] {
            let is_plain = |sign: char| sign.is_alphanumeric() || "-_.+".contains(sign);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(is_plain) {
                let name = name.to_owned();
                return Err(Error::Name { name });
            }
        }
        Ok(root.join(scenario).join(contender).join(seed.to_string()))
    }

    /// Writes the folder of a run under `root`, in place of the one that may be there, and returns where it is.
    ///
    /// # Errors
    ///
    /// When scenario or contender have names that no folder can have, or the operating system refuses something.
    pub fn write(root: &Path, run: &FinishedRun) -> Result<PathBuf, Error> {
        let place = Self::place(root, &run.scenario, &run.contender, run.replay.seed)?;
        let above = place.parent().unwrap_or(root);
        make_folder(above)?;
        let beside = |what| {
            above.join(format!(
                ".{}.{}.{what}",
                run.replay.seed,
                std::process::id()
            ))
        };
        let (new, old) = (beside("new"), beside("old"));
        let written = fill(&new, run).and_then(|()| Ok(exchange(&place, &new, &old)?));
        for rest in [new, old] {
            // What is left of either would only be in the way.
            let _ = fs::remove_dir_all(rest);
        }
        written.map(|()| place)
    }

    /// Reads the folder of a run.
    ///
    /// # Errors
    ///
    /// When it is none, or a file in it is not what it should be.
    pub fn read(path: &Path) -> Result<Self, Error> {
        for missing in [MANIFEST, HISTORY, VERDICT] {
            if !path.join(missing).exists() {
                let path = path.to_owned();
                return Err(Error::NotARun { path, missing });
            }
        }
        let manifest: Manifest = json(&path.join(MANIFEST))?;
        let verdict: Verdict = json(&path.join(VERDICT))?;
        let history = history(&path.join(HISTORY))?;
        let plan = plan(&path.join(MANIFEST), &manifest.plan)?;
        let run = FinishedRun {
            scenario: manifest.scenario.clone(),
            contender: manifest.contender.clone(),
            mode: manifest.mode,
            command: manifest.command.clone(),
            replay: Replay {
                config: manifest.config.clone(),
                plan,
                seed: manifest.seed,
            },
            facts: manifest.facts.clone(),
            history,
            report: verdict.report,
            breakdown: verdict.breakdown,
            not_made: verdict.not_made,
        };
        Ok(Self {
            path: path.to_owned(),
            manifest,
            run,
        })
    }
}

fn fill(folder: &Path, run: &FinishedRun) -> Result<(), Error> {
    make_folder(folder)?;
    let verdict = Verdict {
        ending: run.ending().name().to_owned(),
        breakdown: run.breakdown.clone(),
        not_made: run.not_made.clone(),
        report: run.report.clone(),
    };
    let manifest = folder.join(MANIFEST);
    write_whole(&manifest, &pretty(&manifest, &run.manifest()?)?)?;
    let file = folder.join(VERDICT);
    write_whole(&file, &pretty(&file, &verdict)?)?;
    let history = folder.join(HISTORY);
    let written = File::create(&history).and_then(|file| run.history.write_jsonl(file));
    Ok(written.map_err(FileError::on(&history, "write it"))?)
}

/// Moves `new` to `place`, and what was there to `old`.
fn exchange(place: &Path, new: &Path, old: &Path) -> Result<(), FileError> {
    let refused = || FileError::on(place, "put the folder of a run there");
    if place.exists() {
        fs::rename(place, old).map_err(refused())?;
    }
    fs::rename(new, place).map_err(refused())
}

fn pretty(path: &Path, value: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        why: error.to_string(),
    })?;
    Ok(text + "\n")
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    serde_json::from_str(&read_text(path)?).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        why: format!("{error}; this is not what this version of redlock-lab writes"),
    })
}

fn history(path: &Path) -> Result<History, Error> {
    let file = File::open(path).map_err(FileError::on(path, "read it"))?;
    History::read_jsonl(BufReader::new(file)).map_err(|error| match error {
        ReadError::Io { source, .. } => FileError::on(path, "read it")(source).into(),
        error => Error::Damaged {
            path: path.to_owned(),
            why: error.to_string(),
        },
    })
}

fn plan(path: &Path, plan: &toml::Table) -> Result<Plan, Error> {
    let name = path.display().to_string();
    Plan::parse(&name, &plan.to_string()).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        why: format!("its plan: {error}"),
    })
}

#[cfg(test)]
mod tests;
