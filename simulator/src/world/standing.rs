//! What is not whole in a world at an instant, for people who ask why nothing goes on.

use std::fmt::Write as _;

use crate::{clock::ClockName, nemesis::Victims, time::TrueTime};

/// Frozen: it gains −1,000,000 microseconds per second.
const FROZEN: i64 = -1_000_000;

/// Who waits for what and who holds what; then hosts that are down or paused, clocks that stand still, nodes that do
/// not vote, and links that nothing crosses. A line each.
pub(super) fn explain(victims: &Victims, at: TrueTime) -> String {
    let mut text = victims.activity.explain();
    let mut say = |line: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}");
    };
    for (name, host) in &victims.hosts {
        if !host.is_up() {
            say(format_args!("{name} is down"));
        } else if host.is_paused() {
            say(format_args!("{name} is paused"));
        }
        for clock in ClockName::ALL {
            if host.clocks(|clocks| clocks.map(clock).rate_error_at(at)) == FROZEN {
                say(format_args!("the {clock:?} clock of {name} stands still"));
            }
        }
        if victims.nodes.get(name).is_some_and(|node| !node.votes()) {
            say(format_args!("{name} does not vote"));
        }
    }
    for (from, one) in &victims.hosts {
        for (to, other) in &victims.hosts {
            if victims.network.is_blocked(at, one.id(), other.id()) {
                say(format_args!("nothing crosses from {from} to {to}"));
            }
        }
    }
    text
}
