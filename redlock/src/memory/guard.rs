//! A server's guard record: settings, admitted identity and fencing counters, lost together.

use std::time::Duration;

use super::clock::micros;
use crate::{
    protocol::{FencingToken, Reason},
    settings::Settings,
};

/// Whether a server votes.
#[derive(Clone, Debug)]
enum Admission {
    /// While the server has this identity.
    Admitted(u64),
    /// Once the server, still of this identity, shows this time.
    Quarantined { identity: u64, until: u64 },
    /// No acquisition has come across the present identity yet.
    NotStarted,
}

/// The record of one cluster on one server. Times are microseconds of the server's clock.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    settings: String,
    /// The longest TTL that any client was allowed since the server may have forgotten keys.
    quarantine: Duration,
    max_ttl: Duration,
    admission: Admission,
    counters: Vec<u64>,
}

impl Guard {
    /// A record that lets `identity` vote at once.
    pub(super) fn admitted(settings: &Settings, identity: u64) -> Self {
        Self {
            admission: Admission::Admitted(identity),
            ..Self::unadmitted(settings)
        }
    }

    /// A record whose quarantine starts with the first acquisition.
    pub(super) fn unadmitted(settings: &Settings) -> Self {
        let stripes = usize::try_from(settings.stripes.max(1)).unwrap_or(usize::MAX);
        Self {
            settings: settings.to_string(),
            quarantine: settings.max_ttl,
            max_ttl: settings.max_ttl,
            admission: Admission::NotStarted,
            counters: vec![0; stripes],
        }
    }

    /// The settings as text.
    pub(super) fn settings(&self) -> &str {
        &self.settings
    }

    pub(super) const fn max_ttl(&self) -> Duration {
        self.max_ttl
    }

    pub(super) fn counter(&self, stripe: u32) -> u64 {
        let stripe = usize::try_from(stripe).unwrap_or(usize::MAX);
        self.counters.get(stripe).copied().unwrap_or_default()
    }

    /// Refuses settings that differ from the stored ones, by name.
    pub(super) fn check_settings(&self, settings: &Settings) -> Result<(), Reason> {
        if self.settings == settings.to_string() {
            return Ok(());
        }
        let differences = settings.differences(&self.settings);
        Err(Reason::Settings(differences.into()))
    }

    /// How long `identity` does not vote yet; a quarantine that has not begun begins now. `None`
    /// when it votes.
    pub(super) fn quarantined(&mut self, identity: u64, now: u64) -> Option<Duration> {
        let remaining = self.quarantine_left(identity, now);
        match (&self.admission, remaining) {
            (_, None) => self.admission = Admission::Admitted(identity),
            (Admission::Quarantined { identity: same, .. }, _) if *same == identity => {}
            _ => {
                let until = now.saturating_add(micros(self.quarantine));
                self.admission = Admission::Quarantined { identity, until };
            }
        }
        remaining
    }

    /// As [`Guard::quarantined`], changing nothing.
    pub(super) fn quarantine_left(&self, identity: u64, now: u64) -> Option<Duration> {
        match self.admission {
            Admission::Admitted(admitted) if admitted == identity => None,
            Admission::Quarantined {
                identity: same,
                until,
            } if same == identity => {
                let left = Duration::from_micros(until.saturating_sub(now));
                (!left.is_zero()).then_some(left)
            }
            _ => Some(self.quarantine),
        }
    }

    /// The counter that a grant of this stripe leaves: `max(counter + 1, p')`, p' being the proposal
    /// no further than max_ttl/4 from the server's own time.
    ///
    /// # Errors
    ///
    /// When the counter would pass 2^53 − 1.
    pub(super) fn next_counter(
        &self,
        stripe: u32,
        proposal: u64,
        window: Duration,
        now: u64,
    ) -> Result<u64, Reason> {
        let window = micros(window);
        let clamped = proposal
            .min(now.saturating_add(window))
            .max(now.saturating_sub(window));
        let next = self.counter(stripe).saturating_add(1).max(clamped);
        if next > FencingToken::MAX.as_u64() {
            return Err(Reason::CounterExhausted);
        }
        Ok(next)
    }

    /// Raises the counter to at least `to`; it never goes back.
    pub(super) fn raise_counter(&mut self, stripe: u32, to: u64) {
        let stripe = usize::try_from(stripe).unwrap_or(usize::MAX);
        if let Some(counter) = self.counters.get_mut(stripe) {
            *counter = (*counter).max(to);
        }
    }

    /// Takes over other settings; the server does not vote for the larger of both `max_ttl`s.
    ///
    /// Where the number of stripes changes, resources move to other counters, so all of them start
    /// from the highest.
    pub(super) fn replace_settings(&mut self, settings: &Settings, identity: u64, now: u64) {
        let mut new = Self::unadmitted(settings);
        new.quarantine = self.quarantine.max(new.quarantine).max(self.max_ttl);
        if new.counters.len() == self.counters.len() {
            new.counters.clone_from(&self.counters);
        } else {
            let highest = self.counters.iter().max().copied().unwrap_or_default();
            new.counters.fill(highest);
        }
        *self = new;
        self.quarantined(identity, now);
    }
}
