//! Once the world has healed, the lock works again.
//!
//! *Definition.* After [`EventKind::Healed`], violated when
//! - nobody acquires a resource within [`crate::truth::Progress::acquire_within_ms`] although somebody tries, counted from the end of the lease
//!   that somebody holds meanwhile;
//! - a client that tries all the time waits longer than [`crate::truth::Progress::wait_at_most_ms`] while others acquire;
//! - or, at any time, a key that a client had set when it crashed is held longer than a TTL after the later of its
//!   set and the heal;
//! - or, at any time, a key is left over: it stands longer than [`crate::truth::Progress::gone_within_ms`] after its owner let go of
//!   it or its attempt failed, and no fault had touched its client or its node.
//!
//! *Source.* Redis, "Distributed Locks", liveness A and B: deadlock freedom by expiry, and fault tolerance; its step 5 and
//! "Retry on failure": a client that failed unlocks all nodes as soon as possible.
//!
//! *Assumes* that clocks stop jumping at the heal, that clients go on trying, and that no more nodes are in quarantine at once
//! than a quorum can do without. Starvation is bounded by chance, not by
//! the protocol: Redlock has no queue. What is said of keys is left out when nobody looked at the nodes.

use std::{collections::BTreeMap, time::Duration};

use super::{Checker, Finding, Verdict, leftover, tell, verdict::Violations};
use crate::{
    history::{EventKind, HostName},
    plan::Promise,
    time::TrueTime,
    truth::{Acquisition, Interval, Tenure, Truth},
};

/// Runs the checker.
pub fn check(truth: &Truth<'_>) -> Finding {
    let mut violations = Violations::default();
    let mut waits = Waits::default();
    let healed = truth
        .history
        .events()
        .iter()
        .find(|event| event.kind == EventKind::Healed)
        .map(|event| event.at);
    crashed_keys(truth, healed, &mut violations);
    leftover::check(truth, &mut violations);
    let unknown = match healed {
        None => Some("the world never healed".to_owned()),
        Some(healed) => {
            let unknown = progress(truth, healed, &mut violations);
            starvation(truth, healed, &mut waits, &mut violations);
            unknown
        }
    };
    let verdict = match unknown {
        Some(reason) if violations.is_empty() => Verdict::Unknown(reason),
        _ => violations.verdict(),
    };
    let longest = u64::try_from(waits.longest.as_millis()).unwrap_or(u64::MAX);
    Finding::new(Checker::Liveness, verdict, &Promise::Progress.rests_on())
        .count("longest_wait_ms", longest)
}

/// Returns why the history does not tell.
fn progress(truth: &Truth<'_>, healed: TrueTime, violations: &mut Violations) -> Option<String> {
    let within = Duration::from_millis(truth.facts.progress.acquire_within_ms);
    let end = truth.history.end();
    let mut tried: BTreeMap<&str, &Acquisition<'_>> = BTreeMap::new();
    for acquisition in &truth.acquisitions {
        if until(truth, acquisition) >= healed {
            tried.entry(acquisition.resource).or_insert(acquisition);
        }
    }
    let mut unknown = tried
        .is_empty()
        .then(|| "nobody tried to acquire after the heal".to_owned());
    for (resource, first) in tried {
        let tried = healed.max(first.invoked.at);
        let leases = || {
            truth
                .leases
                .iter()
                .filter(|lease| lease.resource == resource)
        };
        // Who held it already may keep it, and time counts from the end of that.
        let from = leases().fold(tried, |from, lease| {
            if lease.returned.at < tried && lease.window.contains(from) {
                lease.window.end
            } else {
                from
            }
        });
        let due = from + within;
        if leases().any(|lease| tried <= lease.returned.at && lease.returned.at <= due) {
            continue;
        }
        if end < due {
            unknown.get_or_insert_with(|| {
                format!("the history ends before {resource:?} had to be acquired")
            });
        } else {
            violations.add(due, [first.invoked], || {
                format!(
                    "nobody acquired {resource:?} from {from} to {due}, although all faults were over at {healed} and {} tried",
                    first.client
                )
            });
        }
    }
    unknown
}

#[derive(Default)]
struct Waits {
    longest: Duration,
}

/// A client waits from its first attempt to its first success; it may fail in between, as long as it tries again within
/// a TTL.
fn starvation(truth: &Truth<'_>, healed: TrueTime, waits: &mut Waits, violations: &mut Violations) {
    let mut by_waiter: BTreeMap<(&HostName, &str), Vec<&Acquisition<'_>>> = BTreeMap::new();
    for acquisition in &truth.acquisitions {
        let waiter = (acquisition.client, acquisition.resource);
        by_waiter.entry(waiter).or_default().push(acquisition);
    }
    let bound = Duration::from_millis(truth.facts.progress.wait_at_most_ms);
    for ((client, resource), acquisitions) in by_waiter {
        for wait in stretches(truth, &acquisitions) {
            let wait = Interval::new(wait.start.max(healed), wait.end);
            let length = wait.end.since(wait.start);
            waits.longest = waits.longest.max(length);
            if length <= bound {
                continue;
            }
            let others = truth.leases.iter().filter(|lease| {
                lease.resource == resource
                    && lease.client != client
                    && wait.contains(lease.returned.at)
            });
            let others = others.count();
            if others > 0 {
                violations.add(wait.start + bound, [acquisitions[0].invoked], || {
                    format!(
                        "{client} tried to acquire {resource:?} {wait} without success, while others acquired it {others} times"
                    )
                });
            }
        }
    }
}

/// Until when a client tried: a process that died does not try any more.
fn until(truth: &Truth<'_>, acquisition: &Acquisition<'_>) -> TrueTime {
    let crashes = &truth.hosts.host(acquisition.client).crashes;
    let died = crashes.iter().find(|at| **at >= acquisition.invoked.at);
    let returned = acquisition.returned.map(|event| event.at);
    let ended = returned.or_else(|| died.copied());
    ended.unwrap_or_else(|| truth.history.end())
}

fn stretches(truth: &Truth<'_>, acquisitions: &[&Acquisition<'_>]) -> Vec<Interval> {
    let mut found = Vec::new();
    let mut current: Option<Interval> = None;
    for acquisition in acquisitions {
        let invoked = acquisition.invoked.at;
        let until = until(truth, acquisition);
        let start = match current {
            Some(before) if invoked <= before.end + truth.facts.ttl() => before.start,
            Some(before) => {
                found.push(before);
                invoked
            }
            None => invoked,
        };
        let wait = Interval::new(start, until);
        if acquisition.won || acquisition.returned.is_none() {
            found.push(wait);
            current = None;
        } else {
            current = Some(wait);
        }
    }
    found.extend(current);
    found
}

fn crashed_keys(truth: &Truth<'_>, healed: Option<TrueTime>, violations: &mut Violations) {
    let slow = truth.facts.assumed.node_rate_ppm.clamp(0, 999_999);
    let ttl_ns = u128::from(truth.facts.ttl_ms) * 1_000_000 * 1_000_000;
    // A slow clock keeps a key longer; one millisecond for the expiry's granularity, one for rounding.
    let longest = ttl_ns / (1_000_000 - slow.unsigned_abs() as u128) + 2_000_000;
    let longest = Duration::from_nanos(u64::try_from(longest).unwrap_or(u64::MAX));
    let owned = truth.leases.iter();
    let holders: BTreeMap<_, &str> = owned
        .filter_map(|lease| Some((lease.owner?, &**lease.client)))
        .collect();
    for tenure in truth.keys.tenures() {
        let Some(client) = setter(tenure, &holders) else {
            continue;
        };
        let crashes = &truth.hosts.host(client).crashes;
        let set = tenure.set.at;
        let held_at = |crash: &&TrueTime| tenure.held.iter().any(|held| held.contains(**crash));
        let Some(crash) = crashes.iter().find(held_at) else {
            continue;
        };
        let until = tenure.held.last().map_or(set, |held| held.end);
        let due = set.max(healed.unwrap_or(set)) + longest;
        if until > due {
            violations.add(due, [tenure.set], || {
                let end = match until {
                    TrueTime::MAX => "for ever".to_owned(),
                    until => format!("until {until}"),
                };
                format!(
                    "{client} crashed at {crash}, and {:?} on {} holds its owner token {} {end}, longer than a TTL ({} with slow clocks)",
                    tenure.key,
                    tenure.node,
                    tenure.owner,
                    tell::length(longest),
                )
            });
        }
    }
}

/// The client whose key it is: the one whose command set it, or whose lease it became.
fn setter<'a>(tenure: &Tenure<'a>, holders: &BTreeMap<&str, &'a str>) -> Option<&'a str> {
    match &tenure.set.kind {
        EventKind::Node { by: Some(by), .. } => Some(by),
        _ => holders.get(tenure.owner).copied(),
    }
}
