//! What a server holds, and how it answers: the meaning of the scripts that run in Redis.
//!
//! Every check comes before the first write, as in the scripts. Times are microseconds of the
//! server's own clock, passed in.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    clock::micros,
    guard::{Guard, Quarantine, Visit},
};
use crate::{
    node::{GuardState, Inspection, Request, Verb},
    protocol::{Answer, OwnerToken, Reason, key::LockKey},
    settings::Settings,
};

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A lock, until the server's clock shows `expires`.
    Lock {
        lock: Arc<LockKey>,
        owner: OwnerToken,
        expires: u64,
    },
    /// Something that no client of ours wrote.
    Foreign,
}

/// The memory of one server.
#[derive(Debug)]
pub(super) struct Store {
    keys: BTreeMap<Vec<u8>, Value>,
    guards: BTreeMap<String, Guard>,
    /// Changes with every restart.
    identity: u64,
    /// Whether the first client's settings are admitted without quarantine: the server is known to
    /// be new.
    welcoming: bool,
    /// The nonce of the latest quarantine. Never forgotten, so that no nonce comes back.
    nonces: u64,
}

/// What a server held at one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    keys: BTreeMap<Vec<u8>, Value>,
    guards: BTreeMap<String, Guard>,
}

/// One client's call, as far as the guard is concerned.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Caller {
    /// Whether its grant came from the present identity.
    pub(super) same_identity: bool,
    /// The nonce of a quarantine that it has measured to its end.
    pub(super) proof: Option<u64>,
    /// A counter of the lock's stripe that the server has reached.
    pub(super) seen: u64,
}

/// An answer, and the quarantine that it tells of.
pub(super) type Told = (Answer, Option<Quarantine>);

impl Store {
    pub(super) const fn new(welcoming: bool) -> Self {
        Self {
            keys: BTreeMap::new(),
            guards: BTreeMap::new(),
            identity: 1,
            welcoming,
            nonces: 0,
        }
    }

    pub(super) const fn identity(&self) -> u64 {
        self.identity
    }

    pub(super) fn forget(&mut self) {
        self.keys.clear();
        self.guards.clear();
        self.welcoming = false;
    }

    /// What a snapshot of the machine would hold.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            keys: self.keys.clone(),
            guards: self.guards.clone(),
        }
    }

    /// The machine is set back. The identity is part of the running process, so it does not tell.
    pub(super) fn set_back(&mut self, to: Snapshot) {
        self.keys = to.keys;
        self.guards = to.guards;
    }

    pub(super) fn restart(&mut self, keep_data: bool) {
        self.identity += 1;
        if !keep_data {
            self.forget();
        }
    }

    fn visit(&mut self, now: u64, proof: Option<u64>) -> Visit {
        self.nonces += 1;
        Visit {
            identity: self.identity,
            now,
            fresh: self.nonces,
            proof,
        }
    }

    /// Does for the quarantine what an acquisition does, and nothing else: an identity that was not
    /// admitted starts it, and so does a server without a record if the client has `known` it with one; a
    /// `proof` ends it.
    pub(super) fn watch(
        &mut self,
        settings: &Settings,
        known: bool,
        proof: Option<u64>,
        now: u64,
    ) -> Option<Quarantine> {
        if !settings.restart_guard || !(known || self.guards.contains_key(&settings.prefix)) {
            return None;
        }
        let visit = self.visit(now, proof);
        let guard = self.guard_or_new(settings);
        guard.check_settings(settings).ok()?;
        guard.quarantined(&visit)
    }

    /// Executes one call.
    pub(super) fn execute(
        &mut self,
        request: &Request,
        settings: &Settings,
        caller: Caller,
        now: u64,
    ) -> Told {
        self.drop_if_expired(request.lock.key(), now);
        let same_identity = caller.same_identity;
        let answered = match request.verb {
            Verb::Acquire { ttl, proposal, .. } => {
                match self.check_guard(request, settings, ttl, &caller, now) {
                    Ok(Some(quarantine)) => {
                        let remaining = quarantine.left;
                        return (Answer::Quarantined { remaining }, Some(quarantine));
                    }
                    Ok(None) => self.acquire(request, settings, ttl, proposal, now),
                    Err(reason) => Err(reason),
                }
            }
            Verb::Publish { counter } => self.publish(request, settings, counter, same_identity),
            Verb::Extend { ttl, counter } => {
                self.extend(request, settings, ttl, counter, same_identity, now)
            }
            Verb::Release { .. } => Ok(self.release(request, same_identity)),
        };
        (answered.unwrap_or_else(Answer::Refused), None)
    }

    /// Whether an acquisition may go on, or why the server does not vote.
    fn check_guard(
        &mut self,
        request: &Request,
        settings: &Settings,
        ttl: Duration,
        caller: &Caller,
        now: u64,
    ) -> Result<Option<Quarantine>, Reason> {
        if !settings.keeps_record() {
            return Ok(None);
        }
        let visit = self.visit(now, caller.proof);
        let guard = self.guard_or_new(settings);
        guard.check_settings(settings)?;
        check_ttl(ttl, guard.max_ttl())?;
        if !settings.restart_guard {
            return Ok(None);
        }
        // Counters never fall: the memory was set back, keys with it.
        if settings.fencing && guard.counter(request.lock.stripe()) < caller.seen {
            return Ok(Some(guard.start_quarantine(&visit)));
        }
        Ok(guard.quarantined(&visit))
    }

    fn acquire(
        &mut self,
        request: &Request,
        settings: &Settings,
        ttl: Duration,
        proposal: u64,
        now: u64,
    ) -> Result<Answer, Reason> {
        if let Some(value) = self.keys.get_mut(request.lock.key()) {
            return contended(value, settings.max_ttl, now);
        }
        let stripe = request.lock.stripe();
        let counter = match self.guards.get_mut(&settings.prefix) {
            Some(guard) if settings.fencing => {
                let window = settings.proposal_window();
                let counter = guard.next_counter(stripe, proposal, window, now)?;
                guard.raise_counter(stripe, counter);
                counter
            }
            _ => 0,
        };
        let lock = Value::Lock {
            lock: Arc::clone(&request.lock),
            owner: request.owner,
            expires: now.saturating_add(micros(ttl)),
        };
        self.keys.insert(request.lock.key().to_vec(), lock);
        Ok(Answer::Granted { counter })
    }

    fn publish(
        &mut self,
        request: &Request,
        settings: &Settings,
        counter: u64,
        same_identity: bool,
    ) -> Result<Answer, Reason> {
        if let Some(answer) = self.not_owner(request, same_identity) {
            return Ok(answer);
        }
        self.raise(request, settings, counter)?;
        Ok(Answer::Confirmed)
    }

    fn extend(
        &mut self,
        request: &Request,
        settings: &Settings,
        ttl: Duration,
        counter: u64,
        same_identity: bool,
        now: u64,
    ) -> Result<Answer, Reason> {
        if let Some(answer) = self.not_owner(request, same_identity) {
            return Ok(answer);
        }
        if let Some(guard) = self.guards.get(&settings.prefix)
            && settings.keeps_record()
        {
            check_ttl(ttl, guard.max_ttl())?;
        }
        self.raise(request, settings, counter)?;
        if let Some(Value::Lock { expires, .. }) = self.keys.get_mut(request.lock.key()) {
            let longest = now.saturating_add(micros(settings.max_ttl));
            let asked = now.saturating_add(micros(ttl));
            *expires = (*expires).min(longest).max(asked);
        }
        Ok(Answer::Confirmed)
    }

    fn release(&mut self, request: &Request, same_identity: bool) -> Answer {
        self.not_owner(request, same_identity).unwrap_or_else(|| {
            self.keys.remove(request.lock.key());
            Answer::Released
        })
    }

    /// Raises the fencing counter, which only a record with these settings has.
    fn raise(
        &mut self,
        request: &Request,
        settings: &Settings,
        counter: u64,
    ) -> Result<(), Reason> {
        if !settings.keeps_record() {
            return Ok(());
        }
        let Some(guard) = self.guards.get_mut(&settings.prefix) else {
            return Err(Reason::DamagedGuard("it is gone".into()));
        };
        guard.check_settings(settings)?;
        if settings.fencing {
            guard.raise_counter(request.lock.stripe(), counter);
        }
        Ok(())
    }

    /// The answer to a caller that does not own the key.
    fn not_owner(&self, request: &Request, same_identity: bool) -> Option<Answer> {
        let gone = match self.keys.get(request.lock.key()) {
            Some(Value::Lock { owner, .. }) if *owner == request.owner => return None,
            found => found.is_none(),
        };
        Some(Answer::NotOwner {
            gone,
            same_identity,
        })
    }

    fn guard_or_new(&mut self, settings: &Settings) -> &mut Guard {
        let (welcoming, identity) = (self.welcoming, self.identity);
        self.guards
            .entry(settings.prefix.clone())
            .or_insert_with(|| {
                if welcoming {
                    Guard::admitted(settings, identity)
                } else {
                    Guard::unadmitted(settings)
                }
            })
    }

    fn drop_if_expired(&mut self, key: &[u8], now: u64) {
        if let Some(Value::Lock { expires, .. }) = self.keys.get(key)
            && *expires <= now
        {
            self.keys.remove(key);
        }
    }

    /// Looks at the guard record, or changes it.
    ///
    /// # Errors
    ///
    /// When the change is refused.
    pub(super) fn inspect(
        &mut self,
        inspection: Inspection,
        settings: &Settings,
        now: u64,
    ) -> Result<(GuardState, Option<Quarantine>), Reason> {
        if !settings.keeps_record() {
            return Ok((GuardState::NotUsed, None));
        }
        let visit = self.visit(now, None);
        let guard = self.guards.get_mut(&settings.prefix);
        match (inspection, guard) {
            (Inspection::AdmitNew, Some(_)) => {
                return Err(Reason::Server(
                    "it has a guard record already, so it is not new".into(),
                ));
            }
            (Inspection::AdmitNew, None) => {
                let admitted = Guard::admitted(settings, visit.identity);
                self.guards.insert(settings.prefix.clone(), admitted);
            }
            (Inspection::ReplaceSettings, Some(guard)) => {
                guard.replace_settings(settings, &visit);
            }
            (Inspection::ReplaceSettings, None) => {
                let mut guard = Guard::unadmitted(settings);
                guard.quarantined(&visit);
                self.guards.insert(settings.prefix.clone(), guard);
            }
            (Inspection::Look, _) => {}
        }
        Ok(self.guard_state(settings, now))
    }

    fn guard_state(&self, settings: &Settings, now: u64) -> (GuardState, Option<Quarantine>) {
        let Some(guard) = self.guards.get(&settings.prefix) else {
            return (GuardState::Absent, None);
        };
        if guard.check_settings(settings).is_err() {
            let stored = guard.settings().to_owned();
            return (GuardState::OtherSettings { stored }, None);
        }
        match guard.quarantine_left(self.identity, now) {
            Some((remaining, quarantine)) if settings.restart_guard => {
                (GuardState::Quarantined { remaining }, quarantine)
            }
            _ => (GuardState::Admitted, None),
        }
    }

    /// The live keys, foreign ones included.
    pub(super) fn keys(&self, now: u64) -> impl Iterator<Item = (&[u8], &Value)> {
        self.keys
            .iter()
            .filter(move |(_, value)| match value {
                Value::Lock { expires, .. } => *expires > now,
                Value::Foreign => true,
            })
            .map(|(key, value)| (key.as_slice(), value))
    }

    pub(super) fn plant_foreign(&mut self, key: &[u8]) {
        self.keys.insert(key.to_vec(), Value::Foreign);
    }

    pub(super) fn delete(&mut self, resource: &[u8]) {
        self.keys.retain(
            |_, value| !matches!(value, Value::Lock { lock, .. } if lock.resource() == resource),
        );
    }

    /// The highest counter of the stripe under any prefix.
    pub(super) fn counter(&self, stripe: u32) -> u64 {
        let counters = self.guards.values().map(|guard| guard.counter(stripe));
        counters.max().unwrap_or_default()
    }
}

/// A key that is there is not ours to take. One that outlasts `max_ttl` proves that the clock
/// stepped back, and is cut.
fn contended(value: &mut Value, max_ttl: Duration, now: u64) -> Result<Answer, Reason> {
    match value {
        Value::Foreign => Err(Reason::ForeignKey("it has no TTL".into())),
        Value::Lock { expires, .. } => {
            *expires = (*expires).min(now.saturating_add(micros(max_ttl)));
            let remaining = Some(Duration::from_micros(*expires - now));
            Ok(Answer::Contended { remaining })
        }
    }
}

fn check_ttl(asked: Duration, max: Duration) -> Result<(), Reason> {
    if asked > max {
        return Err(Reason::TtlAboveMax { asked, max });
    }
    Ok(())
}
