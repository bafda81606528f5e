//! Keys that outlive what they were set for: part of [`super::liveness`].
//!
//! A key is *left over* when its owner let go of the lease, or its attempt came to nothing, and it still stands on a
//! node after [`crate::truth::Progress::gone_within_ms`]. Only where nothing went wrong: a client that was cut off cleans up
//! when it can, and the TTL bounds the rest. So a key counts only if no fault had yet touched its client or its node by
//! then. Of contenders that use an owner token for several leases nothing is said: nobody can tell what a key was set
//! for.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{calm::Calm, tell, verdict::Violations};
use crate::{
    history::{EventKind, LeaseId, Operation},
    time::TrueTime,
    truth::{Lease, Tenure, Truth},
};

/// Keys that are left over.
pub(super) fn check(truth: &Truth<'_>, violations: &mut Violations) {
    let Some(within) = truth.facts.progress.gone_within_ms else {
        return;
    };
    let look = Look::new(truth);
    let calm = Calm::of(truth.history);
    let within = Duration::from_millis(within);
    // By node and owner token: when it was set first, by whom.
    let mut first: BTreeMap<(&str, &str), (&Tenure<'_>, &str)> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for tenure in truth.keys.tenures() {
        let place = (tenure.node, tenure.owner);
        if let EventKind::Node { by: Some(by), .. } = &tenure.set.kind {
            first.entry(place).or_insert((tenure, by));
        }
        let Some((set, client)) = first.get(&place) else {
            continue;
        };
        let Some(ended) = look.ended(set, client) else {
            continue;
        };
        let due = ended.max(set.set.at) + within;
        let is_left = tenure.held.iter().any(|held| held.end > due);
        if !is_left || !calm.lasts(&[client, tenure.node], due) || !told.insert(place) {
            continue;
        }
        violations.add(due, [set.set, tenure.set], || {
            format!(
                "{:?} on {} holds {client}'s owner token {}, set at {}, although {client} was done with it at {ended} and nothing kept it from saying so within {}",
                tenure.key,
                tenure.node,
                tenure.owner,
                set.set.at,
                tell::length(within),
            )
        });
    }
}

struct Look<'a, 'h> {
    truth: &'a Truth<'h>,
    leases: BTreeMap<&'h str, Vec<&'a Lease<'h>>>,
    released: BTreeMap<&'h LeaseId, TrueTime>,
}

impl<'a, 'h> Look<'a, 'h> {
    fn new(truth: &'a Truth<'h>) -> Self {
        let mut look = Self {
            truth,
            leases: BTreeMap::new(),
            released: BTreeMap::new(),
        };
        for lease in &truth.leases {
            if let Some(owner) = lease.owner {
                look.leases.entry(owner).or_default().push(lease);
            }
        }
        for event in truth.history.events() {
            if let EventKind::Invoke {
                what: Operation::Release { lease },
                ..
            } = &event.kind
            {
                look.released.entry(lease).or_insert(event.at);
            }
        }
        look
    }

    /// When the owner of a key was done with it; `None` if it never was, or nobody can tell.
    fn ended(&self, set: &Tenure<'_>, client: &str) -> Option<TrueTime> {
        match self.leases.get(set.owner).map(Vec::as_slice) {
            Some([lease]) => self.released.get(lease.id).copied(),
            Some(_) => None,
            // No lease came of it: the attempt was one of an acquisition that had returned by then.
            None => {
                let mut ended = set.set.at;
                for acquisition in &self.truth.acquisitions {
                    let key = self.truth.facts.lock_keys.get(acquisition.resource);
                    let is_about = key.is_none_or(|key| key == set.key);
                    if **acquisition.client == *client
                        && is_about
                        && acquisition.invoked.at <= set.set.at
                    {
                        ended = ended.max(acquisition.returned?.at);
                    }
                }
                Some(ended)
            }
        }
    }
}
