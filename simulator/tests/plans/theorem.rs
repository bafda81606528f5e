//! The judgement of plans against what it is about: theorem 1, with the clocks that the plan makes, the validity
//! that the shipped client computes, and the worst schedule there is: no latency at all.
//!
//! A client reads `t1`, and in the same instant a node sets the key. The window must have ended when the key expires.

use std::{collections::BTreeMap, time::Duration};

use redlock::{Drift, Ppm};
use simulator::{
    TrueTime,
    clock::{ClockName, Clocks, Disturbance},
    history::HostName,
    plan::{
        Assumption, Assumptions, ClockFault, ClusterFacts, EdgeKind, Plan, ProcessFault,
        ResolvedFault, Role,
        draw::{Profile, draw, just_beyond, within},
        resolve,
    },
};

const WALL: i64 = 1_700_000_000_000_000_000;

/// Clocks round down to the nanosecond, three of them here.
const ROUNDING: Duration = Duration::from_nanos(3);

/// Nothing to spare: V is exactly what the theorem allows.
fn tight_drift(steps: bool) -> Drift {
    Drift {
        client_rate: Ppm(1_000),
        node_rate: Ppm(2_000),
        client_step: Duration::from_micros(if steps { 300 } else { 0 }),
        node_step: Duration::from_micros(if steps { 500 } else { 0 }),
        ..Drift::NONE
    }
}

/// The clocks of every host under a plan; roles that change are played by whoever `dice` says.
fn clocks(plan: &Plan, facts: &ClusterFacts, dice: usize) -> BTreeMap<HostName, Clocks> {
    let fresh = || Clocks::new(WALL, Duration::ZERO, 0);
    let mut all: BTreeMap<HostName, Clocks> = facts
        .hosts
        .all()
        .map(|host| (host.clone(), fresh()))
        .collect();
    let playing = |role: Role| {
        facts.hosts.playing(role).unwrap_or_else(|| {
            let possible = facts.hosts.possibly(&role.into());
            let first = dice % possible.len();
            let count = if role == Role::QuorumOfHolder { 3 } else { 1 };
            possible
                .into_iter()
                .cycle()
                .skip(first)
                .take(count)
                .collect()
        })
    };
    for edge in plan.edges(facts.heal) {
        let resolved = resolve(&plan.windows[edge.window].fault, &playing);
        let frozen = Some(Disturbance::Freeze);
        let (names, disturbance) = match &resolved {
            ResolvedFault::Clocks { clocks, fault, .. } => match fault {
                ClockFault::Step { by_micros } => {
                    for host in resolved.hosts() {
                        for clock in clocks {
                            let clocks = all.get_mut(&host).unwrap();
                            clocks.step(*clock, edge.at, by_micros * 1_000);
                        }
                    }
                    continue;
                }
                ClockFault::Drift { rate_error_ppm } => {
                    (clocks.clone(), Some(Disturbance::Drift(*rate_error_ppm)))
                }
                ClockFault::Freeze => (clocks.clone(), frozen),
            },
            ResolvedFault::Process { fault, .. } => match fault {
                ProcessFault::Suspend => (vec![ClockName::Monotonic, ClockName::Raw], frozen),
                ProcessFault::StopMachine => (ClockName::ALL.to_vec(), frozen),
                _ => continue,
            },
            _ => continue,
        };
        for host in resolved.hosts() {
            for clock in &names {
                let clocks = all.get_mut(&host).unwrap();
                match edge.kind {
                    EdgeKind::Begin => clocks.disturb(*clock, edge.at, disturbance.unwrap()),
                    _ => clocks.calm(*clock, edge.at, disturbance.unwrap()),
                }
            }
        }
    }
    all
}

/// When a clock will have counted `length` since `from`.
fn counted(clocks: &Clocks, clock: ClockName, from: TrueTime, length: Duration) -> TrueTime {
    let map = clocks.map(clock);
    let until = map.at(from) + i64::try_from(length.as_nanos()).unwrap();
    map.first_reaching(from, until).unwrap_or(TrueTime::MAX)
}

/// By how much a window outlives its key at worst; zero if it never does.
fn worst(plan: &Plan, facts: &ClusterFacts, drift: &Drift, dice: usize) -> Duration {
    let all = clocks(plan, facts, dice);
    let validity = drift.validity(facts.max_ttl);
    // Where things change, and a while before that.
    let mut starts = vec![TrueTime::ZERO];
    for edge in plan.edges(facts.heal) {
        for share in [0, 1, 250, 500, 750, 999] {
            let before = (facts.max_ttl * share / 1_000).as_nanos();
            let before = u64::try_from(before).unwrap() + u64::from(share > 0);
            starts.push(TrueTime::from_nanos(
                edge.at.as_nanos().saturating_sub(before),
            ));
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let mut worst = Duration::ZERO;
    for start in starts {
        let expiry = facts.hosts.nodes.iter().map(|node| {
            let ttl = facts.max_ttl - drift.expiry_granularity;
            counted(&all[node], ClockName::Wall, start, ttl)
        });
        let expiry = expiry.min().unwrap();
        for client in &facts.hosts.clients {
            let ends = [ClockName::Boot, ClockName::Raw, ClockName::Wall]
                .map(|clock| counted(&all[client], clock, start, validity));
            let end = ends.into_iter().min().unwrap();
            worst = worst.max(end.since(expiry));
        }
    }
    worst
}

#[test]
fn within_the_assumptions_no_window_outlives_its_key() {
    for name in ["clocks", "default", "tight"] {
        let profile = Profile::named(name).unwrap();
        let facts = profile.facts();
        for drift in [Drift::CUSTOMARY, tight_drift(false), tight_drift(true)] {
            let assumed = Assumptions::of(&drift, &facts);
            for seed in 0..30 {
                let plan = within(seed, &profile, &assumed, &facts);
                for dice in 0..2 {
                    let outlived = worst(&plan, &facts, &drift, dice);
                    assert!(
                        outlived <= ROUNDING,
                        "{name} {seed} {dice}: {outlived:?}\n{}",
                        plan.to_toml()
                    );
                }
            }
        }
    }
}

/// Plans that are drawn without a look at the assumptions: whenever one lets a window outlive its key, the
/// judgement names an assumption on which exclusion rests.
#[test]
fn whatever_breaks_exclusion_is_named() {
    let profile = Profile::named("clocks").unwrap();
    let facts = profile.facts();
    let drift = tight_drift(true);
    let assumed = Assumptions::of(&drift, &facts);
    let mut broken = 0;
    for seed in 0..200 {
        let plan = draw(seed, &profile);
        let outlived = worst(&plan, &facts, &drift, 0);
        if outlived > ROUNDING {
            broken += 1;
            assert_ne!(
                assumed.violated_by(&plan, &facts),
                [],
                "{seed}: {outlived:?}"
            );
        }
    }
    assert!(broken > 50, "{broken}: otherwise this shows little");
}

#[test]
fn just_beyond_one_bound_a_window_does_outlive_its_key() {
    for name in ["clocks", "tight"] {
        let profile = Profile::named(name).unwrap();
        let facts = profile.facts();
        let drift = tight_drift(true);
        let assumed = Assumptions::of(&drift, &facts);
        for which in [
            Assumption::ClientRate,
            Assumption::ClientStep,
            Assumption::NodeRate,
            Assumption::NodeStep,
        ] {
            for seed in 0..40 {
                let plan = just_beyond(seed, &profile, &assumed, &facts, which).unwrap();
                let outlived = worst(&plan, &facts, &drift, 0);
                assert!(
                    outlived > ROUNDING,
                    "{name} {which:?} {seed}: {outlived:?}\n{}",
                    plan.to_toml()
                );
                let a_little = facts.max_ttl / 50 + facts.max_ttl / 1_000;
                assert!(outlived < a_little, "{name} {which:?} {seed}: {outlived:?}");
            }
        }
    }
}
