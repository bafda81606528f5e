//! The clocks that a plan makes, against the bounds on rates and steps.
//!
//! The clocks are computed with the same functions as in the world ([`Clocks`]), one host at a time. A fault on a
//! role may or may not hit a host: each host is looked at as if it was hit by those that hurt and missed by those that
//! help.

use std::time::Duration;

use super::{
    Assumption, Assumptions, ClusterFacts,
    course::{Course, MEASURING, nanos},
    memory,
};
use crate::{
    TrueTime,
    clock::{ClockName, Clocks, Disturbance},
    history::HostName,
    plan::{EdgeKind, Fault, Plan, Target},
};

/// What the wall clocks show as the world begins; anything that leaves room on both sides.
const WALL: i64 = 1_700_000_000_000_000_000;

/// Which of the faults that may hit a host do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worst {
    /// Those that make its clocks show less.
    Slow,
    /// Those that make its clocks show more.
    Fast,
}

/// What a fault does to clocks.
struct Effect {
    clocks: Vec<ClockName>,
    what: Change,
}

#[derive(Clone, Copy)]
enum Change {
    Step(i64),
    Disturb(Disturbance),
}

impl Change {
    const fn slows(self) -> bool {
        match self {
            Self::Step(nanos) => nanos < 0,
            Self::Disturb(Disturbance::Drift(ppm)) => ppm < 0,
            Self::Disturb(Disturbance::Freeze) => true,
        }
    }
}

fn effect(fault: &Fault) -> Option<Effect> {
    let frozen = Change::Disturb(Disturbance::Freeze);
    let (clocks, what) = match fault {
        Fault::ClockStep {
            clocks, by_micros, ..
        } => (
            clocks.clone(),
            Change::Step(by_micros.saturating_mul(1_000)),
        ),
        Fault::ClockDrift {
            clocks,
            rate_error_ppm,
            ..
        } => (
            clocks.clone(),
            Change::Disturb(Disturbance::Drift(*rate_error_ppm)),
        ),
        Fault::ClockFreeze { clocks, .. } => (clocks.clone(), frozen),
        Fault::Suspend { .. } => (vec![ClockName::Monotonic, ClockName::Raw], frozen),
        Fault::StopMachine { .. } => (ClockName::ALL.to_vec(), frozen),
        _ => return None,
    };
    Some(Effect { clocks, what })
}

/// A host's clocks from the beginning to the heal; `faults` are those of the plan that touch clocks.
fn course(host: &HostName, worst: Worst, faults: &Plan, facts: &ClusterFacts) -> Course {
    let rate = facts.rate_errors_ppm.get(host).copied().unwrap_or_default();
    let offset = facts.wall_offsets_micros.get(host).copied();
    let wall = WALL.saturating_add(offset.unwrap_or_default().saturating_mul(1_000));
    let mut clocks = Clocks::new(wall, Duration::ZERO, rate);
    for edge in faults.edges(facts.heal) {
        let fault = &faults.windows[edge.window].fault;
        let Some(effect) = effect(fault) else {
            continue;
        };
        let is_worse = effect.what.slows() == (worst == Worst::Slow);
        if hits(fault.target(), host, facts, is_worse) {
            effect.apply(&mut clocks, edge.at, edge.kind);
        }
    }
    let maps = ClockName::ALL.map(|clock| (clock, clocks.map(clock).clone()));
    Course(maps.into())
}

impl Effect {
    fn apply(&self, to: &mut Clocks, at: TrueTime, kind: EdgeKind) {
        for clock in &self.clocks {
            match (self.what, kind) {
                (Change::Step(nanos), _) => to.step(*clock, at, nanos),
                (Change::Disturb(what), EdgeKind::End) => to.calm(*clock, at, what),
                (Change::Disturb(what), _) => to.disturb(*clock, at, what),
            }
        }
    }
}

/// Only the faults that touch clocks.
fn of_clocks(plan: &Plan) -> Plan {
    let windows = plan.windows.iter();
    Plan {
        windows: windows
            .filter(|window| effect(&window.fault).is_some())
            .cloned()
            .collect(),
    }
}

/// Whether a fault on `target` hits `host`: certainly, or because it may and `if_possible`.
fn hits(target: Option<&Target>, host: &HostName, facts: &ClusterFacts, if_possible: bool) -> bool {
    let Some(target) = target else {
        return false;
    };
    let is_certain = match target {
        Target::Host(_) => true,
        Target::Role(role) => facts.hosts.playing(*role).is_some(),
    };
    (is_certain || if_possible) && facts.hosts.possibly(target).contains(host)
}

/// Nodes that run fast or step forward, and nodes that disagree.
pub(super) fn nodes(
    assumed: &Assumptions,
    plan: &Plan,
    facts: &ClusterFacts,
    violated: &mut Vec<Assumption>,
) {
    let end = TrueTime::from(facts.heal);
    let faults = of_clocks(plan);
    let (mut most_behind, mut most_ahead) = (i128::MAX, i128::MIN);
    for node in &facts.hosts.nodes {
        let fast = course(node, Worst::Fast, &faults, facts);
        let breaks = fast.of_node(assumed, facts.max_ttl, end);
        violated.extend(breaks.iter().map(|one| one.assumption));
        let slow = course(node, Worst::Slow, &faults, facts);
        if let (Some((_, ahead)), Some((behind, _))) = (fast.errors(end), slow.errors(end)) {
            most_ahead = most_ahead.max(ahead);
            most_behind = most_behind.min(behind);
        }
    }
    let apart = most_ahead.saturating_sub(most_behind);
    if memory::anything_forgotten(plan, facts) && apart > nanos(assumed.wall_disagreement) {
        violated.push(Assumption::WallDisagreement);
    }
}

/// Clients none of whose clocks is honest all through some lease.
pub(super) fn clients(
    assumed: &Assumptions,
    plan: &Plan,
    facts: &ClusterFacts,
    violated: &mut Vec<Assumption>,
) {
    let end = TrueTime::from(facts.heal);
    let faults = of_clocks(plan);
    for client in &facts.hosts.clients {
        let course = course(client, Worst::Slow, &faults, facts);
        let breaks = course.of_client(&MEASURING, assumed, facts.max_ttl, end);
        violated.extend(breaks.iter().map(|one| one.assumption));
    }
}
