//! Which scenarios, and which locks.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, builder::PossibleValuesParser};
use simulator::plan::file::nearest;

use super::{Cli, Error, names::did_you_mean};
use crate::{
    catalogue,
    scenario::{Contender, Scenario},
};

/// Which scenarios.
#[derive(Clone, Debug, Args)]
pub(super) struct Pick {
    /// Scenarios of the catalogue by name, files, or folders of files; the whole catalogue if there is none.
    #[arg(value_name = "NAME|FILE|FOLDER")]
    scenarios: Vec<String>,
    /// Only scenarios with this tag; may be given more than once.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

impl Pick {
    /// The scenarios, in the order in which they were asked for; the catalogue's in that of their names.
    ///
    /// # Errors
    ///
    /// When a name is unknown, a file is wrong, or nothing has the tags.
    pub(super) fn scenarios(&self) -> Result<Vec<Scenario>, Error> {
        let known = hazards()?;
        let mut picked = Vec::new();
        for asked in &self.scenarios {
            picked.extend(one(asked, &known)?);
        }
        if self.scenarios.is_empty() {
            picked = known.clone();
        }
        if !self.tag.is_empty() {
            picked.retain(|scenario| self.tag.iter().any(|tag| scenario.head.tags.contains(tag)));
        }
        if picked.is_empty() {
            return Err(Error::wrong(self.nothing(&known)));
        }
        told_apart(picked, &known)
    }

    fn nothing(&self, known: &[Scenario]) -> String {
        let mut tags: Vec<_> = known.iter().flat_map(|it| &it.head.tags).collect();
        tags.sort_unstable();
        tags.dedup();
        let tags: Vec<_> = tags.into_iter().map(String::as_str).collect();
        format!(
            "no scenario has the tag {}: the catalogue has {}",
            self.tag.join(" or "),
            tags.join(", ")
        )
    }
}

/// Which locks.
#[derive(Clone, Debug, Args)]
pub(super) struct Locks {
    /// Only this lock; may be given more than once.
    #[arg(long, value_name = "LOCK", value_parser = PossibleValuesParser::new(Contender::ALL.map(Contender::name)))]
    contender: Vec<String>,
}

impl Locks {
    /// Whether a lock was asked for.
    pub(super) fn has(&self, contender: Contender) -> bool {
        self.contender.is_empty() || self.contender.iter().any(|name| name == contender.name())
    }

    /// Whether none was named.
    pub(super) fn is_any(&self) -> bool {
        self.contender.is_empty()
    }
}

/// The scenario of that name, or in that file.
///
/// # Errors
///
/// When there is none, or it is wrong.
pub(super) fn scenario(asked: &str) -> Result<Scenario, Error> {
    let mut found = one(asked, &hazards()?)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        count => Err(Error::wrong(format!(
            "{asked} has {count} scenarios: name one of its files"
        ))),
    }
}

fn hazards() -> Result<Vec<Scenario>, Error> {
    catalogue::hazards().map_err(|error| Error::wrong(error.to_string()))
}

fn one(asked: &str, known: &[Scenario]) -> Result<Vec<Scenario>, Error> {
    if let Some(found) = known.iter().find(|scenario| scenario.name == asked) {
        return Ok(vec![found.clone()]);
    }
    let path = Path::new(asked);
    if path.is_dir() {
        return folder(path);
    }
    if path.extension().is_some() || path.components().count() > 1 || path.exists() {
        return Ok(vec![file(path)?]);
    }
    let names = known.iter().map(|scenario| scenario.name.as_str());
    let mut guess = did_you_mean(asked, names);
    if guess.is_empty() {
        // Whatever comes first and is no command is taken for a scenario.
        let program = Cli::command();
        let commands = program.get_subcommands().filter(|it| !it.is_hide_set());
        if let Some(command) = nearest(asked, commands.map(clap::Command::get_name)) {
            guess = format!("; did you mean the command \"{command}\"?");
        }
    }
    Err(Error::wrong(format!(
        "no scenario is called {asked:?}{guess}; `redlock-lab list` shows all, and a file is given by its path"
    )))
}

/// Runs are kept by name, so no two scenarios have the same. A file that is called as a scenario of the catalogue and says something else gets a
/// name of its own, and what was given twice is meant once.
fn told_apart(picked: Vec<Scenario>, known: &[Scenario]) -> Result<Vec<Scenario>, Error> {
    let mut apart: Vec<Scenario> = Vec::new();
    for mut scenario in picked {
        let namesake = known.iter().find(|it| it.name == scenario.name);
        if namesake.is_some_and(|it| !it.says_the_same_as(&scenario)) {
            scenario.name += "+file";
        }
        match apart.iter().find(|it| it.name == scenario.name) {
            None => apart.push(scenario),
            Some(other) if other.says_the_same_as(&scenario) => {}
            Some(other) => {
                let file = |it: &Scenario| match &it.origin {
                    Some(file) => file.display().to_string(),
                    None => it.name.clone(),
                };
                return Err(Error::wrong(format!(
                    "{} and {} are two scenarios of one name, by which runs are kept: rename one, or run one after the other with --runs",
                    file(other),
                    file(&scenario)
                )));
            }
        }
    }
    Ok(apart)
}

fn file(path: &Path) -> Result<Scenario, Error> {
    Scenario::read(path).map_err(|error| Error::wrong(error.to_string()))
}

fn folder(path: &Path) -> Result<Vec<Scenario>, Error> {
    let listed = std::fs::read_dir(path).map_err(Error::file(path, "list"))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in listed {
        let file = entry.map_err(Error::file(path, "list"))?.path();
        if file.extension().is_some_and(|it| it == "toml") {
            files.push(file);
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        return Err(Error::wrong(format!(
            "{} has no scenarios: there is no .toml file in it",
            path.display()
        )));
    }
    files.iter().map(|path| file(path)).collect()
}
