//! What keeps a command from doing its work.

use std::{io, path::Path};

use crate::{
    files::{FileError, reason},
    live, rig, run_folder,
};

/// Why a command could not do its work, in words that say what to do. It ends with code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder of a run cannot be written or read.
    #[error(transparent)]
    Run(#[from] run_folder::Error),
    /// What the user gave is not what it should be: a complete sentence.
    #[error("{0}")]
    Wrong(String),
    /// What was to be printed cannot be.
    #[error("cannot print: {}", reason(.0))]
    Output(io::Error),
    /// A live run or its set-up.
    #[error(transparent)]
    Live(#[from] live::Error),
    /// A scenario's run on real servers.
    #[error(transparent)]
    Rig(#[from] rig::Error),
}

impl Error {
    /// For `map_err`: names the file, and what was tried.
    pub fn file(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let named = FileError::on(path, what);
        move |source| Self::File(named(source))
    }

    /// That something given is not what it should be.
    pub fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }
}
