//! A timer on a host's CLOCK_MONOTONIC.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{task::coop::poll_proceed, time::Sleep};

use super::state::Host;
use crate::{
    clock::ClockName,
    network::{self, lock},
    time::TrueTime,
};

/// Resolves once the host's CLOCK_MONOTONIC shows `until`: later in true time when it runs slow, never while it stands
/// still.
pub(super) struct MonotonicSleep {
    host: Arc<Host>,
    until: i64,
    timer: Option<(TrueTime, Pin<Box<Sleep>>)>,
    /// Where it waits for the clock to change its course.
    waits: Option<u64>,
}

impl MonotonicSleep {
    pub(super) fn new(host: Arc<Host>, duration: Duration) -> Self {
        // A world that is being taken down polls nobody.
        let now = network::try_now().unwrap_or_default();
        let shows = host.clocks(|clocks| clocks.map(ClockName::Monotonic).at(now));
        let until = shows.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX));
        Self {
            host,
            until,
            timer: None,
            waits: None,
        }
    }

    fn wait_for_change(&mut self, cx: &Context<'_>) {
        let mut sleepers = lock(&self.host.sleepers);
        let number = *self.waits.get_or_insert_with(|| {
            sleepers.next += 1;
            sleepers.next
        });
        sleepers.waiting.insert(number, cx.waker().clone());
    }
}

impl Future for MonotonicSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // A task that sleeps for no time over and over must let others have their turn, and be noticed.
        let turn = ready!(poll_proceed(cx));
        loop {
            let now = network::now();
            let until = self.until;
            let due = self
                .host
                .clocks(|clocks| clocks.map(ClockName::Monotonic).first_reaching(now, until));
            match due {
                Some(due) if due <= now => {
                    turn.made_progress();
                    return Poll::Ready(());
                }
                None => {
                    self.timer = None;
                    self.wait_for_change(cx);
                    return Poll::Pending;
                }
                Some(due) => {
                    if self.timer.as_ref().is_none_or(|(at, _)| *at != due) {
                        self.timer = Some((due, Box::pin(network::sleep_until(due))));
                    }
                    let pending = self
                        .timer
                        .as_mut()
                        .is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_pending());
                    if pending {
                        self.wait_for_change(cx);
                        return Poll::Pending;
                    }
                    self.timer = None;
                }
            }
        }
    }
}

impl Drop for MonotonicSleep {
    fn drop(&mut self) {
        if let Some(number) = self.waits {
            lock(&self.host.sleepers).waiting.remove(&number);
        }
    }
}
