//! What can go wrong while a server is started or asked.

use std::path::PathBuf;

/// Why a server could not be started, signalled or asked. `Debug` shows the same text as `Display`, so that an `unwrap` in a
/// test prints a sentence.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program is not there.
    #[error("{} was not found: install it with `apt-get install redis-server`, or set REDLOCK_REDIS_SERVER to a redis-server", .0.display())]
    MissingBinary(PathBuf),
    /// The program is there and cannot be used.
    #[error("{} is not a usable redis-server: {reason}", .path.display())]
    UnusableBinary {
        /// The program.
        path: PathBuf,
        /// What it did instead of telling its version.
        reason: String,
    },
    /// The server ended, or did not answer in time.
    #[error("redis-server on port {port} {what}; the end of its log:\n{log}")]
    NotReady {
        /// The port it was to listen on.
        port: u16,
        /// What happened.
        what: String,
        /// The last lines of its log and of its standard error.
        log: String,
    },
    /// The program that makes certificates is not there.
    #[error("openssl was not found: install it with `apt-get install openssl`")]
    MissingOpenssl,
    /// The program that makes certificates refused to.
    #[error("openssl made no certificate: {0}")]
    Openssl(String),
    /// The server's process is not running.
    #[error("redis-server on port {0} is not running")]
    NotRunning(u16),
    /// No port of the testkit's range is free.
    #[error("no free loopback port between {0} and {1}")]
    NoFreePort(u16, u16),
    /// A command was answered with an error, or not at all.
    #[error("{command} on port {port}: {source}")]
    Command {
        /// The command's first word: arguments may be secrets.
        command: String,
        /// The server's port.
        port: u16,
        /// The client's error.
        source: redis::RedisError,
    },
    /// The operating system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The refusal.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: names what was tried when the operating system refused it.
    pub(crate) fn system<E: Into<std::io::Error>>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System {
            what,
            source: source.into(),
        }
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}
