//! Nodes that keep a lease and do not know its token: part of [`super::fencing`].
//!
//! The nodes that carry a token order it before all later ones, as long as one of them remembers. A grant that comes late
//! makes one more node that holds the lease, and it is told the token like the others: whoever loses its memory then is one
//! of more.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{calm::Calm, tell, verdict::Violations};
use crate::{
    history::{Event, EventKind, NodeChange},
    time::TrueTime,
    truth::{Lease, Tenure, Truth},
};

/// Nodes that count below the token of a lease that they keep.
pub(super) fn check(truth: &Truth<'_>, violations: &mut Violations) {
    let Some(within) = truth.facts.progress.gone_within_ms else {
        return;
    };
    let within = Duration::from_millis(within);
    let calm = Calm::of(truth.history);
    let counters = Counters::of(truth);
    for lease in &truth.leases {
        let (Some(owner), Some(token)) = (lease.owner, lease.token) else {
            continue;
        };
        let key = truth.facts.lock_keys.get(lease.resource);
        let mut granted = BTreeSet::new();
        for tenure in truth.keys.of_owner(owner, key.map(String::as_str)) {
            // An extension carries the token by itself.
            if !granted.insert(tenure.node) {
                continue;
            }
            let due = lease.returned.at.max(tenure.set.at) + within;
            let counts = counters.at(tenure, due);
            if lease.window.contains(due)
                && tenure.held.iter().any(|held| held.contains(due))
                && calm.lasts(&[lease.client, tenure.node], due)
                && counts.is_some_and(|counts| counts < token)
            {
                violations.add(due, [tenure.set, lease.returned], || {
                    told(lease, tenure, due)
                });
            }
        }
    }
}

fn told(lease: &Lease<'_>, tenure: &Tenure<'_>, due: TrueTime) -> String {
    format!(
        "{} keeps {} since {} and still counted below its token at {due}",
        tenure.node,
        tell::lease(lease),
        tenure.set.at,
    )
}

/// What nodes counted, by node and stripe.
struct Counters<'h> {
    counted: BTreeMap<(&'h str, &'h str), Vec<(TrueTime, u64)>>,
    /// The stripe of a key, by node and the number of the event that set it: the counter is raised by the same command, just
    /// before.
    stripes: BTreeMap<(&'h str, u64), &'h str>,
}

impl<'h> Counters<'h> {
    fn of(truth: &Truth<'h>) -> Self {
        let mut counters = Self {
            counted: BTreeMap::new(),
            stripes: BTreeMap::new(),
        };
        let mut last: BTreeMap<&str, (&Event, &str)> = BTreeMap::new();
        for event in truth.history.events() {
            let EventKind::Node { change, .. } = &event.kind else {
                continue;
            };
            match change {
                NodeChange::Counter { stripe, counter } => {
                    let counted = counters.counted.entry((&event.host, stripe)).or_default();
                    counted.push((event.at, *counter));
                    last.insert(&event.host, (event, stripe));
                }
                NodeChange::Set { .. } => {
                    let same = last
                        .get(&*event.host)
                        .filter(|(counter, _)| counter.sequence + 1 == event.sequence);
                    if let Some((_, stripe)) = same {
                        counters
                            .stripes
                            .insert((&event.host, event.sequence), stripe);
                    }
                }
                _ => {}
            }
        }
        counters
    }

    /// What the node of a key counted; `None` when the history does not tell.
    fn at(&self, tenure: &Tenure<'h>, at: TrueTime) -> Option<u64> {
        let stripe = self.stripes.get(&(tenure.node, tenure.set.sequence))?;
        let counted = self.counted.get(&(tenure.node, *stripe))?;
        let last = counted.partition_point(|(when, _)| *when <= at);
        counted
            .get(last.checked_sub(1)?)
            .map(|(_, counter)| *counter)
    }
}
