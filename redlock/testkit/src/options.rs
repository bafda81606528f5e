//! How a server is set up.

use std::fmt;
use std::path::PathBuf;

use crate::{Binary, Certificate};

/// When a server with an append-only file forces it to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFsync {
    /// Before it answers a write.
    Always,
    /// Once a second; the default of Redis.
    EverySecond,
    /// Whenever the operating system does.
    Never,
}

impl AppendFsync {
    fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::Never => "no",
        }
    }
}

/// How a server is set up: by default the system's redis-server, without password, TLS or persistence, and with the DEBUG
/// command.
#[derive(Clone, Default)]
pub struct ServerOptions {
    pub(crate) binary: Binary,
    pub(crate) password: Option<String>,
    pub(crate) tls: Option<Certificate>,
    pub(crate) unix_socket: bool,
    pub(crate) parent: Option<PathBuf>,
    append_only: Option<AppendFsync>,
    config: Vec<(String, String)>,
}

impl ServerOptions {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs this program.
    #[must_use]
    pub fn binary(mut self, binary: Binary) -> Self {
        self.binary = binary;
        self
    }

    /// Demands this password of the default user (`requirepass`).
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Listens for TLS on a second port, with such a certificate. Clients need none. (The fetched server of version 6.2 was
    /// built without TLS.)
    #[must_use]
    pub fn tls(mut self, certificate: Certificate) -> Self {
        self.tls = Some(certificate);
        self
    }

    /// Listens on a Unix socket in its folder as well.
    #[must_use]
    pub fn unix_socket(mut self) -> Self {
        self.unix_socket = true;
        self
    }

    /// Keeps an append-only file, so that [`restart`](crate::RedisServer::restart) brings the data back.
    #[must_use]
    pub fn append_only(mut self, fsync: AppendFsync) -> Self {
        self.append_only = Some(fsync);
        self
    }

    /// Makes the server's temporary folder inside this one, instead of in the system's folder for such things. Whoever guards
    /// the parent then guards the folder of a server that is down, too: the testkit's own guards watch running ones.
    #[must_use]
    pub fn parent_folder(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// Adds a line to the configuration file, for example `config("maxmemory-policy", "allkeys-lru")`. The value is written
    /// as it is: quote what needs quotes. Later lines win over earlier ones and over what the testkit writes.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.push((name.into(), value.into()));
        self
    }

    /// The lines of the configuration file that do not depend on port and folder.
    pub(crate) fn lines(&self, version: (u32, u32)) -> Vec<String> {
        let mut lines: Vec<String> = ["bind 127.0.0.1", "daemonize no", "save \"\""]
            .map(String::from)
            .into();
        // Before 7.0 the command was always there and the word unknown.
        if version >= (7, 0) {
            lines.push("enable-debug-command local".into());
        }
        match self.append_only {
            Some(fsync) => lines.extend([
                "appendonly yes".into(),
                format!("appendfsync {}", fsync.word()),
            ]),
            None => lines.push("appendonly no".into()),
        }
        if let Some(password) = &self.password {
            lines.push(format!("requirepass {}", quoted(password)));
        }
        lines.extend(
            self.config
                .iter()
                .map(|(name, value)| format!("{name} {value}")),
        );
        lines
    }
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("binary", &self.binary)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("tls", &self.tls)
            .field("unix_socket", &self.unix_socket)
            .field("parent", &self.parent)
            .field("append_only", &self.append_only)
            .field("config", &self.config)
            .finish()
    }
}

/// Quotes a value for a configuration file.
pub(crate) fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_password() {
        let options = ServerOptions::new().password("hunter2");
        assert!(!format!("{options:?}").contains("hunter2"));
    }

    #[test]
    fn own_lines_come_last_so_that_they_win() {
        let lines = ServerOptions::new()
            .config("appendonly", "yes")
            .lines((7, 0));
        assert_eq!(lines.last().map(String::as_str), Some("appendonly yes"));
    }
}
