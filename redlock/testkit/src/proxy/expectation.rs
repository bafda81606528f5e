//! Waiting for a message instead of sleeping.

use std::sync::Arc;

use super::state::Shared;
use super::{Fate, Message, Way};
use crate::runtime::bounded;

/// A message that a test waits for: the first one, counted from the moment at which this was made, that fits and to which
/// the awaited thing happens. So make it first, then do what causes the message, then wait.
///
/// Waiting takes at most 20 seconds of real time and then panics with what came instead; dropping the wait changes nothing.
#[derive(Debug)]
pub struct Expectation {
    shared: Arc<Shared>,
    way: Way,
    needle: Vec<u8>,
    from: usize,
}

impl Expectation {
    pub(super) fn new(shared: &Arc<Shared>, way: Way, needle: &[u8]) -> Self {
        let from = shared.read().messages.len();
        Self {
            shared: Arc::clone(shared),
            way,
            needle: needle.into(),
            from,
        }
    }

    /// Waits until it has reached the proxy. For a reply this means that the server has executed the request.
    pub async fn arrived(&self) -> Message {
        self.is("arrive", |_| true).await
    }

    /// Waits until it has to wait, held or delayed, or had to.
    pub async fn held(&self) -> Message {
        self.is("be held", |message| message.held).await
    }

    /// Waits until it was written to the other side.
    pub async fn forwarded(&self) -> Message {
        self.is("be forwarded", |message| message.fate == Fate::Forwarded)
            .await
    }

    /// Waits until it has vanished.
    pub async fn swallowed(&self) -> Message {
        self.is("be swallowed", |message| message.fate == Fate::Swallowed)
            .await
    }

    /// Waits until its connection was gone before it could be written.
    pub async fn lost(&self) -> Message {
        self.is("be lost", |message| message.fate == Fate::Lost)
            .await
    }

    /// Whether no such message has come so far.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        let state = self.shared.read();
        !state.messages[self.from..]
            .iter()
            .any(|message| message.way == self.way && message.is_about(&self.needle))
    }

    async fn is(&self, what: &str, happened: fn(&Message) -> bool) -> Message {
        let (shared, way, needle, from) = (
            Arc::clone(&self.shared),
            self.way,
            self.needle.clone(),
            self.from,
        );
        let fits = move |message: &&Message| {
            message.way == way && message.is_about(&needle) && happened(message)
        };
        let found = bounded(async move {
            shared
                .wait(|state| state.messages[from..].iter().find(&fits).cloned())
                .await
        });
        match found.await {
            Some(message) => message,
            None => {
                let came = self.shared.read().messages[self.from..].to_vec();
                let needle = String::from_utf8_lossy(&self.needle).into_owned();
                panic!(
                    "no {:?} about {needle:?} came to {what}; what came is {came:#?}",
                    self.way
                )
            }
        }
    }
}
