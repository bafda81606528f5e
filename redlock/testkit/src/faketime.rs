//! The wall clock of a real server: libfaketime in front of it, which reads from a file what to show.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{Binary, Error};

/// The variable with which people name their own library.
const OVERRIDE: &str = "REDLOCK_LIBFAKETIME";
/// Where Debian and others put it.
const FOLDERS: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime",
    "/usr/lib/aarch64-linux-gnu/faketime",
    "/usr/lib64/faketime",
    "/usr/lib/faketime",
];

/// The wall clock of programs that are started under it; their timers stay real. redis-server lives by that clock: it steps, drifts and stands
/// still as it is told. The library does not get along with jemalloc, so the server has to be one that was built with the C library's
/// allocator.
#[derive(Debug)]
pub struct FakeTime {
    file: PathBuf,
}

/// What a clock shows, in nanoseconds. A tenth of a millisecond is what may be expected of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// So much more than the machine's wall clock, or less.
    Ahead(i64),
    /// This moment since 1970, and no other one.
    Still(i64),
}

impl FakeTime {
    /// The library: what `REDLOCK_LIBFAKETIME` names, else where the package `faketime` puts it; none when there is no such file.
    #[must_use]
    pub fn library() -> Option<PathBuf> {
        let found = |path: &PathBuf| path.is_file();
        match std::env::var_os(OVERRIDE) {
            Some(named) => Some(named.into()).filter(found),
            None => {
                let mut paths = FOLDERS
                    .map(|folder| Path::new(folder).join("libfaketime.so.1"))
                    .into_iter();
                paths.find(found)
            }
        }
    }

    /// A clock that is told what to show by this file, which is written.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(file: impl Into<PathBuf>, shown: Shown) -> Result<Self, Error> {
        let clock = Self { file: file.into() };
        clock.set(shown)?;
        Ok(clock)
    }

    /// Has it show something else from now on.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, shown: Shown) -> Result<(), Error> {
        // Whole at once, because the server may look at any time.
        let part = self.file.with_extension("part");
        fs::write(&part, written(shown))
            .and_then(|()| fs::rename(part, &self.file))
            .map_err(Error::system("setting a clock"))
    }

    /// Writes a program, at this path, that is `server` under this clock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn wrap(&self, server: &Path, library: &Path, program: &Path) -> Result<Binary, Error> {
        let mut text = String::from("#!/bin/sh\n");
        let variables: [(&str, &Path); 5] = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", &self.file),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            // redis-server waits by the monotonic clock.
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
            ("TZ", Path::new("UTC")),
        ];
        for (name, value) in variables {
            // Writing to a string does not fail.
            let _ = writeln!(text, "export {name}='{}'", value.display());
        }
        let _ = writeln!(text, "exec '{}' \"$@\"", server.display());
        fs::write(program, text)
            .and_then(|()| fs::set_permissions(program, fs::Permissions::from_mode(0o755)))
            .map_err(Error::system("writing a server's program"))?;
        Ok(Binary::At(program.to_owned()))
    }
}

/// As libfaketime reads it: a number of seconds with a sign is a difference, a date is a clock that stands still. It cuts
/// fractions that it reads as floating numbers, so a little is added to a date that no clock of Redis shows.
fn written(shown: Shown) -> String {
    match shown {
        Shown::Ahead(nanos) => {
            let sign = if nanos < 0 { '-' } else { '+' };
            let nanos = nanos.unsigned_abs();
            let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
            format!("{sign}{seconds}.{micros:06}\n")
        }
        Shown::Still(nanos) => {
            let seconds = nanos.div_euclid(1_000_000_000);
            let micros = nanos.rem_euclid(1_000_000_000) / 1_000;
            let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
            let (year, month, day) = date(day);
            let (hours, minutes) = (second / 3_600, second / 60 % 60);
            format!(
                "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02}.{micros:06}1\n",
                second % 60,
            )
        }
    }
}

/// The date of a day since 1970, in the calendar that began in March.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_and_moments_are_written_as_the_library_reads_them() {
        for (shown, text) in [
            (Shown::Ahead(0), "+0.000000\n"),
            (Shown::Ahead(1_250_000_000), "+1.250000\n"),
            (Shown::Ahead(-150_000_999), "-0.150000\n"),
            (Shown::Still(0), "1970-01-01 00:00:00.0000001\n"),
            (
                Shown::Still(1_700_000_000_123_000_000),
                "2023-11-14 22:13:20.1230001\n",
            ),
            (
                Shown::Still(1_709_210_096_005_000_000),
                "2024-02-29 12:34:56.0050001\n",
            ),
        ] {
            assert_eq!(written(shown), text);
        }
    }
}
