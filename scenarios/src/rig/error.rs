//! Why a live run came to nothing.

use std::fmt::Write as _;

use crate::live;

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The case cannot be made live, for these reasons. Nothing was started.
    #[error("this cannot be made live: {}", list(.0))]
    Impossible(Vec<String>),
    /// A signal ended the run: its number.
    #[error("ended by signal {0}")]
    Interrupted(u8),
    /// A client's process ended although nobody asked it to.
    #[error("{host} ended by itself: {reason}")]
    Worker {
        /// The host.
        host: String,
        /// Its last words.
        reason: String,
    },
    /// It could not be set up or carried through.
    #[error(transparent)]
    Live(#[from] live::Error),
}

fn list(reasons: &[String]) -> String {
    let mut text = String::new();
    for reason in reasons {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {reason}");
    }
    text
}
