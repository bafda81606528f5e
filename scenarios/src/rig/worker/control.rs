//! What the supervisor says: the course of the host's clocks.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::net::UnixStream,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use simulator::clock::{ClockMap, ClockName};
use tokio::io::Interest;

use super::super::wire::ToWorker;

/// The clocks of this host, as they were told.
///
/// Whoever looks at a clock hears first what was said meanwhile. The supervisor changes a clock while this process is
/// stopped, and says so before it goes on: so no reading is ever made by a course that is over, and the history's clocks are
/// exactly those that were read.
#[derive(Debug)]
pub(super) struct Control {
    socket: UnixStream,
    heard: Mutex<Heard>,
}

#[derive(Debug)]
struct Heard {
    /// Of a line that has not ended yet.
    rest: Vec<u8>,
    clocks: BTreeMap<ClockName, ClockMap>,
    in_service: bool,
    gone: bool,
    sleepers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Control {
    /// Waits for the present course of all clocks.
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        let mut heard = Heard {
            rest: Vec::new(),
            clocks: BTreeMap::new(),
            in_service: false,
            gone: false,
            sleepers: BTreeMap::new(),
            next: 0,
        };
        let mut lines = BufReader::new(&socket);
        while heard.clocks.len() < ClockName::ALL.len() {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            heard.take(&line)?;
        }
        // What came along and was not asked for yet.
        heard.rest = lines.buffer().to_vec();
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            heard: Mutex::new(heard),
        })
    }

    /// Looks at one clock, after hearing what was said.
    pub(super) fn clock<R>(&self, name: ClockName, look: impl FnOnce(Option<&ClockMap>) -> R) -> R {
        look(self.listen().clocks.get(&name))
    }

    /// Whether the cluster is in service.
    pub(super) fn is_in_service(&self) -> bool {
        self.listen().in_service
    }

    /// Has `waker` woken at the next change of a clock. Returns the number of the wait.
    pub(super) fn wait(&self, number: Option<u64>, waker: &Waker) -> u64 {
        let mut heard = self.lock();
        let number = number.unwrap_or_else(|| {
            heard.next += 1;
            heard.next
        });
        heard.sleepers.insert(number, waker.clone());
        number
    }

    /// Ends a wait.
    pub(super) fn forget(&self, number: u64) {
        self.lock().sleepers.remove(&number);
    }

    /// Listens for as long as there is a supervisor, so that timers learn of it when a clock changes. Returns when it is gone.
    pub(super) async fn attend(&self) -> io::Result<()> {
        let ready = tokio::net::UnixStream::from_std(self.socket.try_clone()?)?;
        while !self.listen().gone {
            ready.readable().await?;
            // All of it was heard: what is readable is yet to come.
            let _ = ready.try_io(Interest::READABLE, || {
                drop(self.listen());
                Err::<(), _>(io::ErrorKind::WouldBlock.into())
            });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) -> MutexGuard<'_, Heard> {
        let mut heard = self.lock();
        let mut buffer = [0; 4_096];
        loop {
            match (&self.socket).read(&mut buffer) {
                Ok(0) => heard.gone = true,
                Ok(read) => {
                    heard.rest.extend_from_slice(&buffer[..read]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => heard.gone = true,
            }
            break;
        }
        while let Some(end) = heard.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.rest.drain(..=end).collect();
            if heard.take(&line).is_err() {
                heard.gone = true;
            }
        }
        heard
    }
}

impl Heard {
    fn take(&mut self, line: &[u8]) -> io::Result<()> {
        match serde_json::from_slice(line)? {
            ToWorker::InService => self.in_service = true,
            ToWorker::Clock { clock, segment } => {
                self.clocks
                    .entry(clock)
                    .or_insert_with(|| ClockMap::new(segment.local, segment.rate_error_ppm))
                    .append(segment);
                std::mem::take(&mut self.sleepers)
                    .into_values()
                    .for_each(Waker::wake);
            }
        }
        Ok(())
    }
}
