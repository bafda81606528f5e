//! What checkers rest on, and whether a run kept to it.
//!
//! A checker judges the history as it is; the run may have gone beyond what the contender promises. What it broke
//! is named in the evidence, so that a violation within the assumptions (a bug) and one beyond them (a limit) look different.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    clock::{ClockMap, ClockName},
    history::{EventKind, NodeChange, Removal},
    time::TrueTime,
    truth::{Host, Interval, Truth},
};

/// Something that a promise of exclusion stands on (Redlock's assumptions A1 and A2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assumption {
    /// At every time, at least one of the clocks that a client looks at is not slower and was not stepped back further
    /// than [`crate::truth::ClockBounds`] allows.
    ClientClocks,
    /// The wall clock of no node runs faster, or is stepped forward further, than the same bounds allow.
    NodeClocks,
    /// A node that votes remembers every key that has not expired.
    NodeMemory,
}

impl Assumption {
    /// All that exclusion rests on.
    pub const EXCLUSION: [Self; 3] = [Self::ClientClocks, Self::NodeClocks, Self::NodeMemory];
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientClocks => "clients' clocks",
            Self::NodeClocks => "nodes' clocks",
            Self::NodeMemory => "nodes' memory",
        })
    }
}

/// Which of `assumptions` the run broke up to `until`, in sentences.
pub(super) fn broken(
    truth: &Truth<'_>,
    assumptions: &[Assumption],
    until: TrueTime,
) -> Vec<String> {
    let mut found = Vec::new();
    for assumption in assumptions {
        match assumption {
            Assumption::ClientClocks => client_clocks(truth, until, &mut found),
            Assumption::NodeClocks => node_clocks(truth, until, &mut found),
            Assumption::NodeMemory => node_memory(truth, until, &mut found),
        }
    }
    found
}

/// The changes of a clock up to `until`: when, how far it was stepped, and its rate error from then on.
fn changes(clock: &ClockMap, until: TrueTime) -> impl Iterator<Item = (TrueTime, i64, i64)> {
    let segments = clock.segments();
    let steps = (0..segments.len()).map(move |index| {
        let step = match index.checked_sub(1) {
            None => 0,
            // What the segment before would show here: the map without this change.
            Some(before) => {
                let before = segments[before];
                let passed = segments[index].from.since(before.from).as_nanos();
                let rate = 1_000_000 + i128::from(before.rate_error_ppm);
                let passed = i128::try_from(passed).unwrap_or(i128::MAX) * rate / 1_000_000;
                let step = i128::from(segments[index].local) - i128::from(before.local) - passed;
                i64::try_from(step).unwrap_or(i64::MAX)
            }
        };
        let segment = segments[index];
        // A change of rate rounds what the clock shows.
        let step = if step.abs() <= 1 { 0 } else { step };
        (segment.from, step, segment.rate_error_ppm)
    });
    steps.take_while(move |(from, _, _)| *from <= until)
}

fn node_clocks(truth: &Truth<'_>, until: TrueTime, found: &mut Vec<String>) {
    let bounds = truth.facts.clocks;
    for node in &truth.facts.nodes {
        let Some(wall) = truth.hosts.host(node).clock(ClockName::Wall) else {
            continue;
        };
        let steps: Vec<_> = changes(wall, until).collect();
        for (at, _, rate) in &steps {
            if *rate > bounds.node_fast_ppm {
                found.push(format!(
                    "{node}'s wall clock ran {rate} ppm fast from {at} on, {} ppm are allowed",
                    bounds.node_fast_ppm
                ));
                break;
            }
        }
        // Steps within one TTL add up.
        let stepped = |end: TrueTime| {
            let start = end
                .as_nanos()
                .saturating_sub(truth.facts.ttl_ms * 1_000_000);
            let within = steps
                .iter()
                .filter(|(at, _, _)| at.as_nanos() > start && *at <= end);
            within
                .map(|(_, step, _)| u64::try_from(*step).unwrap_or(0))
                .fold(0, u64::saturating_add)
        };
        let far = steps
            .iter()
            .find(|(at, _, _)| stepped(*at) > bounds.node_step_ns);
        if let Some((at, _, _)) = far {
            found.push(format!(
                "{node}'s wall clock was stepped forward by {} ms at {at}, {} ms per TTL are allowed",
                stepped(*at) / 1_000_000,
                bounds.node_step_ns / 1_000_000
            ));
        }
    }
}

/// A client is as good as the best of its clocks: it breaks the assumption when each of them failed at some time.
fn client_clocks(truth: &Truth<'_>, until: TrueTime, found: &mut Vec<String>) {
    let bounds = truth.facts.clocks;
    for (name, used) in clocks_in_use(truth) {
        let host = truth.hosts.host(name);
        let failed: Vec<_> = used
            .iter()
            .map(|clock| slow_from(host, *clock, until, &bounds))
            .collect();
        // The last to fail is the one that breaks it.
        if let Some(Some(at)) = failed
            .iter()
            .copied()
            .max_by_key(|at| at.unwrap_or_default())
            && failed.iter().all(Option::is_some)
        {
            found.push(format!(
                "every clock that {name} looks at ran more than {} ppm slow or was set back, the last from {at} on",
                bounds.client_slow_ppm
            ));
        }
    }
}

fn slow_from(
    host: &Host,
    clock: ClockName,
    until: TrueTime,
    bounds: &crate::truth::ClockBounds,
) -> Option<TrueTime> {
    let allowed = i64::try_from(bounds.client_step_ns).unwrap_or(i64::MAX);
    let mut found = changes(host.clock(clock)?, until);
    found
        .find(|(_, step, rate)| *rate < -bounds.client_slow_ppm || *step < -allowed)
        .map(|(at, _, _)| at)
}

/// By client, the clocks that its deadlines name.
fn clocks_in_use<'h>(truth: &Truth<'h>) -> std::collections::BTreeMap<&'h str, Vec<ClockName>> {
    let mut found = std::collections::BTreeMap::new();
    for event in truth.history.events() {
        if let EventKind::Deadline { ends, .. } = &event.kind {
            let used: &mut Vec<_> = found.entry(&*event.host).or_default();
            for (clock, _) in &ends.since_ns {
                if !used.contains(clock) {
                    used.push(*clock);
                }
            }
        }
    }
    found
}

/// A key that went away before its time breaks the assumption if the node voted again before that time.
fn node_memory(truth: &Truth<'_>, until: TrueTime, found: &mut Vec<String>) {
    let mut told = std::collections::BTreeSet::new();
    let mut holding = std::collections::BTreeMap::new();
    for event in truth.history.events() {
        if event.at > until {
            break;
        }
        let node: &str = &event.host;
        match &event.kind {
            EventKind::Node {
                change:
                    NodeChange::Set {
                        key,
                        owner,
                        expires_wall_ms,
                    },
                ..
            } => {
                holding.insert((node, key.as_str()), (owner, *expires_wall_ms));
            }
            EventKind::Node {
                change: NodeChange::Removed { key, why, .. },
                ..
            } => {
                let how = match why {
                    Removal::Evicted => "evicted",
                    Removal::Flushed => "flushed",
                    Removal::Lost => "lost in a restart",
                    _ => continue,
                };
                let Some((_, expires)) = holding.remove(&(node, key.as_str())) else {
                    continue;
                };
                if forgot(truth, node, event.at, expires) && told.insert(node) {
                    found.push(format!(
                        "a key on {node} was {how} at {} before its time, and the node votes before that time is over",
                        event.at
                    ));
                }
            }
            EventKind::Crashed {
                data_lost: true, ..
            } => {
                let keys: Vec<_> = holding
                    .iter()
                    .filter(|((at, _), _)| *at == node)
                    .map(|(place, (_, expires))| (*place, *expires))
                    .collect();
                for (place, expires) in keys {
                    holding.remove(&place);
                    if forgot(truth, node, event.at, expires) && told.insert(node) {
                        found.push(format!(
                            "{node} lost its disk at {} with a key on it, and votes before that key's time is over",
                            event.at
                        ));
                    }
                }
            }
            _ => {}
        }
    }
}

/// Whether a node that lost a key at `at` votes again before the key would have expired.
fn forgot(truth: &Truth<'_>, node: &str, at: TrueTime, expires: Option<i64>) -> bool {
    let host = truth.hosts.host(node);
    let due = match expires {
        None => TrueTime::MAX,
        Some(when) => {
            let local = truth.facts.expiry.gone_from(when);
            match host.clock(ClockName::Wall) {
                Some(wall) => wall.first_reaching(at, local).unwrap_or(TrueTime::MAX),
                None => TrueTime::from_nanos(u64::try_from(local).unwrap_or_default()),
            }
        }
    };
    let lived = Interval::new(at, due);
    !lived.is_empty() && host.voteless.end_from(at) < due
}
