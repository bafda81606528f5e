//! The file to which a shard adds what it has done.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::{
    book::{Book, Page, head_line},
    record::{self, Record},
    search::{Search, Shard},
};
use crate::{cli::Error, files::make_folder};

/// A file of records that is open for more, and all that it holds.
#[derive(Debug)]
pub(super) struct Journal {
    /// What it holds.
    pub(super) book: Book,
    /// How many records it held when it was opened.
    pub(super) resumed: u64,
    path: PathBuf,
    file: File,
    salt: String,
}

impl Journal {
    /// Opens the file of a shard in `folder`, or begins it. What was being written when its last writer died is dropped.
    ///
    /// # Errors
    ///
    /// When it cannot be written, is damaged, belongs to another search, or somebody writes to it.
    pub(super) fn open(
        folder: &Path,
        search: &Search,
        shard: Shard,
        fresh: bool,
    ) -> Result<Self, Error> {
        make_folder(folder)?;
        let path = folder.join(format!("shard-{}-of-{}.jsonl", shard.number, shard.of));
        let there = fs::metadata(&path);
        if there.is_ok_and(|there| !there.is_file()) {
            let why = "it is in the way of the record and is no file; remove it";
            return Err(Error::wrong(format!("{}: {why}", path.display())));
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::file(&path, "write it"))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let why = "another hunt writes to it; wait for that one, or give another --to";
            return Err(Error::wrong(format!("{}: {why}", path.display())));
        }
        let cut = |length| {
            let cut = file.set_len(length);
            cut.map_err(Error::file(&path, "write it"))
        };
        let page = if fresh { None } else { Page::read(&path)? };
        let mut book = Book::new(search.clone());
        if let Some(page) = page {
            cut(page.whole)?;
            if page.shard != shard {
                let why = format!("it is of shard {}, and not {shard}", page.shard);
                return Err(Error::wrong(format!("{}: {why}", path.display())));
            }
            book.join(&path, page.book)?;
        } else {
            cut(0)?;
            write(&path, &file, &head_line(search, shard))?;
        }
        Ok(Self {
            resumed: book.len(),
            salt: search.digest(),
            book,
            path,
            file,
        })
    }

    /// Adds a record, in one write.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn add(&mut self, record: Record) -> Result<(), Error> {
        let line = record::line(&self.salt, &record) + "\n";
        write(&self.path, &self.file, &line)?;
        let added = self.book.add(record);
        added.map_err(|why| Error::wrong(format!("{}: {why}", self.path.display())))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn write(path: &Path, mut file: &File, text: &str) -> Result<(), Error> {
    file.write_all(text.as_bytes())
        .map_err(Error::file(path, "write it"))
}
