//! A clock for a real server that only moves when it is told to.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use redlock_testkit::Binary;
use tempfile::TempDir;

/// Where Debian and others put the library.
const FOLDERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
];

/// The file that says what time it is, and a program that runs a redis-server by it.
pub(crate) struct FakeTime {
    folder: TempDir,
}

fn library() -> PathBuf {
    if let Some(path) = std::env::var_os("REDLOCK_LIBFAKETIME") {
        return path.into();
    }
    let paths = FOLDERS.map(|folder| Path::new(folder).join("libfaketime.so.1"));
    let found = paths.into_iter().find(|path| path.is_file());
    found.expect("no libfaketime: run `apt-get install faketime`, set REDLOCK_LIBFAKETIME to it, or leave these tests out with REDLOCK_SKIP_6_2=1")
}

impl FakeTime {
    /// A clock that shows `now_ms`, in milliseconds since the Unix epoch.
    pub(crate) fn new(now_ms: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Self { folder };
        clock.set(now_ms);
        clock
    }

    /// Steps the clock. Whole at once, because the server may look at any time.
    pub(crate) fn set(&self, now_ms: i64) {
        let part = self.folder.path().join("part");
        fs::write(&part, written(now_ms)).unwrap();
        fs::rename(part, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("now")
    }

    /// A program that is `server` under this clock. Its timers stay real: redis-server waits by the monotonic clock.
    pub(crate) fn wrap(&self, server: &Path) -> Binary {
        let program = self.folder.path().join("redis-server");
        let mut text = String::from("#!/bin/sh\n");
        let variables = [
            ("LD_PRELOAD", library()),
            ("FAKETIME_TIMESTAMP_FILE", self.file()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            ("TZ", "UTC".into()),
        ];
        for (name, value) in variables {
            writeln!(text, "export {name}='{}'", value.display()).unwrap();
        }
        writeln!(text, "exec '{}' \"$@\"", server.display()).unwrap();
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Binary::At(program)
    }
}

/// The moment as libfaketime reads it: without a leading `@` the clock stands still. It reads the fraction as a floating
/// number and cuts it, so a little is added that no clock of Redis shows.
fn written(now_ms: i64) -> String {
    let (days, rest) = (now_ms.div_euclid(86_400_000), now_ms.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (seconds, ms) = (rest / 1000, rest % 1000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02}.{ms:03}0001\n",
        seconds % 60
    )
}

/// The date of a day since 1970, in the calendar that began in March.
fn date(days: i64) -> (i64, i64, i64) {
    let day = days + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, date)
}

#[test]
fn moments_are_written_as_dates() {
    for (ms, text) in [
        (0, "1970-01-01 00:00:00.0000001\n"),
        (1_700_000_000_123, "2023-11-14 22:13:20.1230001\n"),
        (1_709_210_096_005, "2024-02-29 12:34:56.0050001\n"),
    ] {
        assert_eq!(written(ms), text);
    }
}
