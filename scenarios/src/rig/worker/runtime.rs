//! The shipped client's seam to the faulted clocks of a live host.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use redlock::{BoxFuture, NoRuntime, Runtime, TokioRuntime, protocol::Reading};
use simulator::{TrueTime, clock::ClockName};
use tokio::time::Sleep;

use super::{super::watch::Watch, control::Control};

/// A [`Runtime`] whose clocks are true time through the maps that the supervisor keeps: each of the four is stepped, drifts
/// and stands still on its own, in this process only. Its timers follow CLOCK_MONOTONIC of the host, not of the machine.
#[derive(Debug)]
pub(super) struct LiveRuntime {
    watch: Watch,
    control: Arc<Control>,
    system: TokioRuntime,
}

impl LiveRuntime {
    pub(super) fn new(watch: Watch, control: Arc<Control>) -> Self {
        Self {
            watch,
            control,
            system: TokioRuntime::default(),
        }
    }

    fn show(&self, name: ClockName) -> Duration {
        let local = self.control.clock(name, |clock| {
            clock.map_or(0, |clock| clock.at(self.watch.now()))
        });
        Duration::from_nanos(u64::try_from(local.max(0)).unwrap_or(u64::MAX))
    }
}

impl Runtime for LiveRuntime {
    fn read_clocks(&self) -> Reading {
        Reading {
            boot: self.show(ClockName::Boot),
            raw: self.show(ClockName::Raw),
            wall: Some(self.show(ClockName::Wall)),
        }
    }

    fn monotonic(&self) -> Duration {
        self.show(ClockName::Monotonic)
    }

    fn wall_micros(&self) -> u64 {
        u64::try_from(self.show(ClockName::Wall).as_micros()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = self.monotonic().saturating_add(duration);
        Box::pin(MonotonicSleep {
            watch: self.watch,
            control: self.control.clone(),
            until: i64::try_from(until.as_nanos()).unwrap_or(i64::MAX),
            timer: None,
            waits: None,
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam that spawns for everyone else"
    )]
    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        drop(tokio::task::spawn_local(task));
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.system.fill_random(bytes);
    }
}

/// Resolves once the host's CLOCK_MONOTONIC shows `until`; never while that clock stands still.
struct MonotonicSleep {
    watch: Watch,
    control: Arc<Control>,
    until: i64,
    timer: Option<(TrueTime, Pin<Box<Sleep>>)>,
    /// Where it waits for the clock to change its course.
    waits: Option<u64>,
}

impl MonotonicSleep {
    fn due(&self, now: TrueTime) -> Option<TrueTime> {
        self.control.clock(ClockName::Monotonic, |clock| {
            clock.and_then(|clock| clock.first_reaching(now, self.until))
        })
    }
}

impl Future for MonotonicSleep {
    type Output = ();

    #[expect(
        clippy::disallowed_methods,
        reason = "the host's timers stand on the machine's"
    )]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.watch.now();
            let Some(due) = self.due(now) else {
                self.timer = None;
                self.waits = Some(self.control.wait(self.waits, cx.waker()));
                return Poll::Pending;
            };
            if due <= now {
                return Poll::Ready(());
            }
            if self.timer.as_ref().is_none_or(|(at, _)| *at != due) {
                self.timer = Some((due, Box::pin(tokio::time::sleep(due.since(now)))));
            }
            let pending = self
                .timer
                .as_mut()
                .is_some_and(|(_, timer)| timer.as_mut().poll(cx).is_pending());
            if pending {
                self.waits = Some(self.control.wait(self.waits, cx.waker()));
                return Poll::Pending;
            }
            self.timer = None;
        }
    }
}

impl Drop for MonotonicSleep {
    fn drop(&mut self) {
        if let Some(number) = self.waits {
            self.control.forget(number);
        }
    }
}
