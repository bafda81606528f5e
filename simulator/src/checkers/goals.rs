//! What the run is about did happen.
//!
//! *Definition.* Violated when a goal that was declared in the [`crate::truth::Facts`] was never reached: the run was vacuous,
//! and what the other checkers say of it means nothing. All goals are counted, declared or not; [`Goal`] says what each is.
//!
//! *Source.* The `sometimes` properties of Stateright and of deterministic simulation at large: a test that never
//! got into contention proves nothing about exclusion.
//!
//! Unknown when all that was missed is seen on the nodes and nobody looked at them.
//!
//! *Assumes* that clients report their attempts ([`EventKind::Attempt`]) for late grants, lost replies and publish rounds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Checker, Evidence, Finding, Verdict, verdict::NOT_OBSERVED};
use crate::{
    history::{EventKind, HostName, NodeChange, Operation, OperationId, Outcome, StoreAccess},
    time::TrueTime,
    truth::{Goal, Truth},
};

/// Runs the checker over what [`reached`] counted.
pub fn check(truth: &Truth<'_>, reached: &BTreeMap<Goal, u64>) -> Finding {
    let declared = &truth.facts.goals;
    let missed: Vec<_> = declared
        .iter()
        .filter(|goal| reached.get(goal).is_none_or(|count| *count == 0))
        .collect();
    let unseen = |goal: &&&Goal| !truth.facts.observes_nodes && goal.is_of_nodes();
    let verdict = if missed.is_empty() {
        Verdict::Ok
    } else if missed.iter().all(|goal| unseen(&goal)) {
        Verdict::Unknown(NOT_OBSERVED.to_owned())
    } else {
        let names: Vec<_> = missed.iter().map(|goal| goal.name()).collect();
        Verdict::Violated(Evidence {
            at: truth.history.end(),
            summary: format!(
                "the run was to show {}, and it never happened",
                names.join(", ")
            ),
            events: Vec::new(),
            count: missed.len() as u64,
            broken: Vec::new(),
        })
    };
    Finding::new(Checker::Goals, verdict, &[]).count("declared", declared.len() as u64)
}

/// How often each goal was reached.
pub fn reached(truth: &Truth<'_>) -> BTreeMap<Goal, u64> {
    let expired = truth.leases.iter();
    let expired = expired.filter(|lease| lease.belief.unpolled.is_some());
    let mut counts = BTreeMap::from([
        (Goal::Contention, contention(truth)),
        (Goal::ExpiryWhilePaused, expired.count() as u64),
        (Goal::RestartInsideTtl, restarts(truth)),
        (Goal::SplitVote, split_votes(truth)),
    ]);
    attempts(truth, &mut counts);
    events(truth, &mut counts);
    for goal in Goal::ALL {
        let count = counts.entry(goal).or_default();
        if goal.is_of_nodes() && !truth.facts.observes_nodes {
            *count = 0;
        }
    }
    counts
}

/// Acquisitions that began while somebody else held the resource or was acquiring it.
fn contention(truth: &Truth<'_>) -> u64 {
    let mut busy: BTreeMap<&str, Vec<(&HostName, TrueTime)>> = BTreeMap::new();
    let mut count = 0;
    for acquisition in &truth.acquisitions {
        let start = acquisition.invoked.at;
        let busy = busy.entry(acquisition.resource).or_default();
        busy.retain(|(_, until)| *until > start);
        count += u64::from(busy.iter().any(|(client, _)| *client != acquisition.client));
        let returned = acquisition.returned.map_or(TrueTime::MAX, |event| event.at);
        let until = truth
            .lease(acquisition.operation)
            .map_or(returned, |lease| lease.window.end);
        busy.push((acquisition.client, until));
    }
    count
}

/// Nodes that died with the key of a lease and were back within its window.
fn restarts(truth: &Truth<'_>) -> u64 {
    let mut count = 0;
    for lease in &truth.leases {
        let Some(owner) = lease.owner else { continue };
        let nodes: BTreeSet<_> = truth
            .keys
            .of_owner(owner, None)
            .map(|tenure| tenure.node)
            .collect();
        for node in nodes {
            let down = truth.hosts.host(node).down.as_slice();
            let within = down
                .iter()
                .filter(|down| lease.started.at <= down.start && down.end < lease.window.end);
            count += within.count() as u64;
        }
    }
    count
}

/// Instants from which on two owners had keys of one resource and nobody had a quorum.
fn split_votes(truth: &Truth<'_>) -> u64 {
    let mut edges: BTreeMap<&str, Vec<(TrueTime, bool, &str)>> = BTreeMap::new();
    for tenure in truth.keys.tenures() {
        let edges = edges.entry(tenure.key).or_default();
        // A key that was gone as it was set held nothing.
        for held in tenure.held.iter().filter(|held| !held.is_empty()) {
            edges.push((held.start, true, tenure.owner));
            edges.push((held.end, false, tenure.owner));
        }
    }
    let mut count = 0;
    for mut edges in edges.into_values() {
        edges.sort_unstable();
        let mut holding: BTreeMap<&str, usize> = BTreeMap::new();
        let mut split = false;
        for (index, (at, begins, owner)) in edges.iter().enumerate() {
            let keys = holding.entry(owner).or_default();
            *keys = if *begins { *keys + 1 } else { *keys - 1 };
            if *keys == 0 {
                holding.remove(owner);
            }
            // Only once all that happened at one instant is counted.
            if edges.get(index + 1).is_some_and(|(next, _, _)| next == at) {
                continue;
            }
            let now = holding.len() > 1 && holding.values().all(|keys| *keys < truth.facts.quorum);
            count += u64::from(now && !split);
            split = now;
        }
    }
    count
}

/// What the clients' notes of their attempts show, compared with what the nodes did.
fn attempts(truth: &Truth<'_>, counts: &mut BTreeMap<Goal, u64>) {
    let mut decided: BTreeMap<&str, TrueTime> = BTreeMap::new();
    for lease in &truth.leases {
        if let Some(owner) = lease.owner {
            decided.entry(owner).or_insert(lease.returned.at);
        }
    }
    let (mut late, mut lost, mut published) = (0, 0, 0);
    for event in truth.history.events() {
        let EventKind::Attempt {
            owner,
            granted,
            published: twice,
            ..
        } = &event.kind
        else {
            continue;
        };
        published += u64::from(*twice);
        let Some(owner) = owner else { continue };
        decided.entry(owner).or_insert(event.at);
        let unheard = truth.keys.of_owner(owner, None).filter(|tenure| {
            tenure.set.at <= event.at && granted.iter().all(|node| **node != *tenure.node)
        });
        let nodes: BTreeSet<_> = unheard.map(|tenure| tenure.node).collect();
        lost += nodes.len() as u64;
    }
    for (owner, decided) in decided {
        let mut seen = BTreeSet::new();
        let mut first = truth.keys.of_owner(owner, None).collect::<Vec<_>>();
        first.retain(|tenure| seen.insert((tenure.node, tenure.key)));
        late += first
            .iter()
            .filter(|tenure| tenure.set.at > decided)
            .count() as u64;
    }
    counts.insert(Goal::LateGrant, late);
    counts.insert(Goal::LostReply, lost);
    counts.insert(Goal::PublishRound, published);
}

/// What single events show.
fn events(truth: &Truth<'_>, counts: &mut BTreeMap<Goal, u64>) {
    let mut faults: BTreeSet<usize> = BTreeSet::new();
    let mut voted: BTreeSet<&str> = BTreeSet::new();
    let mut extensions: BTreeSet<&OperationId> = BTreeSet::new();
    let mut add = |goal, count| *counts.entry(goal).or_default() += u64::from(count);
    for event in truth.history.events() {
        match &event.kind {
            EventKind::FaultBegan { window, .. } => {
                faults.insert(*window);
            }
            EventKind::FaultEnded { window } => {
                faults.remove(window);
            }
            EventKind::Healed => faults.clear(),
            EventKind::Node {
                change: NodeChange::Votes { votes },
                ..
            } => {
                if *votes {
                    voted.insert(&event.host);
                } else {
                    add(Goal::Quarantine, voted.remove(&*event.host));
                }
            }
            EventKind::Invoke {
                operation,
                what: Operation::Extend { .. },
            } => {
                extensions.insert(operation);
            }
            EventKind::Return { operation, outcome } => match outcome {
                Outcome::Acquired { .. } => add(Goal::AcquiredUnderFault, !faults.is_empty()),
                Outcome::Ok { .. } => add(Goal::Extension, extensions.contains(operation)),
                _ => {}
            },
            EventKind::Store {
                access: StoreAccess::Refused { .. },
                ..
            } => add(Goal::StoreRefusal, true),
            _ => {}
        }
    }
}
