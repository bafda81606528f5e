//! Whether the machine had time for us.

use std::{
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const TICK: Duration = Duration::from_millis(5);

/// Looks, on a thread of its own, how late the machine wakes one that sleeps.
pub(super) struct Stalls {
    /// The thread ends when this does.
    stop: Sender<()>,
    thread: JoinHandle<Duration>,
}

impl Stalls {
    /// From now on.
    pub(super) fn watch() -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut longest = Duration::ZERO;
            loop {
                let before = now();
                let told = stopped.recv_timeout(TICK);
                longest = longest.max(before.elapsed().saturating_sub(TICK));
                if told != Err(RecvTimeoutError::Timeout) {
                    return longest;
                }
            }
        });
        Self { stop, thread }
    }

    /// The latest that it was so far.
    pub(super) fn longest(self) -> Duration {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it is the real machine's time that it measures"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_when_it_is_asked() {
        let stalls = Stalls::watch();
        assert!(stalls.longest() < Duration::from_secs(60));
    }
}
