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
    /// Once the server, still of this identity, shows this time, and a client proves with the nonce
    /// that it has measured as much.
    Quarantined {
        identity: u64,
        until: u64,
        nonce: u64,
    },
    /// No acquisition has come across the present identity yet.
    NotStarted,
}

/// What a server that does not vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quarantine {
    /// What the server's own clock still asks for.
    pub(super) left: Duration,
    pub(super) nonce: u64,
    /// How long it takes from its start.
    pub(super) length: Duration,
}

/// A caller's part in admitting a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    /// What identity the server has at present.
    pub(super) identity: u64,
    /// The server's clock.
    pub(super) now: u64,
    /// A nonce that was never used: for a quarantine that begins with this visit.
    pub(super) fresh: u64,
    /// The nonce of a quarantine that the caller has measured to its end.
    pub(super) proof: Option<u64>,
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

    /// Why the server does not vote yet; a quarantine that has not begun begins now. `None` when it
    /// votes, from this visit on perhaps.
    pub(super) fn quarantined(&mut self, visit: &Visit) -> Option<Quarantine> {
        let length = self.quarantine;
        match self.admission {
            Admission::Admitted(admitted) if admitted == visit.identity => None,
            Admission::Quarantined {
                identity,
                ref mut until,
                nonce,
            } if identity == visit.identity => {
                // More than the whole length left proves that the clock stepped back.
                *until = (*until).min(visit.now.saturating_add(micros(length)));
                let left = Duration::from_micros(until.saturating_sub(visit.now));
                if left.is_zero() && visit.proof == Some(nonce) {
                    self.admission = Admission::Admitted(identity);
                    self.quarantine = self.max_ttl;
                    return None;
                }
                Some(Quarantine {
                    left,
                    nonce,
                    length,
                })
            }
            _ => Some(self.start_quarantine(visit)),
        }
    }

    /// The server may have forgotten keys: it does not vote from now on.
    pub(super) fn start_quarantine(&mut self, visit: &Visit) -> Quarantine {
        let length = self.quarantine;
        self.admission = Admission::Quarantined {
            identity: visit.identity,
            until: visit.now.saturating_add(micros(length)),
            nonce: visit.fresh,
        };
        Quarantine {
            left: length,
            nonce: visit.fresh,
            length,
        }
    }

    /// As [`Guard::quarantined`], changing nothing; a quarantine that has not begun has no nonce.
    pub(super) fn quarantine_left(
        &self,
        identity: u64,
        now: u64,
    ) -> Option<(Duration, Option<Quarantine>)> {
        let length = self.quarantine;
        match self.admission {
            Admission::Admitted(admitted) if admitted == identity => None,
            Admission::Quarantined {
                identity: same,
                until,
                nonce,
            } if same == identity => {
                let left = Duration::from_micros(until.saturating_sub(now));
                let quarantine = Quarantine {
                    left,
                    nonce,
                    length,
                };
                Some((left, Some(quarantine)))
            }
            _ => Some((length, None)),
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
    pub(super) fn replace_settings(&mut self, settings: &Settings, visit: &Visit) {
        let mut new = Self::unadmitted(settings);
        new.quarantine = self.quarantine.max(new.quarantine).max(self.max_ttl);
        if new.counters.len() == self.counters.len() {
            new.counters.clone_from(&self.counters);
        } else {
            let highest = self.counters.iter().max().copied().unwrap_or_default();
            new.counters.fill(highest);
        }
        *self = new;
        self.quarantined(visit);
    }
}
