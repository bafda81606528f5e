//! What was not done as the plan says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Collects remarks from all threads of a run. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    taken: Arc<Mutex<Taken>>,
}

/// The remarks of a run, each kind in order.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// What was done only nearly, and what there was nobody to be done to: the run shows what it shows all the same.
    pub(super) nearly: Vec<String>,
    /// Faults that could not be made, or not be ended: the run is another one than the plan's.
    pub(super) not_made: Vec<String>,
}

impl Notes {
    /// Something was done only nearly.
    pub(super) fn nearly(&self, note: String) {
        once(&mut self.lock().nearly, note);
    }

    /// A fault could not be made.
    pub(super) fn not_made(&self, why: String) {
        once(&mut self.lock().not_made, why);
    }

    /// All so far.
    pub(super) fn take(&self) -> Taken {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What goes on for long is seen more than once.
fn once(notes: &mut Vec<String>, note: String) {
    if !notes.contains(&note) {
        notes.push(note);
    }
}
