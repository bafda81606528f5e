//! The place of programs in a worker process.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::Future,
    io::{self, Write as _},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::Arc,
};

use futures::future::LocalBoxFuture;
use redlock::{Connector, NodeStream, Runtime};
use simulator::{
    TrueTime,
    history::{EventKind, HostName},
    host::Place,
    store,
};

use super::{
    super::{
        watch::Watch,
        wire::{FromWorker, Hello, Orders, line},
    },
    connector::LiveConnector,
    control::Control,
    reporter::Reporter,
    runtime::LiveRuntime,
};
use crate::live::Error;

type Monitors = Rc<RefCell<BTreeMap<u64, Box<dyn FnMut(TrueTime)>>>>;

/// A worker process, as the simulator's programs see it.
#[derive(Clone)]
pub(super) struct LivePlace {
    name: HostName,
    incarnation: u32,
    watch: Watch,
    control: Arc<Control>,
    reporter: Arc<Reporter>,
    runtime: Arc<LiveRuntime>,
    connector: Arc<LiveConnector>,
    monitors: Monitors,
}

/// Ends a monitor when dropped.
pub(super) struct LiveMonitor {
    monitors: Monitors,
    number: u64,
}

impl LivePlace {
    /// Introduces the process to the supervisor, and waits until it knows its clocks. Inside of a runtime.
    pub(super) fn enter(orders: &Orders, name: &HostName, incarnation: u32) -> Result<Self, Error> {
        let open = |reads| -> io::Result<UnixStream> {
            let mut socket = UnixStream::connect(&orders.socket)?;
            socket.write_all(&line(&Hello {
                host: name.clone(),
                incarnation,
                reads,
            })?)?;
            Ok(socket)
        };
        let reach = || {
            let reporter = Reporter::new(open(false)?, orders.watch);
            let control = Control::new(open(true)?)?;
            Ok::<_, io::Error>((Arc::new(reporter), Arc::new(control)))
        };
        let (reporter, control) = reach().map_err(Error::system("reaching the supervisor"))?;
        let routes = orders.routes.get(name).cloned().unwrap_or_default();
        let panics = reporter.clone();
        std::panic::set_hook(Box::new(move |panic| {
            panics.record(EventKind::Panicked {
                message: panic.to_string(),
            });
        }));
        Ok(Self {
            name: name.clone(),
            incarnation,
            watch: orders.watch,
            runtime: Arc::new(LiveRuntime::new(orders.watch, control.clone())),
            control,
            reporter,
            connector: Arc::new(LiveConnector::new(routes)),
            monitors: Rc::default(),
        })
    }

    /// Runs the program of this process, and ends the process when the supervisor is gone.
    #[expect(
        clippy::disallowed_methods,
        reason = "the first task of a worker; all others come from its runtime"
    )]
    pub(super) fn spawn(&self, program: impl Future<Output = ()> + 'static) {
        let control = self.control.clone();
        tokio::task::spawn_local(async move {
            let _ = control.attend().await;
            std::process::exit(0);
        });
        tokio::task::spawn_local(program);
    }

    /// Until time begins.
    #[expect(
        clippy::disallowed_methods,
        reason = "the clocks of the runtime stand still before the beginning"
    )]
    pub(super) async fn await_beginning(&self) {
        tokio::time::sleep(self.watch.lead()).await;
    }

    pub(super) fn is_in_service(&self) -> bool {
        self.control.is_in_service()
    }

    pub(super) fn say(&self, said: &FromWorker) {
        self.reporter.say(said);
    }

    /// Ends the process with these last words.
    pub(super) fn die(&self, why: &str) -> ! {
        let _ = writeln!(io::stderr(), "{why}");
        std::process::exit(2);
    }

    pub(super) fn run_monitors(&self) {
        let now = self.watch.now();
        // A monitor may end others, so none is borrowed while one runs.
        let mut monitors = std::mem::take(&mut *self.monitors.borrow_mut());
        for look in monitors.values_mut() {
            look(now);
        }
        self.monitors.borrow_mut().extend(monitors);
    }
}

impl Place for LivePlace {
    type Monitor = LiveMonitor;

    fn name(&self) -> &HostName {
        &self.name
    }

    fn incarnation(&self) -> u32 {
        self.incarnation
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        self.runtime.clone()
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.connector.clone()
    }

    fn true_time(&self) -> TrueTime {
        self.watch.now()
    }

    fn record(&self, kind: EventKind) {
        self.reporter.record(kind);
    }

    fn monitor(&self, look: impl FnMut(TrueTime) + 'static) -> LiveMonitor {
        let mut monitors = self.monitors.borrow_mut();
        let number = monitors.last_key_value().map_or(0, |(last, _)| last + 1);
        monitors.insert(number, Box::new(look));
        LiveMonitor {
            monitors: self.monitors.clone(),
            number,
        }
    }

    fn connect_to_store(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn NodeStream>>> {
        Box::pin(self.connector.open(store::NAME))
    }
}

impl Drop for LiveMonitor {
    fn drop(&mut self) {
        self.monitors.borrow_mut().remove(&self.number);
    }
}
