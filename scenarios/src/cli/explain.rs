//! `redlock-lab explain RUN`: a run that was kept, for people.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use simulator::timeline;

use super::{
    Ending, Error, names,
    output::{print, print_json},
    picture,
};
use crate::run_folder::{self, RunFolder};

/// Which run.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// The folder of a run, or one that has only one run below; or SCENARIO, SCENARIO/CONTENDER or SCENARIO/CONTENDER/SEED under --runs.
    run: String,
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
    run: &'a Path,
    story: String,
    manifest: &'a run_folder::Manifest,
    verdict: &'a simulator::checkers::Report,
}

/// Tells a run.
///
/// # Errors
///
/// When there is no such run, or more than one, or its folder is damaged.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let folder = RunFolder::read(&find(options)?)?;
    let run = &folder.run;
    if options.json {
        let ending = run.ending();
        let story = timeline::story(&run.history, &run.facts, Some(&run.report), usize::MAX);
        print_json(&Json {
            command: "explain",
            format: 1,
            ending: ending.name(),
            exit_code: ending.code(),
            run: &folder.path,
            story: story.trim_end().to_owned(),
            manifest: &folder.manifest,
            verdict: &run.report,
        })?;
        return Ok(Ending::AsExpected);
    }
    let picture = picture::draw(&run.history, &run.facts, &run.report, options.picture);
    let title = format!(
        "{}, {}, seed {}",
        run.scenario, run.contender, run.replay.seed
    );
    print(&format!("{title}\n\n{picture}"))?;
    if let Some(breakdown) = &run.breakdown {
        print(&format!("\nthe run itself went wrong: {breakdown}\n"))?;
    }
    for why in &run.not_made {
        print(&format!("\na fault could not be made: {why}\n"))?;
    }
    print(&format!("\nrun it again: {}\n", run.command))?;
    Ok(Ending::AsExpected)
}

/// The folder that is meant: what is there, or what is the only one below.
fn find(options: &Options) -> Result<PathBuf, Error> {
    let given = Path::new(&options.run);
    if given.join("manifest.json").exists() {
        return Ok(given.to_owned());
    }
    if given.is_file() {
        return Err(Error::wrong(format!(
            "{}: this is a file, and a run is a folder; `redlock-lab replay` runs the file of a case",
            given.display()
        )));
    }
    let mut at = options.runs.clone();
    // What is joined to a whole path is that path.
    if given.is_dir() && (given.is_absolute() || !at.join(given).is_dir()) {
        at = given.to_owned();
    } else {
        for part in given.iter().map(|part| part.to_string_lossy()) {
            let known = below(&at);
            if !known.iter().any(|name| *name == part) {
                return Err(unknown(options, &at, &part, &known));
            }
            at.push(&*part);
        }
    }
    while !at.join("manifest.json").exists() {
        let known = below(&at);
        match known.as_slice() {
            [one] => at.push(one),
            [] => return Err(unknown(options, &at, "", &known)),
            several => {
                let several = several.join(", ");
                return Err(Error::wrong(format!(
                    "{}: there are several, say which: {several}",
                    at.display()
                )));
            }
        }
    }
    Ok(at)
}

fn unknown(options: &Options, at: &Path, part: &str, known: &[String]) -> Error {
    let at = at.display();
    if known.is_empty() {
        return Error::wrong(format!(
            "{}: there is no such run, and {at} has none: `redlock-lab replay --write FILE` keeps one",
            options.run
        ));
    }
    let meant = names::did_you_mean(part, known.iter().map(String::as_str));
    let meant = if meant.is_empty() {
        ";".to_owned()
    } else {
        meant
    };
    Error::wrong(format!(
        "{}: there is no {part:?} in {at}{meant} there are {}",
        options.run,
        known.join(", ")
    ))
}

/// The folders in a folder, by name; none when it is not there.
fn below(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}
