//! A clock for a real server that only moves when it is told to.

use std::path::Path;

use redlock_testkit::{Binary, FakeTime as Clock, Shown};
use tempfile::TempDir;

/// The clock, and a folder for what it takes to run a redis-server by it.
pub(crate) struct FakeTime {
    folder: TempDir,
    clock: Clock,
}

impl FakeTime {
    /// A clock that shows `now_ms`, in milliseconds since the Unix epoch.
    pub(crate) fn new(now_ms: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::new(folder.path().join("now"), moment(now_ms)).unwrap();
        Self { folder, clock }
    }

    /// Steps the clock.
    pub(crate) fn set(&self, now_ms: i64) {
        self.clock.set(moment(now_ms)).unwrap();
    }

    /// A program that is `server` under this clock.
    pub(crate) fn wrap(&self, server: &Path) -> Binary {
        let library = Clock::library().expect("no libfaketime: run `apt-get install faketime`, set REDLOCK_LIBFAKETIME to it, or leave these tests out with REDLOCK_SKIP_6_2=1");
        let program = self.folder.path().join("redis-server");
        self.clock.wrap(server, &library, &program).unwrap()
    }
}

fn moment(now_ms: i64) -> Shown {
    Shown::Still(now_ms * 1_000_000)
}
