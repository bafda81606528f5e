//! The events of one run, in order.

use super::{Event, EventId};
use crate::time::TrueTime;

/// Everything that happened in one run, ordered by (true time, host, sequence).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    events: Vec<Event>,
}

impl History {
    /// Puts events in order.
    pub fn new(mut events: Vec<Event>) -> Self {
        // Mostly sorted already: hosts record as time goes on.
        events.sort_by(|a, b| a.key().cmp(&b.key()));
        Self { events }
    }

    /// The events, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// When the last event happened; the beginning of the world when nothing did.
    pub fn end(&self) -> TrueTime {
        self.events.last().map_or(TrueTime::ZERO, |event| event.at)
    }

    /// Looks an event up by its name.
    pub fn find(&self, id: &EventId) -> Option<&Event> {
        self.events
            .iter()
            .find(|event| event.sequence == id.sequence && event.host == id.host)
    }
}

impl FromIterator<Event> for History {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        Self::new(events.into_iter().collect())
    }
}
