//! Where a program runs, as far as the program can tell.

use std::{io, sync::Arc};

use futures::future::LocalBoxFuture;
use redlock::{Connector, NodeStream, Runtime};

use super::process::{Monitor, Process};
use super::runtime::HostConnector;
use crate::{
    history::{EventKind, HostName},
    store,
    time::TrueTime,
};

/// What programs need of the process that they run in, whether its host is simulated ([`Process`]) or a machine: the client's
/// seam, a way to the protected store, and somebody who takes down what happens. Clones are the same place.
///
/// Workloads, sessions and contenders know nothing else of where they are, so that the same code runs in a simulated world
/// and on real servers.
pub trait Place: Clone + 'static {
    /// Ends a monitor when dropped.
    type Monitor: 'static;

    /// The name of its host.
    fn name(&self) -> &HostName;

    /// How many times the host's process started before.
    fn incarnation(&self) -> u32;

    /// Clocks, timers, tasks and random bytes, as the shipped client wants them.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// The way to servers. Hosts have the names that plans give them.
    fn connector(&self) -> Arc<dyn Connector>;

    /// True time: for the history, never for what the program does.
    fn true_time(&self) -> TrueTime;

    /// Records an event of this host, now.
    fn record(&self, kind: EventKind);

    /// Has `look` called whenever tasks of this process ran, before anything else can be seen to have happened: for what is
    /// to be recorded and cannot be waited for.
    fn monitor(&self, look: impl FnMut(TrueTime) + 'static) -> Self::Monitor;

    /// Opens a connection to the protected store.
    ///
    /// # Errors
    ///
    /// Those of connecting.
    ///
    /// # Cancellation
    ///
    /// The store may see a connection that was reset.
    fn connect_to_store(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn NodeStream>>>;
}

impl Place for Process {
    type Monitor = Monitor;

    fn name(&self) -> &HostName {
        self.host().name()
    }

    fn incarnation(&self) -> u32 {
        Self::incarnation(self)
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Self::runtime(self).clone()
    }

    fn connector(&self) -> Arc<dyn Connector> {
        Arc::new(HostConnector::new(self.host().clone()))
    }

    fn true_time(&self) -> TrueTime {
        Self::true_time(self)
    }

    fn record(&self, kind: EventKind) {
        Self::record(self, kind);
    }

    fn monitor(&self, look: impl FnMut(TrueTime) + 'static) -> Monitor {
        Self::monitor(self, look)
    }

    fn connect_to_store(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn NodeStream>>> {
        Box::pin(async {
            let stream = self.connect(store::NAME, store::PORT).await?;
            let stream: Box<dyn NodeStream> = Box::new(stream);
            Ok(stream)
        })
    }
}
