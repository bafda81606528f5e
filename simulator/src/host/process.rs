//! What a program sees of its host.

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::LocalBoxFuture;

use super::{runtime::HostRuntime, state::Host};
use crate::{
    history::EventKind,
    network::{self, Listener, Stream},
    time::TrueTime,
};

/// What runs on a host: called at every start of its process.
pub type Program = Rc<dyn Fn(Process) -> LocalBoxFuture<'static, ()>>;

type Monitors = Rc<RefCell<BTreeMap<u64, Box<dyn FnMut(TrueTime)>>>>;

/// A running process.
#[derive(Clone)]
pub struct Process {
    host: Arc<Host>,
    incarnation: u32,
    runtime: Arc<HostRuntime>,
    monitors: Monitors,
}

/// Ends a monitor when dropped.
#[must_use]
pub struct Monitor {
    monitors: Monitors,
    number: u64,
}

impl Process {
    pub(super) fn new(host: Arc<Host>, incarnation: u32) -> Self {
        let runtime = Arc::new(HostRuntime::new(host.clone(), incarnation));
        Self {
            host,
            incarnation,
            runtime,
            monitors: Rc::default(),
        }
    }

    /// The host that it runs on.
    pub const fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// How many times the host's process started before.
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// Its clocks, timers, tasks and random bytes, as the shipped client wants them.
    pub const fn runtime(&self) -> &Arc<HostRuntime> {
        &self.runtime
    }

    /// True time: for the history, never for what the program does.
    pub fn true_time(&self) -> TrueTime {
        network::now()
    }

    /// Records an event of this host, now.
    pub fn record(&self, kind: EventKind) {
        self.host.record(network::now(), kind);
    }

    /// Runs `task` in this process. A panic in it fails the run.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        spawn(self.host.clone(), task);
    }

    /// Has `look` called whenever tasks of this process ran, before any other host runs: for what is to be recorded and
    /// cannot be waited for.
    pub fn monitor(&self, look: impl FnMut(TrueTime) + 'static) -> Monitor {
        let mut monitors = self.monitors.borrow_mut();
        let number = monitors.last_key_value().map_or(0, |(last, _)| last + 1);
        monitors.insert(number, Box::new(look));
        Monitor {
            monitors: self.monitors.clone(),
            number,
        }
    }

    pub(super) fn run_monitors(&self, now: TrueTime) {
        // A monitor may end others, so none is borrowed while one runs.
        let mut monitors = std::mem::take(&mut *self.monitors.borrow_mut());
        for look in monitors.values_mut() {
            look(now);
        }
        self.monitors.borrow_mut().extend(monitors);
    }

    /// Accepts connections on `port` of its host, from now on and for as long as the listener lives. The kernel of
    /// the host goes on accepting while the process is paused.
    ///
    /// # Errors
    ///
    /// `AddrInUse` when something of this process listens there already.
    pub fn listen(&self, port: u16) -> std::io::Result<Listener> {
        Listener::bind(self.host.network(), self.host.id(), port)
    }

    /// Opens a connection to `port` of the host named `server`. Waits for as long as the network keeps the request or
    /// its answer, and while that host has no power.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such host, `ConnectionRefused` when nobody listens there.
    ///
    /// # Cancellation
    ///
    /// The server may see a connection that was reset.
    pub async fn connect(&self, server: &str, port: u16) -> std::io::Result<Stream> {
        network::connect(self.host.network(), self.host.id(), server, port).await
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.monitors.borrow_mut().remove(&self.number);
    }
}

/// Runs `task` in the task set of the process that calls.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where tasks of simulated processes are made"
)]
pub(super) fn spawn(host: Arc<Host>, task: impl Future<Output = ()> + 'static) {
    tokio::task::spawn_local(Task {
        host,
        work: Some(Box::pin(task)),
    });
}

/// A task whose panics are its host's: tokio would keep them to itself, also those of what is dropped with a task
/// whose process is killed.
struct Task {
    host: Arc<Host>,
    work: Option<LocalBoxFuture<'static, ()>>,
}

impl Task {
    fn guarded<R>(&self, act: impl FnOnce() -> R) -> Option<R> {
        match catch_unwind(AssertUnwindSafe(act)) {
            Ok(done) => Some(done),
            Err(panic) => {
                // Nothing follows from a panic in a world that is being taken down.
                if let Some(now) = network::try_now() {
                    self.host.panicked(now, panic_message(&*panic));
                }
                None
            }
        }
    }

    fn end(&mut self) {
        let work = self.work.take();
        let _ = self.guarded(|| drop(work));
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(mut work) = self.work.take() {
            if let Some(Poll::Pending) = self.guarded(|| work.as_mut().poll(cx)) {
                self.work = Some(work);
                return Poll::Pending;
            }
            self.work = Some(work);
            self.end();
        }
        Poll::Ready(())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
