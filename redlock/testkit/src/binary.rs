//! Which redis-server program a test runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// The variable that replaces the system's redis-server.
const OVERRIDE: &str = "REDLOCK_REDIS_SERVER";
/// The variable that names a server of version 6.2; `scripts/test` sets it.
const OLDEST: &str = "REDIS_SERVER_6_2";
/// The variable that says that there shall be no tests on version 6.2.
const SKIP_OLDEST: &str = "REDLOCK_SKIP_6_2";

/// A redis-server program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Binary {
    /// `redis-server` of the search path, or what `REDLOCK_REDIS_SERVER` names.
    #[default]
    System,
    /// This very file, whatever the environment says.
    At(PathBuf),
}

impl Binary {
    /// A server of version 6.2, the oldest that the client supports: what `REDIS_SERVER_6_2` names, else the one that
    /// `scripts/test` left in `target/redis-6.2`. None when `REDLOCK_SKIP_6_2=1` asks for no such tests.
    ///
    /// # Panics
    /// When there is none and nobody asked to skip it: a test that silently tests nothing is worse than one that fails.
    #[must_use]
    pub fn redis_6_2() -> Option<Self> {
        if std::env::var_os(SKIP_OLDEST).is_some_and(|value| value == "1") {
            return None;
        }
        let fetched =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/redis-6.2/redis-server");
        let path = std::env::var_os(OLDEST).map_or(fetched, PathBuf::from);
        assert!(
            path.is_file(),
            "no redis-server 6.2 at {}: run scripts/test once, set {OLDEST}, or leave these tests out with {SKIP_OLDEST}=1",
            path.display()
        );
        Some(Self::At(path))
    }

    /// The program to run.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::System => std::env::var_os(OVERRIDE)
                .map_or_else(|| PathBuf::from("redis-server"), PathBuf::from),
            Self::At(path) => path.clone(),
        }
    }

    /// The program's major and minor version, which also proves that it is there and runs.
    ///
    /// # Errors
    /// When it is missing, or is no redis-server.
    pub fn version(&self) -> Result<(u32, u32), Error> {
        let path = self.path();
        let output = match Command::new(&path).arg("--version").output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::MissingBinary(path));
            }
            Err(error) => {
                return Err(Error::UnusableBinary {
                    path,
                    reason: error.to_string(),
                });
            }
        };
        let text = String::from_utf8_lossy(&output.stdout);
        parse_version(&text).ok_or_else(|| Error::UnusableBinary {
            path,
            reason: format!(
                "`--version` ended with {} and printed {:?}",
                output.status,
                text.trim()
            ),
        })
    }
}

/// Reads "Redis server v=7.0.15 sha=…".
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let version = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_programs_own_line() {
        assert_eq!(
            parse_version("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc bits=64"),
            Some((7, 0))
        );
        assert_eq!(parse_version("Redis server v=6.2.14 sha=0"), Some((6, 2)));
        assert_eq!(parse_version("coreutils 9.1"), None);
        assert_eq!(parse_version("v=seven"), None);
    }

    #[test]
    fn a_missing_program_says_how_to_install_it_in_one_line() {
        let error = Binary::At("/nowhere/redis-server".into())
            .version()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nowhere/redis-server")
                && error.contains("apt-get install redis-server"),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn another_program_is_not_taken_for_a_server() {
        let error = Binary::At("/bin/true".into()).version().unwrap_err();
        assert!(matches!(error, Error::UnusableBinary { .. }), "{error}");
    }
}
