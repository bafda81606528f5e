//! Cases with less in them.

use super::Case;
use crate::plan::{Fault, FaultWindow, Target};

/// The same windows with one changed.
pub(super) fn with_window(case: &Case, index: usize, window: FaultWindow) -> Case {
    let mut changed = case.clone();
    changed.plan.windows[index] = window;
    // Stable, so that of those that begin together the order stays.
    changed.plan.windows.sort_by_key(|window| window.start);
    changed
}

/// One name less in one list.
pub(super) fn without_a_name(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for (index, window) in case.plan.windows.iter().enumerate() {
        let lists = window.fault.targets().len();
        for list in 0..lists {
            let mut copy = window.clone();
            let names = copy.fault.target_lists_mut().len();
            if list >= names {
                continue;
            }
            let count = copy.fault.target_lists_mut()[list].len();
            for name in (0..count).rev().filter(|_| count > 1) {
                let mut copy = window.clone();
                copy.fault.target_lists_mut()[list].remove(name);
                found.push(with_window(case, index, copy));
            }
        }
    }
    found
}

/// Data that is kept, and clocks that are left alone.
pub(super) fn milder(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    for (index, window) in case.plan.windows.iter().enumerate() {
        let mut milder = window.clone();
        match &mut milder.fault {
            Fault::Crash { lose_data, .. } | Fault::PowerLoss { lose_data, .. } => {
                *lose_data = false;
                found.push(with_window(case, index, milder));
            }
            Fault::ClockStep { clocks, .. }
            | Fault::ClockDrift { clocks, .. }
            | Fault::ClockFreeze { clocks, .. } => {
                let all = clocks.clone();
                for clock in &all {
                    let mut fewer = window.clone();
                    if let Fault::ClockStep { clocks, .. }
                    | Fault::ClockDrift { clocks, .. }
                    | Fault::ClockFreeze { clocks, .. } = &mut fewer.fault
                    {
                        clocks.retain(|name| name != clock);
                    }
                    found.push(with_window(case, index, fewer));
                }
            }
            _ => {}
        }
    }
    found
}

/// Without `client-<number>`; those with higher numbers take the numbers below theirs.
pub(super) fn without_client(case: &Case, number: usize) -> Case {
    let mut fewer = without(case, "client", number);
    fewer.clients = case.clients.saturating_sub(1);
    fewer
}

/// Without `node-<number>`; those with higher numbers take the numbers below theirs.
pub(super) fn without_node(case: &Case, number: usize) -> Case {
    let mut fewer = without(case, "node", number);
    fewer.nodes = case.nodes.saturating_sub(1);
    fewer
}

fn without(case: &Case, kind: &str, number: usize) -> Case {
    let mut fewer = case.clone();
    let rename = |target: &Target| renamed(target, kind, number);
    fewer.plan.windows.retain_mut(|window| {
        if let Some(target) = window.fault.target_mut() {
            return rename(target).is_some_and(|name| {
                *target = name;
                true
            });
        }
        window.fault.target_lists_mut().into_iter().all(|list| {
            *list = list.iter().filter_map(rename).collect();
            !list.is_empty()
        })
    });
    fewer
}

/// What the target is called without one host; `None` when it is that host.
fn renamed(target: &Target, kind: &str, gone: usize) -> Option<Target> {
    let Target::Host(name) = target else {
        return Some(target.clone());
    };
    let number = name
        .strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|digits| digits.parse::<usize>().ok());
    match number {
        Some(number) if number == gone => None,
        Some(number) if number > gone => Some(Target::Host(format!("{kind}-{}", number - 1))),
        _ => Some(target.clone()),
    }
}
