//! Running plans on threads.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use indicatif::ProgressBar;

use super::{
    book::Book,
    draw::{Drawer, batches},
    journal::Journal,
    record::Record,
    search::{Key, Shard},
};
use crate::{
    cli::{Ending, Error, interrupt::Interrupt},
    live::clock::{self, Moment},
};

/// How a shard is run. What is found depends on none of this.
pub(super) struct Work<'a> {
    pub(super) shard: Shard,
    /// How many threads.
    pub(super) jobs: NonZeroUsize,
    /// No plan begins later.
    pub(super) deadline: Option<Moment>,
    pub(super) interrupt: &'a Interrupt,
    pub(super) bar: &'a ProgressBar,
}

/// Why no more plans are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// All that count were.
    Done,
    /// The time is over.
    TimeIsUp,
    /// Somebody asked for it.
    Interrupted(Ending),
}

impl Work<'_> {
    /// Runs what the journal lacks, in order. Records are written in order as well, so that an interrupted journal is the
    /// beginning of a whole one.
    ///
    /// # Errors
    ///
    /// When the journal cannot be written.
    pub(super) fn run(&self, journal: &mut Journal) -> Result<Stopped, Error> {
        let search = journal.book.search.clone();
        let mut drawer = Drawer::new(&search)?;
        if search.steers {
            for batch in batches(&search) {
                self.run_keys(&drawer, batch.iter().copied(), journal)?;
                if self.is_over() || self.is_found(journal) {
                    break;
                }
                drawer.learn(&journal.book, &batch);
            }
        } else {
            self.run_keys(&drawer, search.keys(self.shard), journal)?;
        }
        Ok(self.stopped(journal))
    }

    fn stopped(&self, journal: &Journal) -> Stopped {
        let book = &journal.book;
        if lacking(book, book.search.keys(self.shard)).next().is_none() {
            return Stopped::Done;
        }
        match self.interrupt.asked() {
            Some(ending) => Stopped::Interrupted(ending),
            None => Stopped::TimeIsUp,
        }
    }

    fn is_over(&self) -> bool {
        let is_late = self
            .deadline
            .is_some_and(|deadline| clock::now() >= deadline);
        is_late || self.interrupt.asked().is_some()
    }

    fn is_found(&self, journal: &Journal) -> bool {
        !journal.book.search.keeps_going && journal.book.first_violation().is_some()
    }

    fn run_keys(
        &self,
        drawer: &Drawer,
        keys: impl Iterator<Item = Key> + Send,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let profiles = journal.book.search.profiles.clone();
        let keeps_going = journal.book.search.keeps_going;
        let known = journal.book.clone();
        let next = Mutex::new(lacking(&known, keys).enumerate());
        let enough = AtomicBool::new(false);
        let take = || {
            if enough.load(Ordering::Relaxed) || self.is_over() {
                return None;
            }
            next.lock().unwrap_or_else(PoisonError::into_inner).next()
        };
        thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..self.jobs.get() {
                let (send, take, enough) = (send.clone(), &take, &enough);
                let profiles = &profiles;
                scope.spawn(move || {
                    while let Some((place, key)) = take() {
                        let record = Record::of(key.seed, &profiles[key.profile], drawer.case(key));
                        if record.is_violation() && !keeps_going {
                            enough.store(true, Ordering::Relaxed);
                        }
                        if send.send((place, record)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            let written = self.write(receive, journal);
            enough.store(true, Ordering::Relaxed);
            written
        })
    }

    /// Writes records in their order, up to the first violation unless the search goes on after it.
    fn write(
        &self,
        receive: mpsc::Receiver<(usize, Record)>,
        journal: &mut Journal,
    ) -> Result<(), Error> {
        let mut early = BTreeMap::new();
        let mut next = 0;
        let mut is_found = false;
        for (place, record) in receive {
            early.insert(place, record);
            while let Some(record) = early.remove(&next) {
                next += 1;
                if is_found {
                    continue;
                }
                is_found = record.is_violation() && !journal.book.search.keeps_going;
                journal.add(record)?;
                self.bar.inc(1);
            }
        }
        Ok(())
    }
}

/// The plans that a book still lacks.
fn lacking<'b>(
    book: &'b Book,
    keys: impl Iterator<Item = Key> + Send + 'b,
) -> impl Iterator<Item = Key> + Send + 'b {
    let first = book.first_violation().filter(|_| !book.search.keeps_going);
    keys.take_while(move |key| first.is_none_or(|first| *key < first))
        .filter(|key| book.record(*key).is_none())
}
