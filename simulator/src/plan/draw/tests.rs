use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use redlock::Drift;

use super::*;
use crate::redis::Persistence;

const SEEDS: std::ops::Range<u64> = 0..400;

fn profiles() -> Vec<Profile> {
    Profile::NAMES
        .map(|name| Profile::named(name).unwrap())
        .to_vec()
}

fn families(plan: &Plan) -> BTreeSet<Family> {
    let families = plan.windows.iter().map(|window| window.fault.family());
    families.collect()
}

/// Steps allowed on both sides, so that every kind of bound is a number.
fn with_steps() -> Drift {
    Drift {
        client_step: Duration::from_millis(3),
        node_step: Duration::from_millis(5),
        ..Drift::CUSTOMARY
    }
}

#[test]
fn a_seed_is_a_plan_and_another_seed_another() {
    for profile in profiles() {
        for seed in SEEDS.take(20) {
            assert_eq!(draw(seed, &profile), draw(seed, &profile));
        }
        let plans: BTreeSet<String> = SEEDS.map(|seed| draw(seed, &profile).to_toml()).collect();
        assert!(plans.len() > 300, "{}: {}", profile.name, plans.len());
    }
}

#[test]
fn plans_can_be_carried_out_and_survive_their_files() {
    for profile in profiles() {
        let hosts = profile.shape.hosts();
        for seed in SEEDS {
            let plan = draw(seed, &profile);
            assert_eq!(plan.check(&hosts), Ok(()), "{} {seed}", profile.name);
            let text = plan.to_toml();
            assert_eq!(Plan::parse("drawn.toml", &text).unwrap(), plan, "{text}");
            let late = |window: &FaultWindow| window.start >= profile.heal();
            assert!(!plan.windows.iter().any(late));
        }
    }
}

#[test]
fn each_family_is_on_in_half_of_the_plans_and_some_plans_are_controls() {
    for profile in profiles() {
        let mut on: BTreeMap<Family, usize> = BTreeMap::new();
        let mut controls = 0;
        for seed in SEEDS {
            let drawn = families(&draw(seed, &profile));
            controls += usize::from(drawn.is_empty());
            for family in drawn {
                *on.entry(family).or_default() += 1;
            }
        }
        assert!((10..60).contains(&controls), "{}: {controls}", profile.name);
        let allowed: BTreeSet<Family> = profile.odds.iter().map(|odds| odds.family).collect();
        assert_eq!(on.keys().copied().collect::<BTreeSet<_>>(), allowed);
        for (family, count) in on {
            assert!(
                (130..250).contains(&count),
                "{} {family}: {count}",
                profile.name
            );
        }
    }
}

#[test]
fn a_family_less_leaves_the_others_as_they_were() {
    let all = Profile::named("default").unwrap();
    let mut fewer = all.clone();
    let dropped = [Family::Crash, Family::PowerLoss, Family::Hold];
    fewer.odds.retain(|odds| !dropped.contains(&odds.family));
    for seed in SEEDS {
        // Candidates: what is left out for contradicting a crash comes back without the crash.
        let mut expected = candidates(seed, &all);
        expected.retain(|window| !dropped.contains(&window.fault.family()));
        assert_eq!(candidates(seed, &fewer), expected);
    }
}

#[test]
fn within_breaks_nothing_and_still_does_everything_that_is_allowed() {
    for profile in profiles() {
        for drift in [Drift::CUSTOMARY, with_steps()] {
            let facts = profile.facts();
            let assumed = Assumptions::of(&drift, &facts);
            let mut seen = BTreeSet::new();
            let mut windows = 0;
            for seed in SEEDS.take(80) {
                let plan = within(seed, &profile, &assumed, &facts);
                assert_eq!(
                    assumed.violated_by(&plan, &facts),
                    [],
                    "{} {seed}",
                    profile.name
                );
                assert_eq!(plan.check(&profile.shape.hosts()), Ok(()));
                seen.extend(families(&plan));
                windows += plan.windows.len();
            }
            let allowed: BTreeSet<Family> = profile.odds.iter().map(|odds| odds.family).collect();
            assert_eq!(seen, allowed, "{}", profile.name);
            assert!(windows > 80, "{}: {windows}", profile.name);
        }
    }
}

#[test]
fn bounds_are_reached() {
    let profile = Profile::named("clocks").unwrap();
    let facts = profile.facts();
    let assumed = Assumptions::of(&with_steps(), &facts);
    let mut stricter = assumed.clone();
    stricter.node_rate_ppm -= 1;
    stricter.client_rate_ppm -= 1;
    stricter.node_step -= Duration::from_micros(1);
    stricter.client_step -= Duration::from_micros(1);
    let mut broken = BTreeSet::new();
    for seed in SEEDS {
        let plan = within(seed, &profile, &assumed, &facts);
        broken.extend(stricter.violated_by(&plan, &facts));
    }
    let clocks: BTreeSet<Assumption> = [
        Assumption::ClientRate,
        Assumption::ClientStep,
        Assumption::NodeRate,
        Assumption::NodeStep,
    ]
    .into();
    assert_eq!(broken, clocks, "some plans are right at every bound");
}

#[test]
fn just_beyond_breaks_exactly_one_and_by_a_little() {
    for profile in profiles() {
        let facts = profile.facts();
        let mut assumed = Assumptions::of(&with_steps(), &facts);
        assumed.effect_delay = Some(profile.shape.ttl / 10);
        let mut no_guard = facts.clone();
        no_guard.restart_guard = false;
        no_guard.persistence = Persistence::AofAlways;
        for which in Assumption::ALL {
            let facts = match which {
                Assumption::ForgetfulVoters => &no_guard,
                _ => &facts,
            };
            let roomier = a_little_more(&assumed, profile.shape.ttl);
            let mut richer = 0;
            for seed in SEEDS.take(16) {
                let plan = just_beyond(seed, &profile, &assumed, facts, which);
                let plan = plan.unwrap_or_else(|| panic!("{} {seed} {which:?}", profile.name));
                assert_eq!(assumed.violated_by(&plan, facts), [which], "{seed}");
                assert_eq!(
                    roomier.violated_by(&plan, facts),
                    [],
                    "{} {seed} {which:?}",
                    profile.name
                );
                assert_eq!(plan.check(&profile.shape.hosts()), Ok(()));
                richer += usize::from(plan.windows.len() > assumed.quarantined_nodes + 1);
            }
            // Other faults fall around it, where the profile has any that do not add to it.
            let has_others = profile
                .odds
                .iter()
                .any(|odds| !beyond::adds_to(which, odds.family));
            assert!(
                richer > 2 || !has_others || profile.name == "clocks",
                "{} {which:?}: {richer}",
                profile.name
            );
        }
        let guarded = just_beyond(1, &profile, &assumed, &facts, Assumption::ForgetfulVoters);
        assert_eq!(guarded, None, "the guard sees everything that forgets");
        assumed.effect_delay = None;
        let any_delay = just_beyond(1, &profile, &assumed, &facts, Assumption::EffectDelay);
        assert_eq!(any_delay, None);
    }
}

/// Bounds that are wider by no more than what "a little" may be.
fn a_little_more(assumed: &Assumptions, ttl: Duration) -> Assumptions {
    Assumptions {
        client_rate_ppm: assumed.client_rate_ppm + (assumed.client_rate_ppm / 10).max(100),
        client_step: assumed.client_step + ttl / 50,
        node_rate_ppm: assumed.node_rate_ppm + (assumed.node_rate_ppm / 10).max(100),
        node_step: assumed.node_step + ttl / 50,
        forgetful_voters: assumed.forgetful_voters + 1,
        quarantined_nodes: assumed.quarantined_nodes + 1,
        wall_disagreement: assumed.wall_disagreement + ttl / 20 + ttl / 50,
        effect_delay: assumed.effect_delay.map(|delay| delay + ttl / 50),
    }
}
