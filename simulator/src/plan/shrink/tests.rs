use std::{cell::Cell, time::Duration};

use proptest::prelude::*;

use super::*;
use crate::plan::{
    Fault,
    draw::{Profile, draw},
};

fn drawn(seed: u64) -> Case {
    let profile = Profile::named("default").unwrap();
    Case {
        plan: draw(seed, &profile),
        nodes: profile.shape.nodes,
        clients: profile.shape.clients,
    }
}

fn parsed(text: &str) -> Case {
    Case {
        plan: Plan::parse("plan.toml", text).unwrap(),
        nodes: 5,
        clients: 3,
    }
}

/// A plan with a lot in it, whose seed is the first after `from`.
fn rich(from: u64) -> Case {
    (from..)
        .map(drawn)
        .find(|case| case.plan.windows.len() > 12)
        .unwrap()
}

fn has(case: &Case, family: Family, at_least: Duration) -> bool {
    case.plan.windows.iter().any(|window| {
        let length = window.duration.unwrap_or_default();
        window.fault.family() == family && length >= at_least
    })
}

#[test]
fn two_causes_among_many_faults_are_found() {
    let second = Duration::from_millis(100);
    let both = |case: &Case| {
        has(case, Family::Pause, second) && has(case, Family::Cut, Duration::from_micros(300))
    };
    let case = (0..).map(drawn).find(both).unwrap();
    let shrunk = shrink(case.clone(), 2_000, both).unwrap();
    assert_eq!(shrunk.end, End::NoWindowCanGo);
    assert_eq!(shrunk.case.plan.windows.len(), 2);
    assert_eq!(
        (shrunk.case.nodes, shrunk.case.clients),
        (0, 0),
        "nobody was needed"
    );
    assert!(shrunk.runs < 200, "{}", shrunk.runs);
    // Halved until one half more would not do, then rounded.
    for window in &shrunk.case.plan.windows {
        let micros = window.duration.unwrap().as_micros();
        let least = match window.fault.family() {
            Family::Pause => 100_000,
            _ => 300,
        };
        assert!((least..2 * least + least / 2).contains(&micros), "{micros}");
        assert_eq!(
            micros.to_string().trim_end_matches('0').len(),
            1,
            "{micros}"
        );
    }
    assert_eq!(shrink(case.clone(), 2_000, both).unwrap(), shrunk);
}

#[test]
fn a_failure_without_faults_has_an_empty_plan() {
    let shrunk = shrink(rich(0), 100, |case| case.nodes >= 3 && case.clients >= 2).unwrap();
    assert_eq!(shrunk.case.plan, Plan::default());
    assert_eq!((shrunk.case.nodes, shrunk.case.clients), (3, 2));
    assert_eq!(shrunk.end, End::NoWindowCanGo);
}

#[test]
fn what_does_not_fail_is_not_shrunk() {
    let runs = Cell::new(0);
    let passes = |_: &Case| {
        runs.set(runs.get() + 1);
        false
    };
    assert_eq!(shrink(rich(0), 100, passes), None);
    assert_eq!(runs.get(), 1);
    assert_eq!(shrink(rich(0), 0, |_| true), None);
}

#[test]
fn hosts_take_the_numbers_of_those_that_went() {
    let text = r#"
        [[fault]]
        kind = "cut"
        from = ["client-3", "client-1"]
        to = ["node-2", "node-5", "store"]
        start_ms = 1234.567
        duration_ms = 8
    "#;
    // The link between the highest client and the highest node is what fails.
    let fails = |case: &Case| {
        let last = format!("node-{}", case.nodes);
        let client = format!("client-{}", case.clients);
        case.nodes >= 3
            && case.clients >= 2
            && case.plan.windows.iter().any(|window| {
                let names: Vec<String> = window
                    .fault
                    .targets()
                    .iter()
                    .flat_map(|(_, targets)| targets.iter().map(ToString::to_string))
                    .collect();
                names.contains(&last) && names.contains(&client)
            })
    };
    let shrunk = shrink(parsed(text), 500, fails).unwrap();
    assert_eq!((shrunk.case.nodes, shrunk.case.clients), (3, 2));
    assert_eq!(
        shrunk.case.plan.to_toml(),
        "[[fault]]\nkind = \"cut\"\nfrom = \"client-2\"\nto = \"node-3\"\nstart_ms = 1000\nduration_ms = 0.001\n"
    );
}

#[test]
fn clocks_sizes_and_disks_get_milder() {
    let text = r#"
        [[fault]]
        kind = "clock_step"
        target = "node-1"
        clocks = ["wall", "raw"]
        by_ms = -777.777
        start_ms = 10

        [[fault]]
        kind = "crash"
        target = "node-2"
        lose_data = true
        start_ms = 20
    "#;
    let fails = |case: &Case| {
        let stepped = case.plan.windows.iter().any(|window| {
            matches!(window.fault, Fault::ClockStep { by_micros, .. } if by_micros <= -100_000)
        });
        stepped && has(case, Family::Crash, Duration::ZERO)
    };
    let shrunk = shrink(parsed(text), 500, fails).unwrap();
    let text = shrunk.case.plan.to_toml();
    assert!(
        text.contains("clocks = [\"raw\"]\nby_ms = -100\n"),
        "{text}"
    );
    assert!(!text.contains("lose_data"), "{text}");
}

#[test]
fn a_spent_budget_is_said_and_never_passed() {
    let fails = |case: &Case| has(case, Family::Pause, Duration::from_millis(10));
    let case = (0..)
        .map(drawn)
        .find(|case| fails(case) && case.plan.windows.len() > 10)
        .unwrap();
    let whole = shrink(case.clone(), 10_000, fails).unwrap();
    for budget in 1..whole.runs {
        let runs = Cell::new(0);
        let counted = |candidate: &Case| {
            runs.set(runs.get() + 1);
            fails(candidate)
        };
        let shrunk = shrink(case.clone(), budget, counted).unwrap();
        assert_eq!(runs.get(), budget);
        assert_eq!((shrunk.runs, shrunk.end), (budget, End::BudgetSpent));
        assert!(fails(&shrunk.case));
    }
    assert_eq!(shrink(case, whole.runs, fails).unwrap(), whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// For failures that need any of several sets of kinds of faults: what is left fails, nothing single in it
    /// can go, and every candidate could be carried out and was run once.
    #[test]
    fn no_single_window_can_go(seed in 0_u64..1_000, sets in proptest::collection::vec(proptest::sample::subsequence(Family::ALL.to_vec(), 1..4), 1..4)) {
        let fails = |case: &Case| {
            let there = |family: &(Family, &str)| has(case, family.0, Duration::ZERO);
            sets.iter().any(|set| set.iter().all(there))
        };
        let case = drawn(seed);
        let mut seen = Vec::new();
        let shrunk = shrink(case.clone(), 5_000, |candidate| {
            assert_eq!(candidate.plan.check(&candidate.hosts()), Ok(()));
            assert!(!seen.contains(candidate));
            seen.push(candidate.clone());
            fails(candidate)
        });
        prop_assert_eq!(shrunk.is_some(), fails(&case));
        if let Some(shrunk) = shrunk {
            prop_assert!(fails(&shrunk.case));
            prop_assert_eq!(shrunk.end, End::NoWindowCanGo);
            prop_assert_eq!(shrunk.runs, seen.len());
            for index in 0..shrunk.case.plan.windows.len() {
                let mut without = shrunk.case.clone();
                without.plan.windows.remove(index);
                prop_assert!(!fails(&without));
            }
        }
    }
}
