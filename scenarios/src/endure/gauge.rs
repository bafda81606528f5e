//! What a process uses of the machine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A process' own reading of what it uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gauge {
    /// Open file descriptors.
    pub(super) descriptors: u64,
    /// Threads.
    pub(super) threads: u64,
    /// Tasks of the tokio runtime that are alive.
    pub(super) tasks: u64,
    /// Resident memory.
    pub(super) resident_kib: u64,
}

impl Gauge {
    /// Reads it, inside of a tokio runtime. Where there is no `/proc`, only tasks are counted.
    pub(super) fn read() -> Self {
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self {
            descriptors: u64::try_from(descriptors).unwrap_or(u64::MAX),
            threads: field(&status, "Threads:"),
            tasks: u64::try_from(tasks).unwrap_or(u64::MAX),
            resident_kib: field(&status, "VmRSS:"),
        }
    }

    /// Whether no more descriptors, threads and tasks are in use than at `start`. Memory is left out: an allocator gives
    /// back what it likes.
    pub(super) const fn is_back_at(&self, start: &Self) -> bool {
        self.descriptors <= start.descriptors
            && self.threads <= start.threads
            && self.tasks <= start.tasks
    }
}

impl fmt::Display for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} descriptors, {} threads, {} tasks and {} KiB",
            self.descriptors, self.threads, self.tasks, self.resident_kib
        )
    }
}

/// The number after a name in `/proc/self/status`.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_proc_are_read() {
        let status = "Name:\tx\nVmRSS:\t    4120 kB\nThreads:\t3\n";
        assert_eq!(
            (field(status, "VmRSS:"), field(status, "Threads:")),
            (4120, 3)
        );
        assert_eq!(field(status, "Nothing:"), 0);
    }

    #[test]
    fn more_of_anything_but_memory_is_not_back() {
        let start = Gauge {
            descriptors: 10,
            threads: 3,
            tasks: 5,
            resident_kib: 4000,
        };
        assert!(start.is_back_at(&start));
        for more in [
            Gauge {
                descriptors: 11,
                ..start
            },
            Gauge { tasks: 6, ..start },
            Gauge {
                threads: 4,
                ..start
            },
        ] {
            assert!(!more.is_back_at(&start));
            assert!(start.is_back_at(&more));
        }
    }
}
