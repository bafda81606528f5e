//! The waker of a connection's driver.
//!
//! The driver lives in the node's task and takes commands from a channel, so handing it a command wakes that very task: it would
//! be run once more for nothing, and another thread be woken to do so, at every write. Whoever writes polls the driver next
//! anyway.

use std::{
    cell::Cell,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use futures::task::AtomicWaker;

thread_local! {
    /// Whether this thread is handing commands to a driver that it polls next.
    static WRITING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `write`; drivers that it wakes on this thread do not wake their tasks.
pub(super) fn unheard<T>(write: impl FnOnce() -> T) -> T {
    /// Heard again even after a panic.
    struct Guard(bool);
    impl Drop for Guard {
        fn drop(&mut self) {
            WRITING.set(self.0);
        }
    }
    let _guard = Guard(WRITING.replace(true));
    write()
}

/// What a driver is polled with.
pub(super) struct DriverWaker {
    task: Arc<Task>,
    waker: Waker,
}

#[derive(Default)]
struct Task(AtomicWaker);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !WRITING.get() {
            self.0.wake();
        }
    }
}

impl DriverWaker {
    pub(super) fn new() -> Self {
        let task = Arc::<Task>::default();
        let waker = Waker::from(Arc::clone(&task));
        Self { task, waker }
    }

    /// The context to poll the driver in, for the task of `cx`.
    pub(super) fn context(&self, cx: &Context<'_>) -> Context<'_> {
        self.task.0.register(cx.waker());
        Context::from_waker(&self.waker)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Only what this thread does while it writes goes unheard: bytes arrive at any time, and other threads tell of them.
    #[test]
    fn only_our_own_writing_goes_unheard() {
        let counted = Arc::new(Counted::default());
        let heard = || counted.0.load(Ordering::Relaxed);
        let task = Waker::from(Arc::clone(&counted));
        let driver = DriverWaker::new();
        let cx = Context::from_waker(&task);
        let waker = driver.context(&cx).waker().clone();
        unheard(|| {
            waker.wake_by_ref();
            assert_eq!(heard(), 0);
            let elsewhere = waker.clone();
            let other = std::thread::spawn(move || elsewhere.wake());
            assert!(other.join().is_ok());
            assert_eq!(heard(), 1);
        });
        let waker = driver.context(&cx).waker().clone();
        waker.wake();
        assert_eq!(heard(), 2);
    }
}
