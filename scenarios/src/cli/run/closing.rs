//! What is said below the table.

use std::collections::{BTreeMap, BTreeSet};

use super::{Options, Wanted, row::Row, work::Made};
use crate::scenario::{Contender, Scenario};

/// What is not as expected, what did not run and why, why live verdicts differ, and how many there are of each.
pub(super) fn of(
    scenarios: &[Scenario],
    wanted: &[Wanted<'_>],
    made: &Made,
    options: &Options,
) -> String {
    let mut text = String::new();
    for row in made.rows.iter().filter(|row| row.is_wrong()) {
        text += &format!("{}\n", row.told());
    }
    if options.live {
        text += &skipped(made);
        text += &nearly(made);
        text += &differing(scenarios, made);
        text += &format!("{}\n", Count::of(made));
    }
    let wrong = made.rows.iter().filter(|row| row.is_wrong()).count();
    let not_made = made.rows.iter().filter(|row| row.is_not_made()).count();
    let what = if options.live { "live" } else { "simulated" };
    text += &format!(
        "{} {what} runs of {} scenarios",
        made.rows.len(),
        scenarios.len()
    );
    text += &match (wrong, not_made) {
        (0, 0) => ", all as expected".to_owned(),
        (0, _) => String::new(),
        (wrong, _) => format!(", {wrong} not as expected"),
    };
    if not_made > 0 {
        text += &format!(", {not_made} skipped because faults could not be made");
    }
    let skipped = made.skipped.iter().filter(|it| it.contender.is_some());
    let done = made.rows.len() + skipped.count();
    if let left @ 1.. = wanted.len().saturating_sub(done) {
        text += &format!("; {left} not made");
    }
    let pending = options.pending(scenarios);
    if pending > 0 {
        text += &format!("; {pending} expectations wait for locks that are not here yet");
    }
    text += &format!(".\nKept in {}\n", options.runs.display());
    text
}

/// Scenarios on real servers, each counted once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Count {
    /// All that ran of them came out as expected.
    as_expected: usize,
    not_as_expected: usize,
    /// Nothing of them ran; or faults of theirs could not be made, and what ran otherwise was as expected.
    skipped: usize,
}

impl Count {
    pub(super) fn of(made: &Made) -> Self {
        let names = |rows: &mut dyn Iterator<Item = &Row>| -> BTreeSet<String> {
            rows.map(|row| row.scenario.clone()).collect()
        };
        let ran = names(&mut made.rows.iter());
        let wrong = names(&mut made.rows.iter().filter(|row| row.is_wrong()));
        let mut skipped = names(&mut made.rows.iter().filter(|row| row.is_not_made()));
        let none_ran = made.skipped.iter().map(|it| it.scenario.clone());
        skipped.extend(none_ran.filter(|scenario| !ran.contains(scenario)));
        skipped.retain(|scenario| !wrong.contains(scenario));
        let as_expected = ran.iter();
        let as_expected = as_expected.filter(|it| !wrong.contains(*it) && !skipped.contains(*it));
        Self {
            as_expected: as_expected.count(),
            not_as_expected: wrong.len(),
            skipped: skipped.len(),
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "On real servers: {} scenarios as expected, {} skipped with reasons, {} not as expected.",
            self.as_expected, self.skipped, self.not_as_expected
        )
    }
}

/// A line for each scenario and reason; locks are named only where others of the same scenario ran, or have another reason.
fn skipped(made: &Made) -> String {
    let mut reasons: BTreeMap<&str, BTreeMap<&str, BTreeSet<Option<Contender>>>> = BTreeMap::new();
    let all = made.skipped();
    for skipped in &all {
        let of = reasons.entry(&skipped.scenario).or_default();
        of.entry(&skipped.why)
            .or_default()
            .insert(skipped.contender);
    }
    let mut text = String::new();
    for (scenario, reasons) in reasons {
        let is_whole = reasons.len() == 1 && made.rows.iter().all(|row| row.scenario != scenario);
        for (why, contenders) in reasons {
            let names = contenders.into_iter().flatten().map(Contender::name);
            let names: Vec<_> = names.collect();
            text += &match is_whole {
                true => format!("skipped: {scenario}: {why}\n"),
                false => format!("skipped: {scenario} with {}: {why}\n", names.join(", ")),
            };
        }
    }
    text
}

/// What was not done exactly as the plans say, with the scenarios: all of them if they are few.
fn nearly(made: &Made) -> String {
    let mut notes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in &made.rows {
        for note in &row.notes {
            notes.entry(note).or_default().insert(&row.scenario);
        }
    }
    let lines = notes.into_iter().map(|(note, scenarios)| {
        let scenarios: Vec<_> = scenarios.into_iter().collect();
        let named = match scenarios.len() {
            many @ 6.. => format!("{many} scenarios"),
            _ => scenarios.join(", "),
        };
        format!("only nearly: {note} (in {named})\n")
    });
    lines.collect()
}

/// Why verdicts on real servers are others than the simulator's, where they are expected to be.
fn differing(scenarios: &[Scenario], made: &Made) -> String {
    let differs = |row: &&Row| {
        row.is_as_expected()
            && (row.simulated.as_ref()).is_some_and(|simulated| *simulated != row.outcome)
    };
    let differing = made.rows.iter().filter(differs);
    let differing: BTreeSet<&str> = differing.map(|row| &*row.scenario).collect();
    let because = scenarios
        .iter()
        .filter(|it| differing.contains(&*it.name))
        .filter_map(|it| Some((&it.name, it.head.live.because.as_ref()?)));
    because
        .map(|(name, because)| format!("differs: {name}: {because}\n"))
        .collect()
}
