//! Whom a run is about.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    checkers::{Checker, Evidence, Report},
    history::{EventKind, History, LeaseId, NodeChange},
    time::TrueTime,
    truth::{Access, Interval, Lease, Truth},
};

/// What is told first when several rules are violated.
const GRAVEST_FIRST: [Checker; 11] = [
    Checker::Panics,
    Checker::EffectOrder,
    Checker::WindowExclusion,
    Checker::LinearizableMutex,
    Checker::BeliefOverlap,
    Checker::Fencing,
    Checker::FencedMutex,
    Checker::OwnerOnlyRelease,
    Checker::ValidityBound,
    Checker::Liveness,
    Checker::Goals,
];

/// A holder, who came after it, and what came late of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plot<'a, 'h> {
    pub(super) old: &'a Lease<'h>,
    pub(super) new: Option<&'a Lease<'h>>,
    /// An access under the old lease that was made, or arrived, when the new one had begun.
    pub(super) late: Option<&'a Access<'h>>,
    /// When it was decided.
    at: TrueTime,
}

impl<'a, 'h> Plot<'a, 'h> {
    /// What a violation shows, the gravest first; without any, a holder that was late; none when there is none either.
    pub(super) fn of(truth: &'a Truth<'h>, report: Option<&Report>) -> Option<Self> {
        match report.and_then(Self::worst) {
            Some((_, evidence)) => Self::shown(truth, evidence),
            None => Self::closest(truth),
        }
    }

    /// The gravest violation.
    pub(super) fn worst(report: &Report) -> Option<(Checker, &Evidence)> {
        GRAVEST_FIRST.into_iter().find_map(|checker| {
            let mut found = report.violations();
            let found = found.find(|finding| finding.checker == checker)?;
            Some((checker, found.verdict.evidence()?))
        })
    }

    /// The leases that the evidence speaks of.
    fn shown(truth: &'a Truth<'h>, evidence: &Evidence) -> Option<Self> {
        let owners: BTreeMap<_, _> = truth
            .leases
            .iter()
            .rev()
            .filter_map(|lease| Some((lease.owner?, lease.id)))
            .collect();
        let mut leases: Vec<&Lease<'_>> = Vec::new();
        for id in &evidence.events {
            let event = truth.history.find(id)?;
            let lease: Option<&LeaseId> = match &event.kind {
                EventKind::Return { operation, .. }
                | EventKind::Invoke { operation, .. }
                | EventKind::Store { operation, .. } => Some(
                    truth
                        .access(operation)
                        .map_or(operation, |access| access.lease),
                ),
                EventKind::Deadline { lease, .. } | EventKind::BeliefEnded { lease, .. } => {
                    Some(lease)
                }
                EventKind::Node {
                    change: NodeChange::Set { owner, .. } | NodeChange::Removed { owner, .. },
                    ..
                } => owners.get(owner.as_str()).copied(),
                _ => None,
            };
            let lease = lease.and_then(|lease| truth.lease(lease));
            leases.extend(lease.filter(|lease| leases.iter().all(|known| known.id != lease.id)));
        }
        leases.sort_by_key(|lease| lease.returned.at);
        let old = *leases.first()?;
        let new = leases.get(1).copied();
        Some(Self {
            old,
            new,
            late: new.and_then(|new| late(truth, old, new)),
            at: evidence.at,
        })
    }

    /// A holder that believed when another one held, rightly; before others one whose access came late.
    fn closest(truth: &'a Truth<'h>) -> Option<Self> {
        let mut best: Option<Self> = None;
        for leases in truth.by_resource().into_values() {
            for (place, old) in leases.iter().enumerate() {
                let new = leases[place + 1..]
                    .iter()
                    .find(|new| new.owner != old.owner);
                let Some(new) = new else { continue };
                let late = late(truth, old, new);
                let believed = old.belief.span.end > new.belief.span.start;
                if !believed && late.is_none() {
                    continue;
                }
                let found = Self {
                    old,
                    new: Some(new),
                    late,
                    at: new.returned.at,
                };
                let is_better = best.is_none_or(|best| best.late.is_none() && late.is_some());
                if is_better {
                    best = Some(found);
                }
            }
        }
        best
    }

    /// When the one after it came, or what shows the violation happened.
    pub(super) fn until(&self) -> TrueTime {
        self.new.map_or(self.at, |new| new.returned.at)
    }

    /// What must be seen of a run to see it.
    pub(super) fn span(&self) -> Interval {
        let mut end = self.at.max(self.until());
        for lease in self.new.into_iter().chain([self.old]) {
            if lease.belief.span.end < TrueTime::MAX {
                end = end.max(lease.belief.span.end);
            }
        }
        end = end.max(
            self.late
                .and_then(|late| late.arrived)
                .map_or(end, |event| event.at),
        );
        let start = self.old.invoked.at;
        let margin = end.since(start) / 4;
        let start = start.since_start().saturating_sub(margin);
        Interval::new(start.into(), end + margin)
    }
}

/// What was done under the old lease and came late: something that the store refused, or wrote over what the new holder did; or
/// else a read.
fn late<'a, 'h>(truth: &'a Truth<'h>, old: &Lease<'h>, new: &Lease<'h>) -> Option<&'a Access<'h>> {
    let own = truth
        .accesses
        .iter()
        .filter(|access| access.lease == old.id);
    let late: Vec<_> = own
        .filter(|access| {
            access
                .arrived
                .is_some_and(|event| event.at > new.returned.at)
        })
        .collect();
    let writes = late.iter().find(|access| access.writes);
    writes.or(late.first()).copied()
}

/// The faults that began or went on in a stretch of time, in words, each once.
pub(super) fn fault_names(history: &History, during: Interval) -> Vec<String> {
    let mut open: BTreeMap<usize, (&str, TrueTime)> = BTreeMap::new();
    let mut found: Vec<(TrueTime, &str)> = Vec::new();
    let mut seen = BTreeSet::new();
    for event in history.events() {
        match &event.kind {
            EventKind::FaultBegan { window, fault, .. } => {
                open.insert(*window, (fault, event.at));
            }
            EventKind::FaultEnded { window } => {
                if let Some((fault, began)) = open.remove(window)
                    && (began < during.end && during.start <= event.at)
                {
                    found.push((began, fault));
                }
            }
            _ => {}
        }
    }
    let still = open.into_values().filter(|(_, began)| *began < during.end);
    found.extend(still.map(|(fault, began)| (began, fault)));
    found.sort();
    let found = found.into_iter().filter(|(_, fault)| seen.insert(*fault));
    found.map(|(_, fault)| fault.to_owned()).collect()
}
