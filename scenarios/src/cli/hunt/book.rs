//! Records of a search, put together.

use std::{collections::BTreeMap, path::Path};

use simulator::{checkers::Checker, hunt::Tally};

use super::{
    record::{self, FORMAT, Head, Record},
    search::{Key, Search, Shard},
};
use crate::{cli::Error, files::read_bytes};

/// What is known of a search. Adding what others know is commutative and idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Book {
    /// Which search.
    pub(crate) search: Search,
    records: BTreeMap<Key, Record>,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) book: Book,
    pub(super) shard: Shard,
    /// How many bytes of the file are whole lines.
    pub(super) whole: u64,
    /// Whether there was more: the beginning of a line that was being written when its writer died.
    pub(super) is_torn: bool,
}

/// What a search came to, as far as is known.
#[derive(Debug)]
pub(crate) struct Came<'b> {
    /// Of the plans that count: up to the first violation, unless the search goes on after it.
    pub(crate) tally: Tally,
    /// Seeds for which no plan exists.
    pub(crate) without_plan: u64,
    /// The violations, in order.
    pub(crate) violations: Vec<(Key, &'b Record)>,
    /// How many plans are still to be run until the result is final; none when only time ends the search.
    pub(crate) missing: Option<u64>,
}

impl Book {
    pub(crate) const fn new(search: Search) -> Self {
        Self {
            search,
            records: BTreeMap::new(),
        }
    }

    /// The record of one plan.
    pub(crate) fn record(&self, key: Key) -> Option<&Record> {
        self.records.get(&key)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// When there is another one of the same plan, or the search has no such plan.
    pub(super) fn add(&mut self, record: Record) -> Result<(), String> {
        let mut profiles = self.search.profiles.iter();
        let Some(profile) = profiles.position(|name| *name == record.profile) else {
            return Err(format!("the search has no profile {:?}", record.profile));
        };
        if !Shard::WHOLE.has(&self.search, record.seed) {
            return Err(format!("the search has no seed {}", record.seed));
        }
        let key = Key {
            seed: record.seed,
            profile,
        };
        match self.records.get(&key) {
            Some(known) if *known != record => Err(format!(
                "seed {} of {} went otherwise here: runs do not repeat, or this is not what it says",
                record.seed, record.profile
            )),
            _ => {
                self.records.insert(key, record);
                Ok(())
            }
        }
    }

    /// Adds all that `other` knows, which was read from `file`.
    ///
    /// # Errors
    ///
    /// When it is of another search, or the two contradict each other.
    pub(super) fn join(&mut self, file: &Path, other: Self) -> Result<(), Error> {
        let named = |why: String| Error::wrong(format!("{}: {why}", file.display()));
        if let Some(difference) = self.search.difference(&other.search) {
            return Err(named(format!("it is of another search: {difference}")));
        }
        for record in other.records.into_values() {
            self.add(record).map_err(&named)?;
        }
        Ok(())
    }

    /// The first violation.
    pub(crate) fn first_violation(&self) -> Option<Key> {
        let mut all = self.records.iter();
        all.find(|(_, record)| record.is_violation())
            .map(|(key, _)| *key)
    }

    /// What the part of it that is `shard` came to.
    pub(crate) fn result(&self, shard: Shard) -> Came<'_> {
        let last = self.first_violation().filter(|_| !self.search.keeps_going);
        let counts = |key: &Key| last.is_none_or(|last| *key <= last);
        let wanted = match last {
            Some(last) => Some(self.search.up_to(last, shard)),
            None => self.search.count(shard),
        };
        let mut result = Came {
            tally: Tally::default(),
            without_plan: 0,
            violations: Vec::new(),
            missing: wanted,
        };
        for (key, record) in self.records.iter().filter(|(key, _)| counts(key)) {
            result.missing = result.missing.map(|missing| missing.saturating_sub(1));
            match &record.seen {
                Some(seen) => result.tally.join(&seen.tally),
                None => result.without_plan += 1,
            }
            if record.is_violation() {
                result.violations.push((*key, record));
            }
        }
        result
    }

    /// The shards of `of` that lack plans which the result needs, and how many each.
    pub(crate) fn lacking(&self, of: u64) -> Vec<(Shard, u64)> {
        let last = self.first_violation().filter(|_| !self.search.keeps_going);
        let shards = (1..=of).map(|number| Shard { number, of });
        let mut lacking = Vec::new();
        for shard in shards.filter(|_| self.search.until.is_some()) {
            let keys = self.search.keys(shard);
            let needed = keys.take_while(|key| last.is_none_or(|last| *key <= last));
            let missing = needed.filter(|key| !self.records.contains_key(key)).count() as u64;
            if missing > 0 {
                lacking.push((shard, missing));
            }
        }
        lacking
    }

    /// One plan for each set of rules that is violated together: the first.
    pub(crate) fn kinds(&self) -> Vec<(Key, &Record)> {
        let mut kinds: BTreeMap<Vec<Checker>, (Key, &Record)> = BTreeMap::new();
        for (key, record) in self.result(Shard::WHOLE).violations {
            let violates = record.seen.iter().flat_map(|seen| &seen.violates);
            kinds
                .entry(violates.copied().collect())
                .or_insert((key, record));
        }
        let mut kinds: Vec<_> = kinds.into_values().collect();
        kinds.sort_by_key(|(key, _)| *key);
        kinds
    }

    /// The file that holds all that counts, in order.
    pub(super) fn to_text(&self) -> String {
        let salt = self.search.digest();
        let mut text = head_line(&self.search, Shard::WHOLE);
        let last = self.first_violation().filter(|_| !self.search.keeps_going);
        for (key, record) in &self.records {
            if last.is_none_or(|last| *key <= last) {
                text += &(record::line(&salt, record) + "\n");
            }
        }
        text
    }
}

/// The first line of a file.
pub(super) fn head_line(search: &Search, shard: Shard) -> String {
    let head = Head {
        hunt: FORMAT,
        search: search.clone(),
        shard,
    };
    record::line("", &head) + "\n"
}

impl Page {
    /// Reads a file of records. `None` when not even its first line is whole.
    ///
    /// # Errors
    ///
    /// What is wrong with it: the file, the line, and why.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let bytes = read_bytes(path)?;
        let end = bytes.iter().rposition(|byte| *byte == b'\n');
        let (whole, torn) = bytes.split_at(end.map_or(0, |last| last + 1));
        let page = Self::parse(path, &String::from_utf8_lossy(whole))?;
        Ok(page.map(|book| Self {
            whole: whole.len() as u64,
            is_torn: !torn.is_empty(),
            ..book
        }))
    }

    fn parse(path: &Path, text: &str) -> Result<Option<Self>, Error> {
        let wrong = |line: usize, why: String| {
            Error::wrong(format!("{}: line {line}: {why}", path.display()))
        };
        let mut lines = text.lines().zip(1..);
        let Some((first, _)) = lines.next() else {
            return Ok(None);
        };
        let head: Head = record::read("", first)
            .map_err(|why| wrong(1, format!("this is no record of a hunt: {why}")))?;
        if head.hunt != FORMAT {
            let why = format!("format {}, and this program knows {FORMAT}", head.hunt);
            return Err(wrong(1, why));
        }
        let salt = head.search.digest();
        let mut book = Book::new(head.search);
        for (line, number) in lines {
            let broken = |why| {
                wrong(
                    number,
                    format!("{why}; the file is damaged: remove it, and run its shard again"),
                )
            };
            let record: Record = record::read(&salt, line).map_err(broken)?;
            if !head.shard.has(&book.search, record.seed) {
                let why = format!("seed {} is not of shard {}", record.seed, head.shard);
                return Err(broken(why));
            }
            book.add(record).map_err(broken)?;
        }
        Ok(Some(Self {
            book,
            shard: head.shard,
            whole: text.len() as u64,
            is_torn: false,
        }))
    }
}
