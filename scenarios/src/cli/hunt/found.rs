//! What is done with a violation: it is made small, told, and saved.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use serde::Serialize;
use simulator::{
    checkers::Checker,
    hunt::{Case, Found, ShrunkCase},
};

use super::{book::Book, draw::Drawer, search::Key};
use crate::{
    cli::{Error, interrupt::Interrupt},
    files::write_whole,
};

/// A violation that was saved.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Saved {
    /// Where.
    pub(super) file: PathBuf,
    /// Its profile.
    pub(super) profile: String,
    /// Its seed.
    pub(super) seed: u64,
    /// The rules that it violates as it was saved.
    pub(super) violates: BTreeSet<Checker>,
    /// How many windows of faults the plan had as it was drawn.
    pub(super) windows_drawn: usize,
    /// How many it has now.
    pub(super) windows: usize,
    /// How many runs it took to make it small.
    pub(super) runs: usize,
    /// Whether it is known that no window can go.
    pub(super) is_minimal: bool,
    /// What happens, in words.
    pub(super) story: String,
}

/// How a violation is made small.
pub(super) struct Saving<'a> {
    /// Where to.
    pub(super) folder: &'a Path,
    /// With so many runs at most; with none it is saved as it was drawn.
    pub(super) runs: usize,
    pub(super) interrupt: &'a Interrupt,
    pub(super) bar: &'a ProgressBar,
}

impl Saving<'_> {
    /// Makes the violation of one plan small and saves it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, or the violation does not show again.
    pub(super) fn save(&self, book: &Book, key: Key) -> Result<Saved, Error> {
        let profile = &book.search.profiles[key.profile];
        let gone = || {
            Error::wrong(format!(
                "seed {} of {profile} violated something when it was found, and does not now: please report this",
                key.seed
            ))
        };
        let drawn = Drawer::again(book, key)?.ok_or_else(gone)?;
        let seen = book.record(key).and_then(|record| record.seen.as_ref());
        let checker = seen.and_then(|seen| seen.violates.first().copied());
        let small = self.shrink(&drawn, checker.ok_or_else(gone)?);
        let judged = small.case.judge();
        let found = Found::new(small.case, &judged).ok_or_else(gone)?;
        let story = found.story();
        let violates = judged.violates();
        let file = self.folder.join(format!("{profile}-{}.toml", key.seed));
        let text = found.case.to_toml(&violates, &story);
        let text = text.map_err(|error| Error::wrong(format!("{}: {error}", file.display())))?;
        write_whole(&file, &text)?;
        Ok(Saved {
            file,
            profile: profile.clone(),
            seed: key.seed,
            violates,
            windows_drawn: drawn.plan.windows.len(),
            windows: found.case.plan.windows.len(),
            runs: small.runs,
            is_minimal: small.is_minimal,
            story,
        })
    }

    /// As small as the budget and the user's patience allow.
    fn shrink(&self, drawn: &Case, checker: Checker) -> ShrunkCase {
        let windows = drawn.plan.windows.len();
        let shrunk = drawn.shrink_watched(checker, self.runs, |left| {
            self.bar.inc(1);
            self.bar
                .set_message(format!("(trying {left} of {windows} windows)"));
            self.interrupt.asked().is_none()
        });
        shrunk.unwrap_or_else(|| ShrunkCase {
            case: drawn.clone(),
            runs: 0,
            is_minimal: false,
        })
    }
}
