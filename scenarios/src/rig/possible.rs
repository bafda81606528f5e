//! What cannot be made live, and what is made only nearly.

use std::collections::BTreeSet;

use redlock_testkit::Binary;
use simulator::{
    clock::ClockName,
    plan::{Fault, Target},
    redis::{ExpiryRule, Persistence, Version},
    world::{ClockErrors, Replay},
};

use super::options::Options;

/// Every fault and setting of a case that cannot be made live, each with its reason; empty when the case can be performed.
/// Decided from the case and from what is installed, before anything is started.
///
/// Two things are taken for made that are not: on a node, raw and boot clocks may be anything, because redis-server reads
/// neither; and a node that is suspended is stopped, because it reads CLOCK_MONOTONIC for timers only.
pub fn not_possible(case: &Replay, options: &Options) -> Vec<String> {
    let mut reasons = settings(case, options);
    for (number, window) in case.plan.windows.iter().enumerate() {
        let why = fault(case, &window.fault, options);
        reasons.extend(why.map(|why| format!("fault {number} ({window}): {why}")));
    }
    reasons
}

/// What is made only nearly, or left out although nothing is wrong without it.
pub(super) fn left_out(case: &Replay) -> Vec<String> {
    let mut notes = Vec::new();
    let ClockErrors {
        rate_error_ppm,
        wall_offset_us,
        ..
    } = case.config.clocks;
    let errs = rate_error_ppm > 0 || wall_offset_us > 0;
    if errs && !needs_faketime(case) {
        notes.push(format!(
            "the clocks of nodes are the machine's: they are not up to {rate_error_ppm} ppm and {wall_offset_us} µs wrong"
        ));
    }
    if needs_faketime(case) && runs_7(case) {
        notes.push("the nodes run Redis 6.2, whose clocks can be faulted".to_owned());
    }
    notes
}

/// Whether the second node is a replica of the first.
pub(super) fn has_replica(case: &Replay) -> bool {
    let single = case.config.single.as_ref();
    single.is_some_and(|single| single.replica)
}

const fn runs_7(case: &Replay) -> bool {
    case.config.server.version.0 >= 7
}

/// Whether the wall clock of a node is to be wrong.
pub(super) fn needs_faketime(case: &Replay) -> bool {
    let mut windows = case.plan.windows.iter();
    windows.any(|window| match &window.fault {
        Fault::ClockStep { target, clocks, .. }
        | Fault::ClockDrift { target, clocks, .. }
        | Fault::ClockFreeze { target, clocks } => {
            clocks.contains(&ClockName::Wall) && may_hit_a_node(case, target)
        }
        Fault::StopMachine { target } => may_hit_a_node(case, target),
        _ => false,
    })
}

/// Whether the nodes run the oldest version.
pub(super) fn needs_6_2(case: &Replay) -> bool {
    needs_faketime(case) || !runs_7(case)
}

fn may_hit_a_node(case: &Replay, target: &Target) -> bool {
    let hosts = case.config.hosts();
    let possibly = hosts.possibly(target);
    possibly.iter().any(|host| hosts.nodes.contains(host))
}

fn settings(case: &Replay, options: &Options) -> Vec<String> {
    let server = &case.config.server;
    let mut reasons = Vec::new();
    let mut refuse = |why: &str| reasons.push(format!("the server's settings: {why}"));
    if server.maxmemory > 0 {
        refuse("maxmemory: a real server's memory is not the simulated one's estimate");
    }
    if server.replica || server.attached_replicas > 0 {
        refuse("replica: every server of a live run is a master without replicas");
    }
    if needs_6_2(case) {
        if options.redis_6_2.is_none() {
            refuse("no redis-server 6.2 was found: run scripts/test once, or set REDIS_SERVER_6_2");
        }
        // Its access lists know no subcommands that are denied.
        if server.denied_commands.iter().any(|name| name.contains('|')) {
            refuse("denied_commands: Redis 6.2 cannot deny a subcommand");
        }
    }
    let is_old = needs_6_2(case)
        || Binary::System
            .version()
            .is_ok_and(|version| version < (8, 0));
    if is_old != (server.expiry == ExpiryRule::After) {
        refuse("expiry: the installed server has the other rule");
    }
    if server.version < Version::V6_2 {
        refuse("version: nothing older than Redis 6.2 can be run");
    }
    if needs_faketime(case) && options.faketime.is_none() {
        refuse(
            "no libfaketime was found to fault clocks of nodes with: install `faketime`, or set REDLOCK_LIBFAKETIME",
        );
    }
    reasons
}

fn fault(case: &Replay, fault: &Fault, _options: &Options) -> Option<String> {
    let clocks = match fault {
        Fault::PowerLoss { target, lose_data } => {
            let keeps = case.config.server.persistence == Persistence::AofEverysec;
            return (keeps && !lose_data && may_hit_a_node(case, target)).then(|| {
                "what the disk had not got yet is lost with a machine's power, and a process that is killed on a machine that stays up loses nothing; only with lose_data, or another persistence".to_owned()
            });
        }
        Fault::ReadOnly { .. } if has_replica(case) => {
            return Some("a real server that is made to refuse writes is a replica, and would follow nobody it should".to_owned());
        }
        Fault::ClockStep { target, clocks, .. }
        | Fault::ClockDrift { target, clocks, .. }
        | Fault::ClockFreeze { target, clocks }
            if may_hit_a_node(case, target) =>
        {
            clocks
        }
        _ => return None,
    };
    let clocks: BTreeSet<ClockName> = clocks.iter().copied().collect();
    clocks.contains(&ClockName::Monotonic).then(|| {
        "the monotonic clock of a real server cannot be faulted: its timers stand on it, and faketime would stop them".to_owned()
    })
}
