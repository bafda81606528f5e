//! What keeps a live run from going on.

use std::io;

/// Why it could not run, in one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A redis-server is missing or cannot be used.
    #[error("{0}")]
    Server(String),
    /// The operating system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The refusal.
        source: io::Error,
    },
    /// The lock client cannot be set up on the servers.
    #[error("{0}")]
    Client(String),
    /// A worker ended although nobody asked it to.
    #[error("worker-{worker} ended unexpectedly: {reason}")]
    Worker {
        /// The worker's number.
        worker: usize,
        /// Its last words.
        reason: String,
    },
    /// The supervisor is gone: a worker's reason to end.
    #[error("the supervisor is gone")]
    Alone,
}

impl Error {
    /// For `map_err`: names what was tried when the operating system refused it.
    pub(crate) fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}
