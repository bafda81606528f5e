//! Plans drawn from a seed.
//!
//! [`draw`] draws any plan that a [`Profile`] allows. [`within`] draws in the same way and then mends or leaves out
//! what breaks an assumption: whatever such a plan does, the promises have to hold. [`just_beyond`] draws a plan that
//! breaks exactly one assumption by a little: where no promise holds, something should be found.
//!
//! A seed means the same plan on every machine, today and later. Each kind of fault has a stream of its own, so that
//! a profile that knows one kind more draws the others as before.

mod beyond;
mod companions;
mod profile;
mod stream;
mod tame;
mod windows;

#[cfg(test)]
mod tests;

pub use self::profile::{Bounds, Odds, Pick, Profile, Shape};
use self::stream::Stream;
use super::{Assumption, Assumptions, ClusterFacts, Family, FaultWindow, Plan};

/// The stream of what concerns the whole plan; kinds of faults have those from 1 on.
const WHOLE_PLAN: u64 = 0;
/// The streams of what is done to a plan that was drawn.
const TAMING: u64 = 1_000;
const BREAKING: u64 = 1_001;

/// Any plan that `profile` allows. It names hosts as [`Shape::hosts`] does, and can be carried out.
pub fn draw(seed: u64, profile: &Profile) -> Plan {
    compose(Vec::new(), candidates(seed, profile), profile, |_| true)
}

/// A plan that breaks no assumption.
pub fn within(seed: u64, profile: &Profile, assumed: &Assumptions, facts: &ClusterFacts) -> Plan {
    let mut stream = Stream::new(seed, TAMING);
    let harmless = |plan: &Plan| assumed.violated_by(plan, facts).is_empty();
    let mut kept = Plan::default();
    for window in candidates(seed, profile) {
        let tamed = tame::tame(&window, assumed, facts, &mut stream);
        for version in [Some(window), tamed].into_iter().flatten() {
            let count = kept.windows.len();
            kept = compose(kept.windows, vec![version], profile, harmless);
            if kept.windows.len() > count {
                break;
            }
        }
    }
    kept
}

/// A plan that breaks `which` by a little and no other assumption, with harmless faults around it where it shows: when it is
/// one of the bounds on clocks, all other clocks are right at theirs; when nodes forget, links are cut so that quorums meet
/// in them and nowhere else. `None` when no plan does in such a cluster
/// (forgetful voters where the restart guard sees all that forget; a delay where any is allowed).
pub fn just_beyond(
    seed: u64,
    profile: &Profile,
    assumed: &Assumptions,
    facts: &ClusterFacts,
    which: Assumption,
) -> Option<Plan> {
    let mut stream = Stream::new(seed, BREAKING);
    let breaking = beyond::windows(which, profile, assumed, facts, &mut stream);
    let exactly = |plan: &Plan| assumed.violated_by(plan, facts) == [which];
    let plan = compose(Vec::new(), breaking.clone(), profile, |_| true);
    if plan.windows.len() < breaking.len() || !exactly(&plan) {
        return None;
    }
    let around_it = companions::windows(which, &breaking, assumed, facts);
    let plan = compose(plan.windows, around_it, profile, exactly);
    // What could add to the break would make it more than a little.
    let around = within(seed, profile, assumed, facts)
        .windows
        .into_iter()
        .filter(|window| !beyond::adds_to(which, window.fault.family()))
        .collect();
    Some(compose(plan.windows, around, profile, exactly))
}

/// Everything that is drawn, family by family; nothing in a control.
fn candidates(seed: u64, profile: &Profile) -> Vec<FaultWindow> {
    if Stream::new(seed, WHOLE_PLAN).one_in(16) {
        return Vec::new();
    }
    profile
        .odds
        .iter()
        .flat_map(|odds| {
            let place = Family::ALL
                .iter()
                .position(|(family, _)| *family == odds.family);
            let number = place.and_then(|place| u64::try_from(place + 1).ok());
            let mut stream = Stream::new(seed, number.unwrap_or(WHOLE_PLAN));
            windows::of_family(&mut stream, odds, profile)
        })
        .collect()
}

/// Adds windows one by one, in order of their start, and leaves out those that contradict the others or that
/// `allowed` does not like.
fn compose(
    kept: Vec<FaultWindow>,
    mut more: Vec<FaultWindow>,
    profile: &Profile,
    allowed: impl Fn(&Plan) -> bool,
) -> Plan {
    let hosts = profile.shape.hosts();
    let mut plan = Plan { windows: kept };
    more.sort_by_key(|window| window.start);
    for window in more {
        let at = plan
            .windows
            .partition_point(|other| other.start <= window.start);
        plan.windows.insert(at, window);
        if plan.check(&hosts).is_err() || !allowed(&plan) {
            plan.windows.remove(at);
        }
    }
    plan
}
