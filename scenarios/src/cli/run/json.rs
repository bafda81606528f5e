//! `run --json`.

use serde::Serialize;

use super::{closing::Count, row::Row, work::Made};
use crate::{cli::Ending, run_folder::Mode, scenario::Outcome};

/// One object; fields are only ever added to it.
#[derive(Serialize)]
pub(super) struct Json {
    command: &'static str,
    format: u32,
    ending: &'static str,
    exit_code: u8,
    as_expected: bool,
    runs: Vec<JsonRun>,
    /// What did not run live, or not as its plan says, with the reason.
    skipped: Vec<String>,
    /// Of a live run: how many scenarios came out how.
    live: Option<Count>,
    /// Expectations of locks that are not here yet.
    pending: usize,
}

#[derive(Serialize)]
struct JsonRun {
    scenario: String,
    contender: &'static str,
    seed: u64,
    mode: Mode,
    expected: Option<Outcome>,
    /// `null` if the run shows nothing; `inconclusive` says why.
    outcome: Option<Outcome>,
    inconclusive: Option<String>,
    /// Of a live run: what the simulator came to.
    simulated: Option<Outcome>,
    as_expected: bool,
    longest_gap_ns: u64,
    least_margin_ns: Option<i64>,
    evidence: Vec<String>,
    notes: Vec<String>,
    not_made: Vec<String>,
    run: String,
}

pub(super) fn of(made: &Made, live: bool, pending: usize, ending: Ending) -> Json {
    Json {
        command: "run",
        format: 1,
        ending: ending.name(),
        exit_code: ending.code(),
        as_expected: made.rows.iter().all(Row::is_as_expected),
        runs: made.rows.iter().map(run).collect(),
        skipped: made.skipped().iter().map(ToString::to_string).collect(),
        live: live.then(|| Count::of(made)),
        pending,
    }
}

fn run(row: &Row) -> JsonRun {
    let simulated = row.simulated.as_ref();
    JsonRun {
        scenario: row.scenario.clone(),
        contender: row.contender.name(),
        seed: row.seed,
        mode: row.mode,
        expected: row.expected,
        outcome: row.outcome.as_ref().ok().copied(),
        inconclusive: row.outcome.as_ref().err().map(ToString::to_string),
        simulated: simulated.and_then(|outcome| outcome.as_ref().ok().copied()),
        as_expected: row.is_as_expected(),
        longest_gap_ns: u64::try_from(row.longest_gap.as_nanos()).unwrap_or(u64::MAX),
        least_margin_ns: row.least_margin_ns,
        evidence: row.evidence.clone(),
        notes: row.notes.clone(),
        not_made: row.not_made.clone(),
        run: row.kept.display().to_string(),
    }
}
