//! How a client reaches the store.

use std::{cell::Cell, io, time::Duration};

use futures::future::{self, Either};
use redlock::NodeStream;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::message::{Answer, Request};
use crate::{history::OperationId, host::Place};

type Stream = Box<dyn NodeStream>;

/// A connection to the store, opened when needed and again when it broke.
pub struct StoreClient<P> {
    place: P,
    patience: Duration,
    stream: Option<BufReader<Stream>>,
}

/// Why an access was not confirmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store refused it: it had seen a higher token.
    #[error("refused: token {highest} was seen")]
    Refused {
        /// The highest token seen.
        highest: u64,
    },
    /// It was not sent.
    #[error("not sent: {0}")]
    NotSent(io::Error),
    /// No answer came in time or the connection broke; it may have been applied, or may yet be.
    #[error("unknown: {0}")]
    Unknown(io::Error),
}

impl<P: Place> StoreClient<P> {
    /// A client in `place` that waits for an answer for `patience` on CLOCK_MONOTONIC, then hangs up.
    pub const fn new(place: P, patience: Duration) -> Self {
        Self {
            place,
            patience,
            stream: None,
        }
    }

    /// Reads the value of `resource`, or writes `write`.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    ///
    /// # Cancellation
    ///
    /// The access may or may not be applied; the connection is closed.
    pub async fn access(
        &mut self,
        operation: OperationId,
        resource: &str,
        token: Option<u64>,
        write: Option<u64>,
    ) -> Result<u64, StoreError> {
        let patience = self.place.runtime().sleep(self.patience);
        let stream = self.stream.take();
        let sent = Cell::new(false);
        let request = Request {
            operation,
            resource: resource.to_owned(),
            token,
            write,
        };
        let exchange = std::pin::pin!(exchange(&self.place, stream, &request, &sent));
        let ended = match future::select(exchange, patience).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match ended {
            Ok((stream, answer)) => {
                self.stream = Some(stream);
                match answer {
                    Answer::Done { value } => Ok(value),
                    Answer::Refused { highest } => Err(StoreError::Refused { highest }),
                }
            }
            Err(error) if sent.get() => Err(StoreError::Unknown(error)),
            Err(error) => Err(StoreError::NotSent(error)),
        }
    }
}

async fn exchange(
    place: &impl Place,
    stream: Option<BufReader<Stream>>,
    request: &Request,
    sent: &Cell<bool>,
) -> io::Result<(BufReader<Stream>, Answer)> {
    let mut stream = match stream {
        Some(stream) => stream,
        None => BufReader::new(place.connect_to_store().await?),
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    sent.set(true);
    stream.get_mut().write_all(&line).await?;
    let mut answer = String::new();
    if stream.read_line(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((stream, serde_json::from_str(&answer)?))
}
