//! The shipped client's seam to a simulated host.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{Rng as _, rngs::ChaCha8Rng};
use redlock::{
    Address, BoxFuture, ConnectError, Connector, NoRuntime, NodeStream, Runtime, protocol::Reading,
};

use super::{process::spawn, sleep::MonotonicSleep, state::Host};
use crate::{
    clock::ClockName,
    network::{self, lock},
    random::{Purpose, stream},
    time::TrueTime,
};

/// A [`Runtime`] on a simulated host: valid as long as the process that it was made for.
pub struct HostRuntime {
    host: Arc<Host>,
    incarnation: u32,
    random: Mutex<ChaCha8Rng>,
}

impl HostRuntime {
    pub(super) fn new(host: Arc<Host>, incarnation: u32) -> Self {
        let random = stream(
            host.seed,
            Purpose::Host,
            host.name(),
            u64::from(incarnation),
            0,
        );
        Self {
            host,
            incarnation,
            random: Mutex::new(random),
        }
    }
}

/// True time; the beginning when the world is being taken down, where nothing follows from it any more.
fn now() -> TrueTime {
    network::try_now().unwrap_or_default()
}

impl Runtime for HostRuntime {
    fn read_clocks(&self) -> Reading {
        self.host.clocks(|clocks| clocks.reading(now()))
    }

    fn monotonic(&self) -> Duration {
        self.host
            .clocks(|clocks| clocks.show(ClockName::Monotonic, now()))
    }

    fn wall_micros(&self) -> u64 {
        let wall = self
            .host
            .clocks(|clocks| clocks.show(ClockName::Wall, now()));
        u64::try_from(wall.as_micros()).unwrap_or(u64::MAX)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(MonotonicSleep::new(self.host.clone(), duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        // What is dropped with a process that died can start nothing any more, nor can a world that ends.
        let alive = self
            .host
            .process(|process| process.up && process.starts == self.incarnation + 1);
        if !alive || network::try_now().is_none() {
            return Err(NoRuntime);
        }
        spawn(self.host.clone(), task);
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        lock(&self.random).fill_bytes(bytes);
    }
}

impl fmt::Debug for HostRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostRuntime")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// A [`Connector`] over the simulated network.
#[derive(Debug)]
pub struct HostConnector {
    host: Arc<Host>,
}

impl HostConnector {
    /// Connects from `host`.
    pub const fn new(host: Arc<Host>) -> Self {
        Self { host }
    }
}

impl Connector for HostConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        Box::pin(async move {
            let Address::Tcp { host, port } = address else {
                return Err(ConnectError::Tls("this world has only TCP".to_owned()));
            };
            let stream = network::connect(self.host.network(), self.host.id(), host, *port).await?;
            let stream: Box<dyn NodeStream> = Box::new(stream);
            Ok(stream)
        })
    }
}
