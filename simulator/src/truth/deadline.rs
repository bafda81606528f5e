//! When a deadline on a host's own clocks passes in true time.

use super::Host;
use crate::{
    history::{Ends, Event, EventKind},
    time::TrueTime,
};

/// A deadline that a holder announced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines<'h> {
    announced: TrueTime,
    ends: &'h Ends,
}

impl<'h> Deadlines<'h> {
    /// That of an event; `None` when the event announces none.
    pub(super) fn of(event: &'h Event) -> Option<Self> {
        match &event.kind {
            EventKind::Deadline { ends, .. } => Some(Self {
                announced: event.at,
                ends,
            }),
            _ => None,
        }
    }

    /// The first true instant, from the announcement on, at which one of the clocks has counted all that it may. What
    /// clocks showed between the reading and the announcement does not matter: the holder looked when it
    /// announced, and a clock that had run ahead and was set back in between went unseen. `None` when none ever gets there.
    pub(super) fn passes(&self, holder: &Host) -> Option<TrueTime> {
        let clocks = self.ends.since_ns.iter();
        clocks
            .filter_map(|(clock, since)| {
                let shows = since.saturating_add(self.ends.left_ns);
                let shows = i64::try_from(shows).unwrap_or(i64::MAX);
                holder.first_reaching(*clock, self.announced, shows)
            })
            .min()
    }
}
