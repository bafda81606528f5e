//! The commands: a table of them, and one file per kind.
//!
//! [`table`] says who they are and what holds for them, [`dispatch`] finds one, checks everything that Redis checks before it
//! runs a command, and runs it. Then, one file each: [`string`], [`expire`], [`hash`], [`keys`], [`connection`] (who one is and
//! in which protocol), [`client`], [`transaction`], [`scripting`], [`admin`] (INFO and others), [`config`]
//! and [`replication`].

mod admin;
mod client;
mod config;
mod connection;
pub(super) mod dispatch;
mod expire;
mod hash;
mod keys;
mod replication;
mod scripting;
mod string;
pub(super) mod table;
pub(super) mod transaction;

use super::{
    number,
    reply::{Failure, Outcome},
    session::Session,
    state::State,
};

/// A command that runs, with all that it may read and alter.
pub(super) struct Call<'a> {
    pub(super) state: &'a mut State,
    pub(super) session: &'a mut Session,
    /// The command's name and arguments.
    pub(super) words: &'a [Vec<u8>],
    /// The name as errors give it.
    pub(super) name: &'static str,
}

/// What many commands say about arguments that they cannot make sense of.
pub(super) const SYNTAX: &str = "ERR syntax error";
/// And about numbers.
pub(super) const NOT_INTEGER: &str = "ERR value is not an integer or out of range";

impl<'a> Call<'a> {
    /// The word at `index`; empty if there is none, which the table's arity excludes.
    pub(super) fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).map(Vec::as_slice).unwrap_or_default()
    }

    /// All words from `index` on.
    pub(super) fn rest(&self, index: usize) -> &'a [Vec<u8>] {
        self.words.get(index..).unwrap_or_default()
    }

    pub(super) fn integer(&self, index: usize) -> Result<i64, Failure> {
        number::parse(self.word(index)).ok_or_else(|| NOT_INTEGER.into())
    }

    pub(super) fn db(&self) -> usize {
        self.session.db
    }

    pub(super) fn is_7(&self) -> bool {
        self.state.config.version.is_7()
    }

    pub(super) fn wrong_arity(&self) -> Failure {
        wrong_arity(self.name)
    }
}

pub(super) fn wrong_arity(name: &str) -> Failure {
    format!("ERR wrong number of arguments for '{name}' command").into()
}

/// Whether a word is this one, in whatever case.
pub(super) fn is(word: &[u8], expected: &str) -> bool {
    word.eq_ignore_ascii_case(expected.as_bytes())
}

/// What C prints of a word: up to the first zero.
pub(super) fn c_string(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The function that is a command.
pub(super) type Run = fn(&mut Call<'_>) -> Outcome;
