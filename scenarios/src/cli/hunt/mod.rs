//! The search for violations, in one piece or in many.
//!
//! A [`search`](search::Search) is all that decides what is found. Its plans are run in order, on threads (`work`), drawn by
//! `draw`, and each leaves a line in a file (`record`, `journal`); a search that is started again goes on after the last whole
//! line. A `book` puts such files together, those of shards or the only one there is: what is printed (`summary`) and saved
//! (`found`) follows from the book alone. That is why shards that are merged give what one search gives.

mod book;
mod draw;
mod found;
mod journal;
mod options;
mod record;
pub(super) mod region;
mod search;
mod summary;
mod work;

use std::path::Path;

pub(super) use self::options::{MergeOptions, Options};
use self::{
    book::{Book, Page},
    found::{Saved, Saving},
    journal::Journal,
    search::Shard,
    summary::Summary,
    work::{Stopped, Work},
};
use super::{
    Ending, Error,
    interrupt::Interrupt,
    output::{note, print, print_json, progress},
};
use crate::{files::write_whole, live::clock};

/// Searches until the budget is spent or a violation is found, and saves that.
///
/// # Errors
///
/// When a file cannot be used, or an argument names nothing.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let search = options.search()?;
    let interrupt = Interrupt::listen()?;
    let folder = options.to.join(search.folder());
    let shard = options.shard();
    let mut journal = Journal::open(&folder, &search, shard, options.fresh)?;
    if journal.resumed > 0 {
        let (resumed, path) = (journal.resumed, journal.path().display());
        note(&format!("{resumed} plans were run before, says {path}"));
    }
    let bar = progress(search.count(shard), "plans");
    bar.set_position(journal.resumed);
    let work = Work {
        shard,
        jobs: options.jobs(),
        deadline: options.time_limit().map(|limit| clock::now() + limit),
        interrupt: &interrupt,
        bar: &bar,
    };
    let stopped = work.run(&mut journal);
    bar.finish_and_clear();
    let stopped = stopped?;
    let saved = save(&journal.book, &folder, options.shrink_runs, &interrupt)?;
    let summary = Summary::new(&journal.book, shard, saved);
    let interrupted = match stopped {
        Stopped::Interrupted(ending) => Some(ending),
        _ => interrupt.asked(),
    };
    let ending = interrupted.unwrap_or_else(|| summary.ending(true));
    if options.json {
        print_json(&summary.json("hunt", ending, journal.path()))?;
    } else {
        print(&summary.text())?;
    }
    if interrupted.is_some() {
        let left = summary.missing();
        let left = left.map(|left| format!(" with {left} still to be run"));
        note(&format!(
            "interrupted{}; all that was run is kept, and the same command goes on from there",
            left.unwrap_or_default()
        ));
    } else if stopped == Stopped::TimeIsUp && !options.json {
        note("the time is up; the same command goes on from there");
    }
    Ok(ending)
}

/// Joins what shards have done, and says the same as the whole search would.
///
/// # Errors
///
/// When a file cannot be read, is damaged, or is of another search; each is named.
pub(super) fn merge(options: &MergeOptions) -> Result<Ending, Error> {
    let interrupt = Interrupt::listen()?;
    let (book, of) = read(options)?;
    let folder = options.to.join(book.search.folder());
    let path = folder.join("merged.jsonl");
    write_whole(&path, &book.to_text())?;
    let saved = save(&book, &folder, options.shrink_runs, &interrupt)?;
    let summary = Summary::new(&book, Shard::WHOLE, saved);
    let ending = summary.ending(book.search.until.is_none());
    let ending = interrupt.asked().unwrap_or(ending);
    if options.json {
        print_json(&summary.json("merge", ending, &path))?;
    } else {
        print(&summary.text())?;
    }
    if let Some(missing) = summary.missing() {
        let lacking = book.lacking(of).into_iter();
        let lacking: Vec<_> = lacking
            .map(|(shard, plans)| format!("{plans} of shard {shard}"))
            .collect();
        note(&format!(
            "{missing} are still to be run: {}",
            lacking.join(", ")
        ));
    }
    Ok(ending)
}

/// All files in one book, and how many shards there seem to be.
fn read(options: &MergeOptions) -> Result<(Book, u64), Error> {
    let mut book: Option<Book> = None;
    let mut of = 1;
    for file in &options.files {
        let Some(page) = Page::read(file)? else {
            return Err(Error::wrong(format!(
                "{}: this is no record of a hunt: not even its first line is whole",
                file.display()
            )));
        };
        if page.is_torn {
            let file = file.display();
            note(&format!("{file}: the last line is torn, and left out"));
        }
        of = of.max(page.shard.of);
        match &mut book {
            Some(book) => book.join(file, page.book)?,
            None => book = Some(page.book),
        }
    }
    let book = book.ok_or_else(|| Error::wrong("there is nothing to merge: give records"))?;
    let this = crate::built::Build::this();
    if book.search.build != this {
        let (theirs, file) = (&book.search.build, options.files[0].display());
        return Err(Error::wrong(format!(
            "{file}: a build of other sources ran it ({} {}), and this one ({} {}) would see other things: merge with that build",
            theirs.version, theirs.sources, this.version, this.sources
        )));
    }
    Ok((book, of))
}

/// Saves the first violation; of a search that goes on, the first of each kind.
fn save(
    book: &Book,
    folder: &Path,
    runs: usize,
    interrupt: &Interrupt,
) -> Result<Vec<Saved>, Error> {
    let bar = progress(None, "making it small");
    let saving = Saving {
        folder,
        runs,
        interrupt,
        bar: &bar,
    };
    let kinds = book.kinds().into_iter();
    let saved = kinds.map(|(key, _)| saving.save(book, key)).collect();
    bar.finish_and_clear();
    saved
}
