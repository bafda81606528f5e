//! A run in a few sentences, for people who have never seen a lock of this kind.

use std::fmt::Write as _;

use super::{
    legend::wrap,
    plot::{Plot, fault_names},
};
use crate::{
    checkers::{Checker, Report},
    history::{EventKind, History, Operation, StoreAccess},
    time::TrueTime,
    truth::{Access, Facts, Interval, Lease, Truth, WindowEnd},
};

/// Of what a holder did to the store, so much is told: the first thing and the last ones.
const DEEDS: usize = 4;

/// Tells a run in a paragraph of a few sentences, in lines of at most `width` characters: what the lock is, who held it, what went
/// wrong around that, who took over, what came late, and whether that did harm. With a report, the most serious of its violations is
/// what is told; without one, the closest call. The same history is the same text.
pub fn story(history: &History, facts: &Facts, report: Option<&Report>, width: usize) -> String {
    let truth = Truth::new(history, facts);
    let mut told = vec![lock(&truth)];
    match Plot::of(&truth, report) {
        Some(plot) => plot_told(&truth, &plot, &mut told),
        None => told.push(turns(&truth)),
    }
    told.push(moral(&truth, report));
    let mut text = String::new();
    wrap(&told.join(" "), "", width, &mut text);
    text
}

/// What this is about.
fn lock(truth: &Truth<'_>) -> String {
    let facts = truth.facts;
    let ttl = seconds(TrueTime::from_millis(facts.ttl_ms));
    format!(
        "A lock decides which client may work; a client holds it when {} of {} servers (nodes) have written down its name, and for \
         {ttl} at most, less a little for clocks that are wrong.",
        facts.quorum,
        facts.nodes.len(),
    )
}

fn plot_told(truth: &Truth<'_>, plot: &Plot<'_, '_>, told: &mut Vec<String>) {
    let old = plot.old;
    let mut begins = format!(
        "At {} {} acquired the lock on {:?}",
        seconds(old.returned.at),
        old.client,
        old.resource
    );
    if let Some(work) = work(truth, old, plot.until()) {
        let _ = write!(begins, ", {work}");
    }
    begins += &match old.ended {
        WindowEnd::Released(_) => format!("; it let go at {}.", seconds(old.window.end)),
        WindowEnd::Lost(_) => format!(
            "; it was told at {} that it lost it.",
            seconds(old.window.end)
        ),
        WindowEnd::Deadline(_) => format!(
            "; by its own clock it was its own until {}.",
            seconds(old.window.end)
        ),
        WindowEnd::Crashed => format!("; it died at {}.", seconds(old.window.end)),
        WindowEnd::Open => ".".to_owned(),
    };
    told.push(begins);
    told.extend(trouble(truth, plot));
    told.extend(plot.new.map(|new| takeover(truth, plot, new)));
    told.extend(plot.late.map(|late| late_access(truth, plot, late)));
}

/// What a holder did to the store until `until`: `read 0 and wrote 1`; nothing if it did nothing.
fn work(truth: &Truth<'_>, lease: &Lease<'_>, until: TrueTime) -> Option<String> {
    let own = truth.accesses.iter();
    let own = own.filter(|access| access.lease == lease.id);
    let mut done: Vec<String> = own
        .filter_map(|access| {
            let arrived = access.arrived.filter(|event| event.at < until)?;
            let EventKind::Store { access, .. } = &arrived.kind else {
                return None;
            };
            match access {
                StoreAccess::Read { value, .. } => Some(format!("read {value}")),
                StoreAccess::Written { value, .. } => Some(format!("wrote {value}")),
                StoreAccess::Refused { .. } => None,
            }
        })
        .collect();
    if done.len() > DEEDS {
        done.drain(1..=done.len() - DEEDS);
    }
    let last = done.pop()?;
    Some(match done.as_slice() {
        [] => last,
        before => format!("{} and {last}", before.join(", ")),
    })
}

/// What happened to the holder, and what else went on meanwhile.
fn trouble(truth: &Truth<'_>, plot: &Plot<'_, '_>) -> Option<String> {
    let old = plot.old;
    let during = Interval::new(old.returned.at, plot.until().max(old.window.end));
    let host = truth.hosts.host(old.client);
    let paused = host.paused.as_slice().iter();
    let mut paused = paused.filter(|paused| paused.overlap(&during).is_some());
    if let Some(paused) = paused.next() {
        let mut told = format!(
            "From {} to {} {} was paused: it did nothing at all",
            seconds(paused.start),
            seconds(paused.end),
            old.client
        );
        if paused.contains(old.window.end) && matches!(old.ended, WindowEnd::Deadline(_)) {
            told += ", and could not see its time run out";
        }
        return Some(told + ".");
    }
    let faults = fault_names(truth.history, during);
    match faults.as_slice() {
        [] => None,
        [one] => Some(format!("Meanwhile something went wrong: {one}.")),
        [first, second] => Some(format!("Meanwhile this went wrong: {first}; {second}.")),
        [first, second, more @ ..] => Some(format!(
            "Meanwhile this went wrong: {first}; {second}; and {} more.",
            more.len()
        )),
    }
}

fn takeover(truth: &Truth<'_>, plot: &Plot<'_, '_>, new: &Lease<'_>) -> String {
    let old = plot.old;
    let mut told = format!(
        "At {} {} acquired the lock too",
        seconds(new.returned.at),
        new.client
    );
    if old.window.end <= new.window.start {
        told = format!(
            "At {} {} acquired the lock",
            seconds(new.returned.at),
            new.client
        );
        told += match old.ended {
            WindowEnd::Deadline(_) => ", as it may: the time of the holder before it was over",
            WindowEnd::Crashed => ", as it may: the key of the dead holder had expired",
            _ => ", as it may",
        };
    } else if let Some(both) = old.window.overlap(&new.window) {
        let _ = match both.length() {
            Some(length) => write!(
                told,
                ", although {} still held it: for {} both were sure of it",
                old.client,
                seconds(length.into())
            ),
            None => write!(told, ", although {} still held it", old.client),
        };
    }
    let until = plot.late.map_or(TrueTime::MAX, |late| late.invoked.at);
    if let Some(work) = work(truth, new, until).filter(|_| plot.late.is_some()) {
        let _ = write!(told, "; it {work}");
    }
    told + "."
}

fn late_access(truth: &Truth<'_>, plot: &Plot<'_, '_>, late: &Access<'_>) -> String {
    let old = plot.old;
    let wish = match &late.invoked.kind {
        EventKind::Invoke {
            what: Operation::Write { value, .. },
            ..
        } => format!("to write {value}"),
        _ => "to read".to_owned(),
    };
    let woke = truth.hosts.host(old.client).paused.as_slice();
    let woke = woke.iter().any(|paused| {
        paused.end <= late.invoked.at && late.invoked.at.since(paused.end).as_millis() < 1_000
    });
    let is_sent_late = plot
        .new
        .is_some_and(|new| new.returned.at <= late.invoked.at);
    let mut told = match (is_sent_late, woke) {
        (true, true) => format!(
            "At {} {} woke up, still believed in its lock, and asked the store {wish}",
            seconds(late.invoked.at),
            old.client
        ),
        (true, false) => format!(
            "At {} {} still asked the store {wish}",
            seconds(late.invoked.at),
            old.client
        ),
        (false, _) => format!(
            "What {} had asked the store at {}, {wish}, arrived only later",
            old.client,
            seconds(late.invoked.at)
        ),
    };
    let arrived = late.arrived.map(|event| (&event.kind, event.at));
    match arrived {
        Some((
            EventKind::Store {
                access: StoreAccess::Refused { .. },
                ..
            },
            at,
        )) => {
            let _ = write!(
                told,
                "; the store refused it at {}, because it had met the newer holder: every holder brings a number (its fencing token) \
                 larger than those before",
                seconds(at)
            );
        }
        Some((
            EventKind::Store {
                access: StoreAccess::Written { .. },
                ..
            },
            at,
        )) => {
            let _ = write!(
                told,
                "; the store did it at {}, over what the newer holder had done: that work is lost",
                seconds(at)
            );
        }
        Some((_, at)) => {
            let _ = write!(told, "; the store answered at {}", seconds(at));
        }
        None => told += "; it never arrived",
    }
    told + "."
}

/// A run in which nobody came near anybody else.
fn turns(truth: &Truth<'_>) -> String {
    let clients: std::collections::BTreeSet<_> =
        truth.leases.iter().map(|lease| lease.client).collect();
    let faults = fault_names(truth.history, Interval::ALWAYS).len();
    let faults = match faults {
        0 => "nothing went wrong around them".to_owned(),
        1 => "one fault fell meanwhile".to_owned(),
        several => format!("{several} faults fell meanwhile"),
    };
    match (truth.leases.len(), clients.len()) {
        (0, _) => format!("Nobody ever acquired it; {faults}."),
        (1, _) => format!("It was acquired once; {faults}."),
        (times, 1) => format!("One client acquired it {times} times; {faults}."),
        (times, clients) => {
            format!("{clients} clients took turns, {times} times in all; {faults}.")
        }
    }
}

/// What there is to learn.
fn moral(truth: &Truth<'_>, report: Option<&Report>) -> String {
    let Some(report) = report else {
        return "Nobody has judged this run.".to_owned();
    };
    let worst = Plot::worst(report);
    let Some((checker, evidence)) = worst else {
        let refused = truth
            .accesses
            .iter()
            .any(|access| access.arrived.is_some() && !access.is_applied());
        return if refused {
            "So nothing was harmed: the lock alone cannot stop a client that wakes up late, the store that looks at the numbers can."
        } else {
            "Nothing was violated: no two clients were ever sure of the lock at once, and nothing was written out of order."
        }
        .to_owned();
    };
    let what = match checker {
        Checker::WindowExclusion | Checker::LinearizableMutex => {
            "two clients were sure of the lock at the same time, which it must never allow"
        }
        Checker::BeliefOverlap => {
            "two clients believed in the lock at the same time, and the older one had had its chance to look"
        }
        Checker::ValidityBound => {
            "a client relied on its lock at a time when enough nodes were free to give it to somebody else"
        }
        Checker::EffectOrder => {
            "a former holder's write took effect after a newer holder's, as if there were no lock"
        }
        Checker::Fencing | Checker::FencedMutex => {
            "the numbers that tell newer holders from older ones did not do so"
        }
        Checker::OwnerOnlyRelease => "a client removed or prolonged what was not its own",
        Checker::Liveness => {
            "all was well again, and somebody who wanted the lock did not get it in time"
        }
        Checker::Panics => "the program itself broke",
        Checker::Goals => "what this run is about never happened, so it shows nothing",
    };
    let mut told = format!(
        "This is the violation ({checker}, at {}): {what}.",
        seconds(evidence.at)
    );
    if checker == Checker::Liveness
        || checker == Checker::OwnerOnlyRelease
        || checker == Checker::Goals
    {
        let _ = write!(told, " In detail: {}.", evidence.summary);
    }
    told
}

/// To the millisecond: `16 s`, `9.9 s`, `0.702 s`; what is shorter than that in microseconds.
pub(super) fn seconds(at: TrueTime) -> String {
    let micros = at.as_nanos() / 1_000;
    if micros > 0 && micros < 1_000 {
        return format!("{micros} µs");
    }
    let millis = micros / 1_000;
    let (whole, rest) = (millis / 1_000, millis % 1_000);
    let fraction = format!("{rest:03}");
    match fraction.trim_end_matches('0') {
        "" => format!("{whole} s"),
        digits => format!("{whole}.{digits} s"),
    }
}
