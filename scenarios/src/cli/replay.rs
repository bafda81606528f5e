//! `redlock-lab replay FILE`: a saved case, once more.

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use clap::Args;
use serde::Serialize;
use simulator::{
    checkers::{Checker, Report},
    history::History,
    hunt::{Case, Found},
    truth::Facts,
    world::Replay,
};

use super::{
    Ending, Error,
    output::{note, print, print_json},
    picture, shell,
};
use crate::{
    files::{read_text, try_folder},
    live::setup,
    rig,
    run_folder::{self, FinishedRun, Mode, RunFolder},
};

/// What is run again.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// A case as `hunt` saves it, or what a run that broke down prints to run it again.
    file: PathBuf,
    /// On real redis-server processes, with a TTL of a second and all other times in proportion.
    #[arg(long)]
    live: bool,
    /// How many times a live run is made at most, until it violates one of the rules that the file says: chance has its part in them.
    #[arg(long, value_name = "N", default_value = "3", requires = "live")]
    tries: NonZeroU32,
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
    mode: Mode,
    evidence: &'a [String],
    notes: &'a [String],
    not_made: &'a [String],
    run: Option<PathBuf>,
}

/// What the file says, and what came of it.
struct Again {
    case: Case,
    said: BTreeSet<Checker>,
    mode: Mode,
    /// As it ran: live at another TTL than the file's.
    replay: Replay,
    facts: Facts,
    history: History,
    report: Report,
    breakdown: Option<String>,
    violates: BTreeSet<Checker>,
    /// What the checkers saw, in sentences.
    evidence: Vec<String>,
    /// What was done live only nearly as the plan says.
    notes: Vec<String>,
    /// Faults that could not be made live.
    not_made: Vec<String>,
}

/// Runs a case again, and says whether it does what its file says.
///
/// # Errors
///
/// When the file cannot be read, or the folder of the run cannot be written.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    if options.write {
        try_folder(&options.runs)?;
    }
    let again = if options.live {
        match Again::live(options)? {
            Ok(again) => again,
            Err(impossible) => {
                skip(options, &impossible)?;
                return Ok(Ending::Inconclusive);
            }
        }
    } else {
        Again::simulated(&options.file)?
    };
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
    fn simulated(file: &Path) -> Result<Self, Error> {
        let (case, said) = read(file)?;
        let judged = case.judge();
        let found = Found::new(case.clone(), &judged);
        Ok(Self {
            mode: Mode::Simulated,
            replay: judged.run.replay.clone(),
            facts: judged.run.replay.config.facts(),
            violates: judged.violates(),
            evidence: found.map_or_else(Vec::new, |found| found.evidence),
            breakdown: judged.run.failure.as_ref().map(ToString::to_string),
            history: judged.run.history,
            report: judged.report,
            case,
            said,
            notes: Vec::new(),
            not_made: Vec::new(),
        })
    }

    /// The first live run that violates something that the file says, or the last one; why it cannot be made.
    fn live(options: &Options) -> Result<Result<Self, Vec<String>>, Error> {
        let (case, said) = read(&options.file)?;
        setup::ensure_server()?;
        let replay = case.replay().at_ttl(rig::LIVE_TTL);
        let rig = rig::Options::default().planted(case.planted.clone());
        let impossible = rig::not_possible(&replay, &rig);
        if !impossible.is_empty() {
            return Ok(Err(impossible));
        }
        let mut left = options.tries.get();
        loop {
            left -= 1;
            let run = rig::perform(&replay, &rig)?;
            let report = simulator::checkers::check_all(&run.history, &run.facts);
            let violations = report.violations();
            let violations: Vec<_> = violations
                .filter(|finding| finding.checker != Checker::Goals)
                .collect();
            let violates: BTreeSet<_> = violations.iter().map(|finding| finding.checker).collect();
            let shows_nothing = !said.is_empty() && said.is_disjoint(&violates);
            if left > 0 && (shows_nothing || !run.not_made.is_empty()) {
                continue;
            }
            let told = violations.iter().filter_map(|finding| {
                let because = finding.verdict.evidence()?;
                Some(format!("{}: {}", finding.checker, because.summary))
            });
            return Ok(Ok(Self {
                mode: Mode::Live,
                evidence: told.collect(),
                violates,
                replay,
                facts: run.facts,
                history: run.history,
                report,
                breakdown: None,
                case,
                said,
                notes: run.notes,
                not_made: run.not_made,
            }));
        }
    }

    /// What it violates and does not say comes first; then what it says and does not do. Live, where nodes cannot be looked into, one of
    /// the rules that the file says is enough, and others that rest on it may fall with it.
    fn ending(&self) -> Ending {
        let unsaid: BTreeSet<_> = self.violates.difference(&self.said).copied().collect();
        let does = match self.mode {
            Mode::Simulated => self.said.is_subset(&self.violates),
            Mode::Live => self.said.is_empty() || !self.said.is_disjoint(&self.violates),
        };
        if !unsaid.is_empty() && (self.mode == Mode::Simulated || self.said.is_empty()) {
            return Ending::of_violations(&unsaid);
        }
        if does && self.not_made.is_empty() {
            Ending::AsExpected
        } else {
            Ending::Inconclusive
        }
    }

    fn told(&self, options: picture::Options) -> String {
        let picture = picture::draw(&self.history, &self.facts, &self.report, options);
        let found = Found {
            case: self.case.clone(),
            violates: self.violates.iter().copied().collect(),
            evidence: self.evidence.clone(),
        };
        let mut story = found.story();
        for note in &self.notes {
            story += &format!("note: {note}\n");
        }
        for why in &self.not_made {
            story += &format!("a fault could not be made: {why}\n");
        }
        format!("{story}\n{picture}\n")
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
            mode: self.mode,
            evidence: &self.evidence,
            notes: &self.notes,
            not_made: &self.not_made,
            run,
        }
    }

    /// The folder of the run, named after the file.
    fn write(&self, options: &Options) -> Result<PathBuf, Error> {
        let stem = options.file.file_stem().unwrap_or_default();
        let mut contender = match &self.case.planted {
            Some(planted) => format!("redlock+{planted}"),
            None => "redlock".to_owned(),
        };
        let mut command = format!("redlock-lab replay {}", shell::quoted(&options.file));
        if self.mode == Mode::Live {
            contender += "+live";
            command += " --live";
        }
        let run = FinishedRun {
            scenario: stem.to_string_lossy().into_owned(),
            contender,
            mode: self.mode,
            command,
            replay: self.replay.clone(),
            facts: self.facts.clone(),
            history: self.history.clone(),
            report: self.report.clone(),
            breakdown: self.breakdown.clone(),
            not_made: self.not_made.clone(),
        };
        Ok(RunFolder::write(&options.runs, &run)?)
    }
}

/// Says why a case cannot be made live.
fn skip(options: &Options, reasons: &[String]) -> Result<(), Error> {
    note(&format!("skipped: {}", reasons.join("; ")));
    if !options.json {
        return Ok(());
    }
    let (case, said) = read(&options.file)?;
    print_json(&Json {
        command: "replay",
        format: 1,
        ending: Ending::Inconclusive.name(),
        exit_code: Ending::Inconclusive.code(),
        file: &options.file,
        seed: case.seed,
        planted: case.planted.as_ref().map(|planted| planted.name()),
        said: &said,
        violates: &BTreeSet::new(),
        mode: Mode::Live,
        evidence: &[],
        notes: &[],
        not_made: reasons,
        run: None,
    })
}

fn read(file: &Path) -> Result<(Case, BTreeSet<Checker>), Error> {
    let name = file.display().to_string();
    let case = Case::from_toml(&name, &read_text(file)?);
    case.map_err(|error| Error::wrong(error.to_string()))
}
