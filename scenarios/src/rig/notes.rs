//! What could not be done as the plan says.

use std::sync::{Arc, Mutex, PoisonError};

/// Collects remarks from all threads of a run. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    taken: Arc<Mutex<Vec<String>>>,
}

impl Notes {
    pub(super) fn add(&self, note: String) {
        self.lock().push(note);
    }

    /// All so far, in order.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
