//! Takes down what hosts do, as they do it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Event, EventKind, History, HostName};
use crate::time::TrueTime;

/// Collects the events of one run.
///
/// Clones share one list. Recording takes a lock that nobody else holds in a world of one thread, one look into a
/// small map and one push; nothing is sorted or written before the run is over. The lock is there because the
/// client asks its runtime to be `Send + Sync`.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    events: Vec<Event>,
    /// The sequence number that the next event of each host gets.
    next: BTreeMap<HostName, u64>,
}

impl Recorder {
    /// One with nothing recorded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records that `kind` happened on `host` at `at`. Events of one host keep the order in which they are
    /// recorded, also those of one instant. A host must not record an event earlier than its last: the history is
    /// ordered by time first, so it would come before what caused it.
    pub fn record(&self, at: TrueTime, host: &HostName, kind: EventKind) {
        let taken = &mut *self.lock();
        let sequence = if let Some(next) = taken.next.get_mut(host) {
            let sequence = *next;
            *next += 1;
            sequence
        } else {
            taken.next.insert(Arc::clone(host), 1);
            0
        };
        taken.events.push(Event {
            at,
            host: Arc::clone(host),
            sequence,
            kind,
        });
    }

    /// How many events were recorded.
    pub fn len(&self) -> usize {
        self.lock().events.len()
    }

    /// Whether nothing was recorded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was recorded so far, in order. The recording goes on.
    pub fn history(&self) -> History {
        History::new(self.lock().events.clone())
    }

    /// What was recorded, in order. Clones of this recorder begin again with nothing, but go on counting where
    /// they were.
    pub fn into_history(self) -> History {
        History::new(std::mem::take(&mut self.lock().events))
    }

    /// A panic while the lock is held cannot leave a half-recorded event behind.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_ordered_by_time_then_host_then_the_order_of_recording() {
        let recorder = Recorder::new();
        let (a, b): (HostName, HostName) = ("a".into(), "b".into());
        let clone = recorder.clone();
        clone.record(TrueTime::from_millis(2), &b, EventKind::Paused);
        recorder.record(TrueTime::from_millis(2), &a, EventKind::Paused);
        recorder.record(TrueTime::from_millis(2), &a, EventKind::Resumed);
        recorder.record(TrueTime::from_millis(1), &"world".into(), EventKind::Healed);
        assert_eq!(recorder.len(), 4);
        let history = recorder.into_history();
        let order: Vec<_> = history
            .events()
            .iter()
            .map(|event| (event.at.as_nanos() / 1_000_000, event.id().to_string()))
            .collect();
        let expected = [(1, "world#0"), (2, "a#0"), (2, "a#1"), (2, "b#0")];
        assert_eq!(order, expected.map(|(at, id)| (at, id.to_owned())));
    }

    #[test]
    fn it_may_be_shared_between_threads() {
        const fn check<T: Send + Sync>() {}
        check::<Recorder>();
    }
}
