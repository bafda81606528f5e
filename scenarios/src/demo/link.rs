//! A worker's end of the socket.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    sync::{Mutex, mpsc},
};

use super::{
    clock,
    error::Error,
    wire::{Ask, Event, FromWorker, Reply, ToWorker, line},
};

/// The way to the supervisor and its store. Work that is cancelled in the middle of a question leaves the link usable:
/// lines are written by a task of their own, and late answers are told by their number.
#[derive(Debug)]
pub(super) struct Link {
    out: mpsc::UnboundedSender<Vec<u8>>,
    replies: Mutex<mpsc::UnboundedReceiver<ToWorker>>,
    next: AtomicU64,
}

impl Link {
    /// Connects to the supervisor's socket and introduces the worker.
    pub(super) async fn connect(socket: &Path, worker: usize) -> Result<Self, Error> {
        let stream = UnixStream::connect(socket)
            .await
            .map_err(Error::system("connecting to the supervisor"))?;
        let (read, mut write) = stream.into_split();
        let (out, mut outgoing) = mpsc::unbounded_channel::<Vec<u8>>();
        let (incoming, replies) = mpsc::unbounded_channel();
        clock::spawn(async move {
            while let Some(line) = outgoing.recv().await {
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
        });
        clock::spawn(async move {
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let sent =
                    serde_json::from_str(&line).is_ok_and(|reply| incoming.send(reply).is_ok());
                if !sent {
                    return;
                }
            }
        });
        let link = Self {
            out,
            replies: Mutex::new(replies),
            next: AtomicU64::new(0),
        };
        link.send(&FromWorker::Hello { worker });
        Ok(link)
    }

    /// Reports what happened.
    pub(super) fn event(&self, event: Event) {
        self.send(&FromWorker::Event(event));
    }

    /// Asks and waits for the answer.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Reply, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.send(&FromWorker::Ask { id, ask });
        let mut replies = self.replies.lock().await;
        loop {
            let answer = replies.recv().await.ok_or(Error::Alone)?;
            if answer.id == id {
                return Ok(answer.reply);
            }
        }
    }

    fn send(&self, said: &FromWorker) {
        // Without a supervisor the next question fails.
        let _ = self.out.send(line(said));
    }
}
