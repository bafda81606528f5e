//! How cases are run live.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use redlock_testkit::FakeTime;
use simulator::hunt::Planted;

/// The TTL at which files are run on real servers: long enough that what a machine of two cores is late by, some milliseconds, is
/// little beside it, and short enough for a catalogue to end within minutes.
pub const LIVE_TTL: Duration = Duration::from_secs(1);

/// What there is to run cases with. The default is what is found on this machine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The program that workers and the guard are: `redlock-lab`. The running program by default.
    pub program: PathBuf,
    /// A redis-server 6.2 that was built with the C library's allocator: what `REDIS_SERVER_6_2` names, else the one that
    /// `scripts/test` left in `target/redis-6.2`. For cases that ask for that version, and for those that fault the clocks of
    /// nodes.
    pub redis_6_2: Option<PathBuf>,
    /// libfaketime: what `REDLOCK_LIBFAKETIME` names, else where the package `faketime` puts it. For cases that fault the
    /// clocks of nodes.
    pub faketime: Option<PathBuf>,
    /// The rule of the client that is switched off in all clients; none by default.
    pub planted: Option<Planted>,
}

impl Default for Options {
    fn default() -> Self {
        // Not the path that we were started by: the file may have been replaced since, as a rebuild does.
        let program = if cfg!(target_os = "linux") {
            "/proc/self/exe".into()
        } else {
            std::env::current_exe().unwrap_or_default()
        };
        let fetched =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/redis-6.2/redis-server");
        Self {
            program,
            redis_6_2: found("REDIS_SERVER_6_2", fetched),
            faketime: FakeTime::library(),
            planted: None,
        }
    }
}

impl Options {
    /// With this program as workers and guard, for callers that are not `redlock-lab` themselves.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// With a rule of the client switched off.
    #[must_use]
    pub fn planted(mut self, planted: Option<Planted>) -> Self {
        self.planted = planted;
        self
    }
}

/// What the variable names, or else this; none when there is no such file.
fn found(variable: &str, otherwise: PathBuf) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map_or(otherwise, PathBuf::from);
    path.is_file().then_some(path)
}
