//! `redlock-lab replay FILE`: a saved case, once more.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use simulator::{
    checkers::Checker,
    hunt::{Case, Found, Judged},
};

use super::{
    Ending, Error,
    output::{note, print, print_json},
    picture, shell,
};
use crate::{
    files::read_text,
    run_folder::{self, FinishedRun, Mode, RunFolder},
};

/// What is run again.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// A case as `hunt` saves it, or what a run that broke down prints to run it again.
    file: PathBuf,
    /// Write the run to a folder too, for `explain` and for analysis.
    #[arg(long)]
    write: bool,
    /// Where run folders are.
    #[arg(long, value_name = "DIR", default_value = run_folder::ROOT)]
    runs: PathBuf,
    #[command(flatten)]
    picture: picture::Options,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// `--json`.
#[derive(Serialize)]
struct Json<'a> {
    command: &'static str,
    format: u32,
    ending: &'static str,
    exit_code: u8,
    file: &'a Path,
    seed: u64,
    planted: Option<&'a str>,
    said: &'a BTreeSet<Checker>,
    violates: &'a BTreeSet<Checker>,
    evidence: &'a [String],
    run: Option<PathBuf>,
}

/// What the file says, and what came of it.
struct Again {
    case: Case,
    said: BTreeSet<Checker>,
    violates: BTreeSet<Checker>,
    judged: Judged,
    found: Option<Found>,
}

/// Runs a case again, and says whether it does what its file says.
///
/// # Errors
///
/// When the file cannot be read, or the folder of the run cannot be written.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let again = Again::new(&options.file)?;
    let ending = again.ending();
    let place = match options.write {
        true => Some(again.write(options)?),
        false => None,
    };
    if options.json {
        print_json(&again.json(&options.file, place, ending))?;
        return Ok(ending);
    }
    print(&again.told(options.picture))?;
    print(&again.compared())?;
    if let Some(place) = place {
        let place = shell::quoted(&place);
        note(&format!("kept: redlock-lab explain {place}"));
    }
    Ok(ending)
}

impl Again {
    fn new(file: &Path) -> Result<Self, Error> {
        let name = file.display().to_string();
        let case = Case::from_toml(&name, &read_text(file)?);
        let (case, said) = case.map_err(|error| Error::wrong(error.to_string()))?;
        let judged = case.judge();
        Ok(Self {
            violates: judged.violates(),
            found: Found::new(case.clone(), &judged),
            case,
            said,
            judged,
        })
    }

    /// What it violates and does not say comes first; then what it says and does not do.
    fn ending(&self) -> Ending {
        let unsaid: BTreeSet<_> = self.violates.difference(&self.said).copied().collect();
        if !unsaid.is_empty() {
            return Ending::of_violations(&unsaid);
        }
        if self.said.is_subset(&self.violates) {
            Ending::AsExpected
        } else {
            Ending::Inconclusive
        }
    }

    fn told(&self, options: picture::Options) -> String {
        let judged = &self.judged;
        let (history, facts) = (&judged.run.history, self.case.config.facts());
        let picture = picture::draw(history, &facts, &judged.report, options);
        let story = self.found.as_ref().map(Found::story);
        format!("{}\n{picture}\n", story.unwrap_or_default())
    }

    /// What the file says beside what happened.
    fn compared(&self) -> String {
        let names = |checkers: &BTreeSet<Checker>| -> String {
            let names: Vec<_> = checkers.iter().map(|checker| checker.name()).collect();
            if names.is_empty() {
                "nothing".to_owned()
            } else {
                names.join(", ")
            }
        };
        let (said, violates) = (names(&self.said), names(&self.violates));
        if self.said == self.violates {
            return format!("as the file says, it violates {violates}\n");
        }
        format!("the file says that it violates {said}; it violates {violates}\n")
    }

    fn json<'a>(&'a self, file: &'a Path, run: Option<PathBuf>, ending: Ending) -> Json<'a> {
        Json {
            command: "replay",
            format: 1,
            ending: ending.name(),
            exit_code: ending.code(),
            file,
            seed: self.case.seed,
            planted: self.case.planted.as_ref().map(|planted| planted.name()),
            said: &self.said,
            violates: &self.violates,
            evidence: self.found.as_ref().map_or(&[], |found| &found.evidence),
            run,
        }
    }

    /// The folder of the run, named after the file.
    fn write(&self, options: &Options) -> Result<PathBuf, Error> {
        let stem = options.file.file_stem().unwrap_or_default();
        let contender = match &self.case.planted {
            Some(planted) => format!("redlock+{planted}"),
            None => "redlock".to_owned(),
        };
        let run = FinishedRun {
            scenario: stem.to_string_lossy().into_owned(),
            contender,
            mode: Mode::Simulated,
            command: format!("redlock-lab replay {}", shell::quoted(&options.file)),
            replay: self.judged.run.replay.clone(),
            facts: self.case.config.facts(),
            history: self.judged.run.history.clone(),
            report: self.judged.report.clone(),
            breakdown: self.judged.run.failure.as_ref().map(ToString::to_string),
        };
        Ok(RunFolder::write(&options.runs, &run)?)
    }
}
