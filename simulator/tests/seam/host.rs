//! A host of the simulated world: clocks with a rate, tasks that can be paused, seeded random bytes,
//! and streams over turmoil that are recorded.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use redlock::{
    Address, BoxFuture, ConnectError, Connector, NoRuntime, NodeStream, Runtime, protocol::Reading,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

/// A [`Runtime`] inside a turmoil host.
#[derive(Debug)]
pub(crate) struct Host {
    origin: Instant,
    fast_ppm: u64,
    random: Mutex<u64>,
    paused_until: Arc<Mutex<Instant>>,
}

impl Host {
    pub(crate) fn new(seed: u64, fast_ppm: u64) -> Self {
        let origin = Instant::now();
        Self {
            origin,
            fast_ppm,
            random: Mutex::new(seed),
            paused_until: Arc::new(Mutex::new(origin)),
        }
    }

    /// Polls no task of this host for `time` of true time.
    pub(crate) fn pause_for(&self, time: Duration) {
        *self.paused_until.lock().unwrap() = Instant::now() + time;
    }

    fn true_time(&self) -> Duration {
        Instant::now() - self.origin
    }

    fn local_time(&self) -> Duration {
        let time = self.true_time();
        time + time * u32::try_from(self.fast_ppm).unwrap() / 1_000_000
    }
}

impl Runtime for Host {
    fn read_clocks(&self) -> Reading {
        let now = self.local_time();
        Reading {
            boot: now,
            raw: now,
            wall: None,
        }
    }

    fn monotonic(&self) -> Duration {
        self.local_time()
    }

    fn wall_micros(&self) -> u64 {
        1_735_689_600_000_000 + u64::try_from(self.local_time().as_micros()).unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), NoRuntime> {
        let paused_until = self.paused_until.clone();
        tokio::task::spawn_local(Gated {
            task,
            paused_until,
            resume: None,
        });
        Ok(())
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        // SplitMix64.
        let mut state = self.random.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A task that is not polled while its host is paused: its timers fire on resume, its sockets go on
/// buffering.
struct Gated {
    task: BoxFuture<'static, ()>,
    paused_until: Arc<Mutex<Instant>>,
    resume: Option<Pin<Box<Sleep>>>,
}

impl Future for Gated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let until = *self.paused_until.lock().unwrap();
        if Instant::now() < until {
            let resume = self
                .resume
                .insert(Box::pin(tokio::time::sleep_until(until)));
            if resume.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.resume = None;
        self.task.as_mut().poll(cx)
    }
}

/// Opens streams over turmoil and records what the client writes to them, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Vec<u8>>>);

impl Wire {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Connector for Wire {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        Box::pin(async move {
            let Address::Tcp { host, port } = address else {
                return Err(ConnectError::Tls("this world has only TCP".into()));
            };
            let stream = turmoil::net::TcpStream::connect((host.as_str(), *port)).await?;
            let stream: Box<dyn NodeStream> = Box::new(Recorded {
                stream,
                wire: self.clone(),
            });
            Ok(stream)
        })
    }
}

struct Recorded {
    stream: turmoil::net::TcpStream,
    wire: Wire,
}

impl NodeStream for Recorded {}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.wire
                .0
                .lock()
                .unwrap()
                .extend_from_slice(&bytes[..count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
