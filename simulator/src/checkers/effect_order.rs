//! Writes take effect in the order of the leases under which they were made.
//!
//! *Definition.* Of two leases of one resource, one is older when its acquisition returned before the newer one's winning
//! attempt had started ([`crate::truth::Lease::started`]). Violated when the store applies a write of an older holder after it
//! applied one of a newer holder. Lost updates are counted: writes of a lease that had read the value before
//! somebody else changed it.
//!
//! *Source.* Kleppmann 2016 (the write that arrives after the pause, GitHub's packets that were 90 s late). Exclusion
//! of windows does not give this: the way from the check to the effect has no bound.
//!
//! *Assumes* what the order of tokens does: this is what fencing is for. Where accesses carry no token it rests on all that
//! exclusion rests on, and on bounded pauses and delays between the check and the effect.

use std::collections::BTreeMap;

use super::{Checker, Finding, Verdict, tell, verdict::Violations};
use crate::{
    history::{Event, EventKind, LeaseId, StoreAccess},
    plan::Promise,
    truth::{Lease, Truth},
};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    let mut resources: BTreeMap<&str, Resource<'_, '_>> = BTreeMap::new();
    let (mut writes, mut lost_updates) = (0, 0);
    let mut fenced = false;
    for event in truth.history.events() {
        let EventKind::Store { operation, access } = &event.kind else {
            continue;
        };
        let Some(made) = truth.access(operation) else {
            continue;
        };
        let resource = resources.entry(made.resource).or_default();
        match access {
            StoreAccess::Read { token, .. } => {
                fenced |= token.is_some();
                resource.read(made.lease);
            }
            StoreAccess::Written { token, .. } => {
                fenced |= token.is_some();
                writes += 1;
                lost_updates += u64::from(resource.write(made.lease));
                if let Some(lease) = truth.lease(made.lease) {
                    resource.judge(lease, made.invoked, event, &mut violations);
                }
            }
            StoreAccess::Refused { .. } => {}
        }
    }
    let verdict = if writes == 0 && !truth.accesses.is_empty() {
        Verdict::Unknown("the store applied no write".to_owned())
    } else {
        violations.verdict()
    };
    let promise = if fenced {
        Promise::TokenOrder
    } else {
        Promise::UnfencedEffects
    };
    Finding::new(Checker::EffectOrder, verdict, &promise.rests_on())
        .count("writes", writes)
        .count("lost_updates", lost_updates)
}

#[derive(Default)]
struct Resource<'a, 'h> {
    /// Of the leases that wrote, the one that started last, and its first write.
    newest: Option<(&'a Lease<'h>, &'h Event)>,
    /// By lease, how many writes there had been when it last read or wrote.
    saw: BTreeMap<&'h LeaseId, usize>,
    /// Who made each write.
    writers: Vec<&'h LeaseId>,
}

impl<'a, 'h> Resource<'a, 'h> {
    fn read(&mut self, lease: &'h LeaseId) {
        self.saw.insert(lease, self.writers.len());
    }

    /// Returns whether the write overwrites what the writer had not seen. One that never read did not mean to build
    /// on anything.
    fn write(&mut self, lease: &'h LeaseId) -> bool {
        let lost = self.saw.get(lease).is_some_and(|saw| {
            let since = &self.writers[*saw..];
            since.iter().any(|writer| *writer != lease)
        });
        self.writers.push(lease);
        if let Some(saw) = self.saw.get_mut(lease) {
            *saw = self.writers.len();
        }
        lost
    }

    fn judge(
        &mut self,
        lease: &'a Lease<'h>,
        invoked: &Event,
        applied: &'h Event,
        violations: &mut Violations,
    ) {
        if let Some((newest, first)) = self.newest
            && lease.returned.at < newest.started.at
        {
            let events = [lease.returned, newest.started, first, invoked, applied];
            violations.add(applied.at, events, || {
                format!(
                    "the store applied a write of {} at {}, sent at {}, after one of {} at {}; the latter started at {}, the former had been acquired at {}",
                    tell::lease(lease),
                    applied.at,
                    invoked.at,
                    tell::lease(newest),
                    first.at,
                    newest.started.at,
                    lease.returned.at,
                )
            });
        }
        if self
            .newest
            .is_none_or(|(newest, _)| newest.started.at < lease.started.at)
        {
            self.newest = Some((lease, applied));
        }
    }
}
