//! Ctrl-C, for commands that compute.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use super::{Ending, Error};
use crate::live::{self, signals::Signals};

/// Whether somebody asked for the end: SIGINT, SIGTERM or SIGHUP. Long loops look at it between two steps, finish what they are
/// writing, and say what was done. Whoever asks twice is obeyed at once. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    /// Listens from now on, in a thread of its own.
    ///
    /// # Errors
    ///
    /// When the operating system refuses.
    pub(crate) fn listen() -> Result<Self, Error> {
        let interrupt = Self::default();
        let heard = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(live::Error::system("handling signals"))?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new()?
        };
        std::thread::spawn(move || {
            runtime.block_on(async {
                heard
                    .0
                    .store(signals.next().await.code(), Ordering::Relaxed);
                std::process::exit(signals.next().await.code().into());
            });
        });
        Ok(interrupt)
    }

    /// How the command ends because of it, if it was asked to.
    pub(crate) fn asked(&self) -> Option<Ending> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            code => Some(Ending::of_code(code)),
        }
    }
}
