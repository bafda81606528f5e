//! What workers say: taken down as it comes.

use std::{
    io::{self, BufRead as _, BufReader},
    os::unix::net::{UnixListener, UnixStream},
    sync::{Arc, Mutex, PoisonError, mpsc::Sender},
    thread::{self, JoinHandle},
};

use simulator::history::{Event, HostName};

use super::{
    field::Field,
    wire::{FromWorker, Hello},
};

/// Something that the run has to know of.
#[derive(Debug)]
pub(super) enum Heard {
    /// The cluster is in service.
    Deployed,
    /// It is not, and this is why.
    NotDeployed(String),
    /// A process' socket ended.
    Left(HostName, u32),
    /// The run is over.
    Stop,
}

/// The events of all workers, and the threads that take them down.
#[derive(Clone, Default)]
pub(super) struct Minutes {
    events: Arc<Mutex<Vec<Event>>>,
    readers: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Minutes {
    /// Listens to workers for as long as the process lives.
    pub(super) fn listen(&self, listener: UnixListener, field: &Arc<Field>, tell: &Sender<Heard>) {
        let (minutes, field, tell) = (self.clone(), Arc::downgrade(field), tell.clone());
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let Some(field) = field.upgrade() else { return };
                let (own, tell) = (minutes.clone(), tell.clone());
                let reader = thread::spawn(move || {
                    // A process that was killed may leave half a line.
                    let _ = own.attend(socket, &field, &tell);
                });
                lock(&minutes.readers).push(reader);
            }
        });
    }

    fn attend(&self, socket: UnixStream, field: &Field, tell: &Sender<Heard>) -> io::Result<()> {
        let mut lines = BufReader::new(socket);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let hello: Hello = serde_json::from_str(&line)?;
        if hello.reads {
            if let Some(client) = field.clients.get(&hello.host) {
                client.listens(lines.into_inner(), hello.incarnation);
            }
            return Ok(());
        }
        let ended = self.take_down(&mut lines, &hello, field, tell);
        // A run that is over listens no more.
        let _ = tell.send(Heard::Left(hello.host, hello.incarnation));
        ended
    }

    fn take_down(
        &self,
        lines: &mut BufReader<UnixStream>,
        hello: &Hello,
        field: &Field,
        tell: &Sender<Heard>,
    ) -> io::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let said = match serde_json::from_str(&line)? {
                FromWorker::Event { at_ns, kind } => {
                    field.activity.follow(at_ns, &hello.host, &kind);
                    lock(&self.events).push(Event {
                        at: at_ns,
                        host: hello.host.clone(),
                        // Given once all are known.
                        sequence: 0,
                        kind,
                    });
                    continue;
                }
                FromWorker::Deployed => Heard::Deployed,
                FromWorker::NotDeployed { why } => Heard::NotDeployed(why),
            };
            let _ = tell.send(said);
        }
    }

    /// All events, once the sockets of all workers have ended: they have when the workers are dead.
    pub(super) fn close(&self) -> Vec<Event> {
        let readers = std::mem::take(&mut *lock(&self.readers));
        for reader in readers {
            let _ = reader.join();
        }
        std::mem::take(&mut *lock(&self.events))
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
