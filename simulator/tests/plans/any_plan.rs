//! Any plan that can be carried out in a world of five nodes and three clients.

use std::time::Duration;

use proptest::{collection::vec, prelude::*, sample::subsequence};
use simulator::{
    clock::ClockName,
    plan::{Family, Fault, FaultWindow, Hosts, Links, Plan, Role, Target},
};

pub(crate) fn hosts() -> Hosts {
    Hosts::numbered(5, 3)
}

fn everybody() -> Vec<Target> {
    let hosts = hosts();
    // The store is a role: files call both `store`.
    let named = hosts.nodes.iter().chain(&hosts.clients);
    let named = named.map(|name| Target::Host(name.to_string()));
    let roles = Role::ALL.map(|(role, _)| Target::Role(role));
    named.chain(roles).collect()
}

fn micros() -> impl Strategy<Value = Duration> {
    prop_oneof![1..5_000_u64, (1..10_000_u64).prop_map(|ms| ms * 1_000)]
        .prop_map(Duration::from_micros)
}

fn links() -> impl Strategy<Value = Links> {
    let some = || subsequence(everybody(), 1..4).prop_shuffle();
    (some(), some(), any::<bool>()).prop_map(|(from, to, one_way)| Links { from, to, one_way })
}

fn clocks() -> impl Strategy<Value = Vec<ClockName>> {
    subsequence(ClockName::ALL.to_vec(), 1..=4).prop_shuffle()
}

fn host_fault() -> impl Strategy<Value = Fault> {
    let target = proptest::sample::select(everybody());
    (target, any::<bool>(), 0..11).prop_map(|(target, lose_data, kind)| match kind {
        0 => Fault::Pause { target },
        1 => Fault::Suspend { target },
        2 => Fault::StopMachine { target },
        3 => Fault::Crash { target, lose_data },
        4 => Fault::PowerLoss { target, lose_data },
        5 => Fault::FlushAll { target },
        6 => Fault::ScriptFlush { target },
        7 => Fault::ClientPause { target },
        8 => Fault::ReadOnly { target },
        9 => Fault::Failover {
            target,
            repoint: lose_data,
        },
        _ => Fault::MemoryFull { target },
    })
}

fn clock_fault() -> impl Strategy<Value = Fault> {
    let target = proptest::sample::select(everybody());
    (target, clocks(), any::<i32>(), 0..3).prop_map(|(target, clocks, number, kind)| match kind {
        0 => Fault::ClockStep {
            target,
            clocks,
            by_micros: i64::from(number),
        },
        1 => Fault::ClockDrift {
            target,
            clocks,
            rate_error_ppm: i64::from(number % 1_000_000),
        },
        _ => Fault::ClockFreeze { target, clocks },
    })
}

fn network_fault() -> impl Strategy<Value = Fault> {
    let parts = subsequence(everybody()[..8].to_vec(), 3..8).prop_shuffle();
    (links(), micros(), micros(), 0..=1_000_000_u32, 0..8, parts).prop_map(
        |(links, one, other, loss_ppm, kind, mut parts)| match kind {
            0 => Fault::Hold { links },
            1 => Fault::Cut { links },
            2 => Fault::Slow {
                links,
                extra_min: one.min(other),
                extra_max: one.max(other),
            },
            3 => Fault::Lose { links, loss_ppm },
            4 => Fault::Reset { links },
            5 => Fault::Flap {
                links,
                down: one,
                up: other,
            },
            6 => Fault::Ring { hosts: parts },
            _ => {
                let bridge = parts.split_off(2);
                let right = parts.split_off(1);
                Fault::Bridge {
                    left: parts,
                    right,
                    bridge,
                }
            }
        },
    )
}

fn window() -> impl Strategy<Value = FaultWindow> {
    let fault = prop_oneof![host_fault(), clock_fault(), network_fault()];
    (micros(), proptest::option::of(micros()), fault).prop_map(|(start, duration, fault)| {
        let duration = duration.filter(|_| !fault.family().is_instant());
        FaultWindow {
            start,
            duration,
            fault,
        }
    })
}

/// Plans with up to twelve faults.
pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    vec(window(), 0..12).prop_map(|mut windows| {
        windows.sort_by_key(|window| window.start);
        let mut plan = Plan::default();
        for window in windows {
            plan.windows.push(window);
            if plan.check(&hosts()).is_err() {
                plan.windows.pop();
            }
        }
        plan
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]

    /// The strategy reaches every kind of fault: what is shown with it is shown for all.
    #[test]
    fn it_makes_many_faults(plans in vec(any_plan(), 200)) {
        for (family, name) in Family::ALL {
            let made = |plan: &Plan| plan.windows.iter().any(|window| window.fault.family() == family);
            prop_assert!(plans.iter().any(made), "{name}");
        }
    }
}
