//! The wall clock of a real server: libfaketime in front of it, which reads from a file how wrong it is.
//!
//! redis-server lives by its wall clock, so that is the one of its clocks that can be faulted: it steps, drifts and stands still
//! as the simulator's map of it says. A drift is made of steps far below a millisecond. The library does not get along with
//! jemalloc, so the server has to be one that was built with the C library's allocator.

use std::{
    fmt::Write as _,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use simulator::{clock::ClockName, host::Host};

use super::watch::{self, Watch};

/// How often a clock that drifts is looked after.
pub(super) const TICK: Duration = Duration::from_millis(5);
/// What a clock may be off before the file is written again, in nanoseconds.
const CLOSE: i64 = 100_000;
/// A clock that stands still gains this much in a second.
const FROZEN: i64 = -1_000_000;

/// The wall clock of one node.
#[derive(Debug)]
pub(super) struct FakeClock {
    file: PathBuf,
    /// What the library was last told.
    told: Mutex<Option<Told>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Nanoseconds that it is ahead of the machine's.
    Ahead(i64),
    /// It shows this, in nanoseconds since 1970.
    Still(i64),
}

impl FakeClock {
    /// A clock in `folder`, and a program there that is `server` under it.
    pub(super) fn install(
        folder: &Path,
        name: &str,
        server: &Path,
        library: &Path,
    ) -> io::Result<(Arc<Self>, PathBuf)> {
        let clock = Self {
            file: folder.join(format!("{name}-clock")),
            told: Mutex::default(),
        };
        clock.write(Told::Ahead(0))?;
        let program = folder.join(format!("{name}-server"));
        let mut text = String::from("#!/bin/sh\n");
        let variables: [(&str, &Path); 5] = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", &clock.file),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            // Its timers stay real.
            ("FAKETIME_DONT_FAKE_MONOTONIC", Path::new("1")),
            ("TZ", Path::new("UTC")),
        ];
        for (name, value) in variables {
            // Writing to a string does not fail.
            let _ = writeln!(text, "export {name}='{}'", value.display());
        }
        let _ = writeln!(text, "exec '{}' \"$@\"", server.display());
        fs::write(&program, text)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok((Arc::new(clock), program))
    }

    /// Has the server's clock show what the host's wall clock shows.
    pub(super) fn follow(&self, host: &Host, watch: Watch) -> io::Result<()> {
        let now = watch.now();
        let (shows, rate) = host.clocks(|clocks| {
            let wall = clocks.map(ClockName::Wall);
            (wall.at(now), wall.rate_error_at(now))
        });
        let wanted = if rate == FROZEN {
            Told::Still(shows)
        } else {
            Told::Ahead(shows.saturating_sub(watch::wall_clock()))
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !told.is_some_and(|told| told.is_close_to(wanted)) {
            self.write(wanted)?;
            *told = Some(wanted);
        }
        Ok(())
    }

    /// Whole at once, because the server may look at any time.
    fn write(&self, told: Told) -> io::Result<()> {
        let part = self.file.with_extension("part");
        fs::write(&part, written(told))?;
        fs::rename(part, &self.file)
    }
}

impl Told {
    fn is_close_to(self, other: Self) -> bool {
        match (self, other) {
            (Self::Ahead(one), Self::Ahead(other)) => one.abs_diff(other) < CLOSE.unsigned_abs(),
            (one, other) => one == other,
        }
    }
}

/// As libfaketime reads it: a number of seconds with a sign is a difference, a date is a clock that stands still. It cuts
/// fractions that it reads as floating numbers, so a little is added to a date.
fn written(told: Told) -> String {
    let split = |nanos: i64| {
        (
            nanos.div_euclid(1_000_000_000),
            nanos.rem_euclid(1_000_000_000),
        )
    };
    match told {
        Told::Ahead(nanos) => {
            let sign = if nanos < 0 { '-' } else { '+' };
            let nanos = nanos.unsigned_abs();
            let (seconds, micros) = (nanos / 1_000_000_000, nanos / 1_000 % 1_000_000);
            format!("{sign}{seconds}.{micros:06}\n")
        }
        Told::Still(nanos) => {
            let (seconds, nanos) = split(nanos);
            let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
            let (year, month, day) = date(day);
            let (hours, minutes) = (second / 3_600, second / 60 % 60);
            format!(
                "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{:02}.{:06}1\n",
                second % 60,
                nanos / 1_000
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
        for (told, text) in [
            (Told::Ahead(0), "+0.000000\n"),
            (Told::Ahead(1_250_000_000), "+1.250000\n"),
            (Told::Ahead(-150_000_999), "-0.150000\n"),
            (Told::Still(0), "1970-01-01 00:00:00.0000001\n"),
            (
                Told::Still(1_709_210_096_005_000_000),
                "2024-02-29 12:34:56.0050001\n",
            ),
        ] {
            assert_eq!(written(told), text);
        }
    }

    #[test]
    fn a_clock_that_stands_still_is_told_exactly_and_a_difference_nearly() {
        assert!(Told::Ahead(5).is_close_to(Told::Ahead(CLOSE)));
        assert!(!Told::Ahead(0).is_close_to(Told::Ahead(-CLOSE)));
        assert!(!Told::Still(5).is_close_to(Told::Still(6)));
        assert!(!Told::Still(0).is_close_to(Told::Ahead(0)));
    }
}
