//! Clocks, as the history has them, against the bounds on rates and steps.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    checkers::{tell, verdict::Broken},
    clock::ClockName,
    history::EventKind,
    plan::{Assumption, assumptions::course::Course},
    time::TrueTime,
    truth::{Host, Truth},
};

pub(super) fn course(host: &Host) -> Course {
    let known = ClockName::ALL.into_iter();
    Course(
        known
            .filter_map(|clock| Some((clock, host.clock(clock)?.clone())))
            .collect(),
    )
}

/// Nodes whose wall clocks ran too fast or were stepped forward too far.
pub(super) fn nodes(truth: &Truth<'_>, until: TrueTime) -> Vec<Broken> {
    let assumed = &truth.facts.assumed;
    let mut found = Vec::new();
    for node in &truth.facts.nodes {
        let course = course(truth.hosts.host(node));
        for broken in course.of_node(assumed, truth.facts.max_ttl(), until) {
            let (at, size) = (broken.at, broken.size);
            let how = if broken.assumption == Assumption::NodeRate {
                let allowed = assumed.node_rate_ppm;
                format!(
                    "{node}'s wall clock ran {size} ppm fast from {at} on, {allowed} ppm are allowed"
                )
            } else {
                let allowed = tell::length(assumed.node_step);
                let by = tell::length(Duration::from_nanos(
                    u64::try_from(size).unwrap_or_default(),
                ));
                let within = tell::length(truth.facts.max_ttl());
                format!(
                    "{node}'s wall clock was stepped forward by {by} within {within}, the last at {at}, {allowed} is allowed"
                )
            };
            found.push(Broken {
                assumption: broken.assumption,
                how,
            });
        }
    }
    found
}

/// Clients of whose clocks none was honest all through some lease.
pub(super) fn clients(truth: &Truth<'_>, until: TrueTime) -> Vec<Broken> {
    let assumed = &truth.facts.assumed;
    let max_ttl = truth.facts.max_ttl();
    let mut found = Vec::new();
    for (name, used) in clocks_in_use(truth) {
        let course = course(truth.hosts.host(name));
        for broken in course.of_client(&used, assumed, max_ttl, until) {
            let how = if broken.assumption == Assumption::ClientRate {
                format!("ran more than {} ppm slow", assumed.client_rate_ppm)
            } else {
                let allowed = tell::length(assumed.client_step);
                format!("was set back or stood still for more than {allowed}")
            };
            let (from, length) = (broken.at, tell::length(max_ttl));
            found.push(Broken {
                assumption: broken.assumption,
                how: format!(
                    "every clock that {name} looks at {how} in the {length} from {from} on"
                ),
            });
        }
    }
    found
}

/// By client, the clocks that its deadlines name.
fn clocks_in_use<'h>(truth: &Truth<'h>) -> BTreeMap<&'h str, Vec<ClockName>> {
    let mut found = BTreeMap::new();
    for event in truth.history.events() {
        if let EventKind::Deadline { ends, .. } = &event.kind {
            let used: &mut Vec<_> = found.entry(&*event.host).or_default();
            for (clock, _) in &ends.since_ns {
                if !used.contains(clock) {
                    used.push(*clock);
                }
            }
        }
    }
    found
}
