//! The process that serves the store.

use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use super::{
    PORT,
    message::{Answer, Request},
};
use crate::{
    history::{EventKind, StoreAccess},
    host::{Process, Program},
};

/// Which accesses are refused when their fencing token is below the highest seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fencing {
    /// None: a paused holder writes when it wakes.
    Off,
    /// Writes. An old write can still slip in between a new holder's read and write.
    Writes,
    /// Reads and writes: a new holder's first access seals the store for older ones. The default.
    #[default]
    ReadsAndWrites,
}

/// The store's data. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Store {
    fencing: Fencing,
    cells: Rc<RefCell<BTreeMap<String, Cell>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    value: u64,
    highest: u64,
}

impl Store {
    /// A store with nothing in it: all values are zero.
    pub fn new(fencing: Fencing) -> Self {
        Self {
            fencing,
            cells: Rc::default(),
        }
    }

    /// The value of `resource`.
    pub fn value(&self, resource: &str) -> u64 {
        self.cells
            .borrow()
            .get(resource)
            .map_or(0, |cell| cell.value)
    }

    /// The program of the store's host.
    pub fn program(&self) -> Program {
        let store = self.clone();
        Rc::new(move |process| Box::pin(store.clone().serve(process)))
    }

    #[expect(clippy::expect_used, reason = "a fresh process finds its port free")]
    async fn serve(self, process: Process) {
        let listener = process.listen(PORT).expect("the port is free");
        loop {
            let stream = listener.accept().await;
            let (store, own) = (self.clone(), process.clone());
            process.spawn(async move {
                // A connection that breaks is its client's business.
                let _ = store.serve_stream(stream, |kind| own.record(kind)).await;
            });
        }
    }

    /// Serves one client for as long as its connection lasts. Every access is told to `record` in the order in which they
    /// are applied.
    ///
    /// # Errors
    ///
    /// Those of the connection; also when what comes is not a request.
    ///
    /// # Cancellation
    ///
    /// An access may have been applied whose answer was not sent.
    pub async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        record: impl Fn(EventKind),
    ) -> io::Result<()> {
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        while lines.read_line(&mut line).await? > 0 {
            let request: Request = serde_json::from_str(&line)?;
            line.clear();
            let operation = request.operation.clone();
            let (answer, access) = self.access(request);
            record(EventKind::Store { operation, access });
            let mut answer = serde_json::to_vec(&answer)?;
            answer.push(b'\n');
            lines.get_mut().write_all(&answer).await?;
        }
        Ok(())
    }

    fn access(&self, request: Request) -> (Answer, StoreAccess) {
        let Request {
            resource,
            token,
            write,
            ..
        } = request;
        let mut cells = self.cells.borrow_mut();
        let cell = cells.entry(resource.clone()).or_default();
        let fences = match self.fencing {
            Fencing::Off => false,
            Fencing::Writes => write.is_some(),
            Fencing::ReadsAndWrites => true,
        };
        if fences {
            // Without a token an access is as old as can be.
            let sent = token.unwrap_or_default();
            if sent < cell.highest {
                let highest = cell.highest;
                return (
                    Answer::Refused { highest },
                    StoreAccess::Refused {
                        resource,
                        token,
                        highest,
                    },
                );
            }
            cell.highest = sent;
        }
        if let Some(value) = write {
            cell.value = value;
            return (
                Answer::Done { value },
                StoreAccess::Written {
                    resource,
                    token,
                    value,
                },
            );
        }
        let value = cell.value;
        (
            Answer::Done { value },
            StoreAccess::Read {
                resource,
                token,
                value,
            },
        )
    }
}
