//! How cases are run live.

use std::path::PathBuf;

/// What there is to run a case with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The program that workers and the guard are: `redlock-lab`. The running program by default.
    pub program: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        // Not the path that we were started by: the file may have been replaced since, as a rebuild does.
        let program = if cfg!(target_os = "linux") {
            "/proc/self/exe".into()
        } else {
            std::env::current_exe().unwrap_or_default()
        };
        Self { program }
    }
}

impl Options {
    /// With this program as workers and guard, for callers that are not `redlock-lab` themselves.
    #[must_use]
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }
}
