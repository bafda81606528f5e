//! What a search came to, for people and as JSON.

use std::{fmt::Write as _, path::Path};

use serde::Serialize;

use super::{
    book::{Book, Came},
    found::Saved,
    search::{Search, Shard},
};
use crate::cli::{Ending, shell};
use simulator::{checkers::Checker, hunt::Tally};

/// Of many violations, so many are named.
const NAMED: usize = 20;

/// What a search, or a part of it, came to.
pub(super) struct Summary<'b> {
    book: &'b Book,
    shard: Shard,
    came: Came<'b>,
    saved: Vec<Saved>,
}

/// It as JSON: `redlock-lab hunt --json` and `redlock-lab merge --json`.
#[derive(Serialize)]
struct Json<'b> {
    command: &'static str,
    format: u32,
    ending: &'static str,
    exit_code: u8,
    search: &'b Search,
    shard: Shard,
    records: &'b Path,
    plans_run: u64,
    plans_missing: Option<u64>,
    seeds_without_plan: u64,
    tally: &'b Tally,
    violations: Vec<Violation<'b>>,
    saved: &'b [Saved],
}

#[derive(Serialize)]
struct Violation<'b> {
    profile: &'b str,
    seed: u64,
    violates: Vec<Checker>,
    evidence: &'b [String],
}

impl<'b> Summary<'b> {
    /// Of what is known of `shard`.
    pub(super) fn new(book: &'b Book, shard: Shard, saved: Vec<Saved>) -> Self {
        Self {
            came: book.result(shard),
            book,
            shard,
            saved,
        }
    }

    /// How it ends when nothing interrupted it. A search of which parts are missing says nothing as long as nothing was found,
    /// unless all that was to be spent was spent; nor does one in which nobody ever acquired anything.
    pub(super) fn ending(&self, all_was_spent: bool) -> Ending {
        let violated = self
            .violations()
            .into_iter()
            .flat_map(|found| found.violates);
        let ending = Ending::of_violations(&violated.collect());
        let is_partial = self.came.missing != Some(0) && !all_was_spent;
        if ending == Ending::AsExpected && (is_partial || self.came.tally.acquired == 0) {
            return Ending::Inconclusive;
        }
        ending
    }

    fn violations(&self) -> Vec<Violation<'_>> {
        let all = self.came.violations.iter();
        all.map(|(_, record)| {
            let seen = record.seen.as_ref();
            Violation {
                profile: &record.profile,
                seed: record.seed,
                violates: seen
                    .iter()
                    .flat_map(|seen| seen.violates.iter().copied())
                    .collect(),
                evidence: seen.map_or(&[], |seen| &seen.evidence),
            }
        })
        .collect()
    }

    /// The JSON object.
    pub(super) fn json(
        &self,
        command: &'static str,
        ending: Ending,
        records: &'b Path,
    ) -> impl Serialize {
        Json {
            command,
            format: super::record::FORMAT,
            ending: ending.name(),
            exit_code: ending.code(),
            search: &self.book.search,
            shard: self.shard,
            records,
            plans_run: self.came.tally.plans,
            plans_missing: self.came.missing,
            seeds_without_plan: self.came.without_plan,
            tally: &self.came.tally,
            violations: self.violations(),
            saved: &self.saved,
        }
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        let mut text = self.book.search.told();
        if self.shard != Shard::WHOLE {
            text += &format!(", shard {}", self.shard);
        }
        // Writing to a string does not fail.
        let _ = write!(text, "\n{}", self.came.tally);
        if self.came.without_plan > 0 {
            let _ = writeln!(text, "{} seeds have no plan there", self.came.without_plan);
        }
        if self.came.tally.acquired == 0 {
            text += "no lease was ever acquired: this shows nothing\n";
        }
        self.tell_violations(&mut text);
        for saved in &self.saved {
            text += &tell(saved);
        }
        text
    }

    fn tell_violations(&self, text: &mut String) {
        let violations = self.violations();
        match violations.len() {
            0 => *text += "nothing is violated\n",
            1 => *text += "1 plan violates something:\n",
            several => *text += &format!("{several} plans violate something:\n"),
        }
        for found in violations.iter().take(NAMED) {
            let names: Vec<_> = found
                .violates
                .iter()
                .map(|checker| checker.name())
                .collect();
            let _ = writeln!(
                text,
                "  seed {} of {}: {}",
                found.seed,
                found.profile,
                names.join(", ")
            );
        }
        if violations.len() > NAMED {
            let _ = writeln!(text, "  and {} more", violations.len() - NAMED);
        }
    }

    /// What is still to be run, if anything is.
    pub(super) fn missing(&self) -> Option<String> {
        let missing = self.came.missing.filter(|missing| *missing > 0)?;
        let all = self.book.search.count(self.shard).unwrap_or_default();
        Some(format!("{missing} of {all} plans"))
    }
}

/// A violation that was saved, and how to see it again.
fn tell(saved: &Saved) -> String {
    let mut text = format!("\nseed {} of {}", saved.seed, saved.profile);
    text += &match (saved.runs, saved.windows_drawn, saved.windows) {
        (0, _, windows) => format!(", not made smaller, {windows} windows:\n"),
        (runs, drawn, left) => {
            let proof = if saved.is_minimal {
                "no window can go"
            } else {
                "more may go"
            };
            format!(", {left} of {drawn} windows left after {runs} runs, {proof}:\n")
        }
    };
    for line in saved.story.lines() {
        let _ = writeln!(text, "  {line}");
    }
    let file = shell::quoted(&saved.file);
    let _ = writeln!(text, "saved:  {file}");
    let _ = writeln!(text, "replay: redlock-lab replay {file}");
    text
}
