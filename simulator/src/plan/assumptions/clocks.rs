//! The clocks that a plan makes, against the bounds on rates and steps.
//!
//! The clocks are computed with the same functions as in the world ([`Clocks`]), one host at a time. A fault on a
//! role may or may not hit a host: each host is looked at as if it was hit by those that hurt and missed by those that
//! help.

use std::time::Duration;

use super::{Assumption, Assumptions, ClusterFacts, memory};
use crate::{
    TrueTime,
    clock::{ClockName, Clocks, Disturbance, Ppm},
    history::HostName,
    plan::{EdgeKind, Fault, Plan, Target},
};

/// The clocks by which a client measures a lease.
const MEASURING: [ClockName; 3] = [ClockName::Boot, ClockName::Raw, ClockName::Wall];
const FROZEN: Ppm = -1_000_000;
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

/// A host's clocks from the beginning to the heal.
struct Course {
    clocks: Clocks,
    /// Nanoseconds by which a clock was stepped.
    steps: Vec<(TrueTime, ClockName, i64)>,
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

impl Course {
    /// `faults` are those of the plan that touch clocks.
    fn of(host: &HostName, worst: Worst, faults: &Plan, facts: &ClusterFacts) -> Self {
        let rate = facts.rate_errors_ppm.get(host).copied().unwrap_or_default();
        let offset = facts.wall_offsets_micros.get(host).copied();
        let wall = WALL.saturating_add(offset.unwrap_or_default().saturating_mul(1_000));
        let mut course = Self {
            clocks: Clocks::new(wall, Duration::ZERO, rate),
            steps: Vec::new(),
        };
        for edge in faults.edges(facts.heal) {
            let fault = &faults.windows[edge.window].fault;
            let Some(effect) = effect(fault) else {
                continue;
            };
            if hits(
                fault.target(),
                host,
                facts,
                effect.what.slows() == (worst == Worst::Slow),
            ) {
                course.apply(edge.at, edge.kind, &effect);
            }
        }
        course
    }

    fn apply(&mut self, at: TrueTime, kind: EdgeKind, effect: &Effect) {
        for clock in &effect.clocks {
            match (effect.what, kind) {
                (Change::Step(nanos), _) => {
                    self.clocks.step(*clock, at, nanos);
                    self.steps.push((at, *clock, nanos));
                }
                (Change::Disturb(what), EdgeKind::End) => self.clocks.calm(*clock, at, what),
                (Change::Disturb(what), _) => self.clocks.disturb(*clock, at, what),
            }
        }
    }

    /// The pieces of a clock that have a length: from, to, rate error.
    fn pieces(&self, clock: ClockName, end: TrueTime) -> Vec<(TrueTime, TrueTime, Ppm)> {
        let segments = self.clocks.map(clock).segments();
        let ends = segments.iter().skip(1).map(|next| next.from).chain([end]);
        segments
            .iter()
            .zip(ends)
            .map(|(segment, to)| (segment.from, to.min(end), segment.rate_error_ppm))
            .filter(|(from, to, _)| from < to)
            .collect()
    }

    fn steps_of(&self, clock: ClockName) -> impl Iterator<Item = (TrueTime, i64)> {
        self.steps
            .iter()
            .filter(move |(_, name, _)| *name == clock)
            .map(|(at, _, nanos)| (*at, *nanos))
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
        let fast = Course::of(node, Worst::Fast, &faults, facts);
        let pieces = fast.pieces(ClockName::Wall, end);
        if pieces
            .iter()
            .any(|(_, _, rate)| *rate > assumed.node_rate_ppm)
        {
            violated.push(Assumption::NodeRate);
        }
        let steps: Vec<_> = fast.steps_of(ClockName::Wall).collect();
        if most_gained(&steps, facts.max_ttl) > nanos(assumed.node_step) {
            violated.push(Assumption::NodeStep);
        }
        let slow = Course::of(node, Worst::Slow, &faults, facts);
        most_ahead = most_ahead.max(errors(&fast, end).1);
        most_behind = most_behind.min(errors(&slow, end).0);
    }
    let apart = most_ahead.saturating_sub(most_behind);
    if memory::anything_forgotten(plan, facts) && apart > nanos(assumed.wall_disagreement) {
        violated.push(Assumption::WallDisagreement);
    }
}

/// The least and the most by which the wall clock is ahead of true time, in nanoseconds. It is linear in between
/// the ends of its pieces.
fn errors(course: &Course, end: TrueTime) -> (i128, i128) {
    let wall = course.clocks.map(ClockName::Wall);
    let error =
        |at: TrueTime| i128::from(wall.at(at)) - i128::from(WALL) - i128::from(at.as_nanos());
    let (mut least, mut most) = (error(end), error(end));
    for segment in wall.segments() {
        // Just before a step as well as after it.
        let before = TrueTime::from_nanos(segment.from.as_nanos().saturating_sub(1));
        for at in [before, segment.from] {
            least = least.min(error(at));
            most = most.max(error(at));
        }
    }
    (least, most)
}

/// The most that steps within `length` of each other add up to.
fn most_gained(steps: &[(TrueTime, i64)], length: Duration) -> i128 {
    let mut most = 0;
    for (index, (first, _)) in steps.iter().enumerate() {
        let mut sum = 0;
        for (at, nanos) in &steps[index..] {
            if at.since(*first) > length {
                break;
            }
            sum += i128::from(*nanos);
            most = most.max(sum);
        }
    }
    most
}

/// What is wrong with one clock of a client in the time that a lease can take.
#[derive(Clone, Copy)]
struct Wrong {
    slow: bool,
    lost: bool,
}

/// Clients none of whose clocks is honest all through some lease.
///
/// What is wrong with a clock in the `max_ttl` that begins at some instant changes only when a piece or a step
/// enters or leaves it, so it is enough to look at those instants and between them.
pub(super) fn clients(
    assumed: &Assumptions,
    plan: &Plan,
    facts: &ClusterFacts,
    violated: &mut Vec<Assumption>,
) {
    let end = TrueTime::from(facts.heal);
    let faults = of_clocks(plan);
    for client in &facts.hosts.clients {
        let course = Course::of(client, Worst::Slow, &faults, facts);
        for from in instants(&course, facts.max_ttl, end) {
            let wrong = MEASURING.map(|clock| {
                wrong_during(&course, clock, (from, from + facts.max_ttl), assumed, end)
            });
            if !wrong.iter().all(|clock| clock.slow || clock.lost) {
                continue;
            }
            let (all_slow, all_lost) = (
                wrong.iter().all(|clock| clock.slow),
                wrong.iter().all(|clock| clock.lost),
            );
            // With one clock slow and another lost, either of the two bounds would have saved the lease.
            if all_slow || !all_lost {
                violated.push(Assumption::ClientRate);
            }
            if all_lost || !all_slow {
                violated.push(Assumption::ClientStep);
            }
        }
    }
}

fn instants(course: &Course, length: Duration, end: TrueTime) -> Vec<TrueTime> {
    let mut at: Vec<u64> = vec![0];
    for clock in MEASURING {
        for (from, to, _) in course.pieces(clock, end) {
            at.extend([from.as_nanos(), to.as_nanos()]);
        }
        at.extend(course.steps_of(clock).map(|(step, _)| step.as_nanos()));
    }
    let length = TrueTime::from(length).as_nanos();
    let left: Vec<u64> = at.iter().map(|at| at.saturating_sub(length)).collect();
    at.extend(left);
    at.sort_unstable();
    at.dedup();
    let between: Vec<u64> = at
        .windows(2)
        .map(|pair| pair[0].midpoint(pair[1]))
        .collect();
    at.extend(between);
    at.sort_unstable();
    at.dedup();
    at.retain(|at| *at < end.as_nanos());
    at.into_iter().map(TrueTime::from_nanos).collect()
}

fn wrong_during(
    course: &Course,
    clock: ClockName,
    (from, to): (TrueTime, TrueTime),
    assumed: &Assumptions,
    end: TrueTime,
) -> Wrong {
    let pieces: Vec<_> = course
        .pieces(clock, end)
        .into_iter()
        .filter(|(start, stop, _)| *stop > from && *start < to)
        .collect();
    let slow = pieces
        .iter()
        .any(|(_, _, rate)| *rate > FROZEN && *rate < -assumed.client_rate_ppm);
    // A freeze is charged in full as soon as the lease meets it.
    let frozen = pieces
        .iter()
        .filter(|(_, _, rate)| *rate <= FROZEN)
        .map(|(start, stop, _)| (*start, nanos(stop.since(*start))));
    let stepped = course
        .steps_of(clock)
        .filter(|(at, _)| (from..=to).contains(at))
        .map(|(at, nanos)| (at, -i128::from(nanos)));
    let mut losses: Vec<(TrueTime, i128)> = frozen.chain(stepped).collect();
    losses.sort_by_key(|(at, _)| *at);
    let (mut running, mut most) = (0_i128, 0_i128);
    for (_, loss) in losses {
        running = (running + loss).max(0);
        most = most.max(running);
    }
    Wrong {
        slow,
        lost: most > nanos(assumed.client_step),
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}
