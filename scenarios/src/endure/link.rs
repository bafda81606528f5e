//! A worker's end of the socket.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::oneshot;

use super::{
    error::Error,
    store::line,
    wire::{Ask, Event, FromWorker, Reply, ToWorker},
};

type Waiting = Mutex<Option<BTreeMap<u64, oneshot::Sender<Reply>>>>;

/// The way to the supervisor and its store.
///
/// Lines are written at once and not by a task: what was said before a release is with the supervisor before the release
/// goes out, also when the process is killed in between. Otherwise a window would seem longer than it was.
#[derive(Debug)]
pub(super) struct Link {
    stream: Mutex<UnixStream>,
    /// Who waits for which answer; none once the supervisor is gone.
    waiting: Arc<Waiting>,
    next: AtomicU64,
}

impl Link {
    /// Connects to the supervisor's socket and introduces the process.
    pub(super) fn connect(socket: &Path, process: usize) -> Result<Self, Error> {
        let stream =
            UnixStream::connect(socket).map_err(Error::system("connecting to the supervisor"))?;
        let read = stream
            .try_clone()
            .map_err(Error::system("sharing the supervisor's socket"))?;
        let waiting = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let link = Self {
            stream: Mutex::new(stream),
            waiting: waiting.clone(),
            next: AtomicU64::new(0),
        };
        link.send(&FromWorker::Hello { process })?;
        std::thread::spawn(move || deliver(read, &waiting));
        Ok(link)
    }

    /// Reports what happened. When this returns, the supervisor will learn of it.
    pub(super) fn event(&self, hand: usize, event: Event) {
        // Without a supervisor the next question fails.
        let _ = self.send(&FromWorker::Event { hand, event });
    }

    /// Asks and waits for the answer.
    pub(super) async fn ask(&self, hand: usize, ask: Ask) -> Result<Reply, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Some(waiting) => waiting.insert(id, tell),
            None => return Err(Error::Alone),
        };
        self.send(&FromWorker::Ask { id, hand, ask })?;
        told.await.map_err(|_| Error::Alone)
    }

    fn send(&self, said: &FromWorker) -> Result<(), Error> {
        lock(&self.stream)
            .write_all(&line(said))
            .map_err(|_| Error::Alone)
    }
}

/// A thread of its own, because reading a socket that blocks does; it ends with the supervisor.
fn deliver(stream: UnixStream, waiting: &Waiting) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let Ok(ToWorker { id, reply }) = serde_json::from_str(&line) else {
            break;
        };
        let asked = lock(waiting)
            .as_mut()
            .and_then(|waiting| waiting.remove(&id));
        if let Some(asked) = asked {
            // Whoever asked may have been cancelled meanwhile.
            let _ = asked.send(reply);
        }
    }
    *lock(waiting) = None;
}

/// What is behind these locks is never left half changed.
fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
