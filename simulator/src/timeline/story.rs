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

/// Tells a run in three short paragraphs, in lines of at most `width` characters: what the lock is; who held it, what went wrong
/// around that, who took over and what came late; and whether that did harm. With a report, the gravest of its violations is what is
/// told; without one, the closest call. The same history is the same text.
pub fn story(history: &History, facts: &Facts, report: Option<&Report>, width: usize) -> String {
    let truth = Truth::new(history, facts);
    let told = match Plot::of(&truth, report) {
        Some(plot) => plot_told(&truth, &plot),
        None => turns(&truth),
    };
    let mut text = String::new();
    for paragraph in [lock(&truth), told, moral(&truth, report)] {
        wrap(&paragraph, "", width, &mut text);
    }
    text
}

/// What this is about.
fn lock(truth: &Truth<'_>) -> String {
    let facts = truth.facts;
    let ttl = seconds(TrueTime::from_millis(facts.ttl_ms));
    let written = match (facts.quorum, facts.nodes.len()) {
        (1, 1) => "the server (a node) has written down its name".to_owned(),
        (1, several) => format!("one of {several} servers (nodes) has written down its name"),
        (quorum, several) => {
            format!("{quorum} of {several} servers (nodes) have written down its name")
        }
    };
    format!(
        "A lock decides which client may work; a client holds it when {written}, and for {ttl} at most, less a little for clocks that \
         are wrong."
    )
}

fn plot_told(truth: &Truth<'_>, plot: &Plot<'_, '_>) -> String {
    let mut told = vec![holder(truth, plot)];
    told.extend(faults(truth, plot));
    told.extend(plot.new.map(|new| takeover(truth, plot, new)));
    told.extend(plot.late.map(|late| late_access(truth, plot, late)));
    told.join(" ")
}

/// Who held the lock, until when, and whether it slept meanwhile.
fn holder(truth: &Truth<'_>, plot: &Plot<'_, '_>) -> String {
    let old = plot.old;
    let (begun, ended) = (seconds(old.returned.at), seconds(old.window.end));
    let mut told = format!(
        "At {begun} {} acquired the lock on {:?}",
        old.client, old.resource
    );
    if let Some(work) = work(truth, old, plot.until()) {
        let _ = write!(told, ", {work}");
    }
    told += &match old.ended {
        WindowEnd::Released(_) => format!(", and gave it back at {ended}"),
        WindowEnd::Lost(_) => format!(", and was told at {ended} that it had lost it"),
        WindowEnd::Deadline(_) => format!(", and could count on it until {ended} by its own clock"),
        WindowEnd::Crashed => format!(", and died at {ended}"),
        WindowEnd::Open => String::new(),
    };
    let Some(paused) = pause(truth, plot) else {
        return told + ".";
    };
    let _ = write!(
        told,
        "; but from {} to {} it was paused, as a program on a stalled machine is",
        seconds(paused.start),
        seconds(paused.end)
    );
    if paused.contains(old.window.end) && matches!(old.ended, WindowEnd::Deadline(_)) {
        told += ", and did not see its time run out";
    }
    told + "."
}

/// When the holder did not run, until the one after it came.
fn pause(truth: &Truth<'_>, plot: &Plot<'_, '_>) -> Option<Interval> {
    let during = Interval::new(plot.old.returned.at, plot.until().max(plot.old.window.end));
    let paused = truth.hosts.host(plot.old.client).paused.as_slice();
    let mut paused = paused.iter();
    paused
        .find(|paused| paused.overlap(&during).is_some())
        .copied()
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

/// What else went wrong, when the holder was not simply asleep.
fn faults(truth: &Truth<'_>, plot: &Plot<'_, '_>) -> Option<String> {
    if pause(truth, plot).is_some() {
        return None;
    }
    let during = Interval::new(plot.old.returned.at, plot.until().max(plot.old.window.end));
    let faults = fault_names(truth.history, during);
    let what = match faults.as_slice() {
        [] => return None,
        [one] => one.clone(),
        [first, second] => format!("{first}; {second}"),
        [first, second, more @ ..] => format!("{first}; {second}; and {} more", more.len()),
    };
    Some(format!("These faults fell meanwhile: {what}."))
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
                "; the store did it at {}{}",
                seconds(at),
                if loses(truth, plot, late) {
                    ", over what the newer holder had written, which is lost"
                } else {
                    ", although a newer holder had come"
                }
            );
        }
        Some((_, at)) => {
            let _ = write!(told, "; the store answered at {}", seconds(at));
        }
        None => told += "; it never arrived",
    }
    told + "."
}

/// Whether a late write of the old holder was computed from what it had read before the newer one wrote.
fn loses(truth: &Truth<'_>, plot: &Plot<'_, '_>, late: &Access<'_>) -> bool {
    let arrived = |access: &Access<'_>| access.arrived.map(|event| event.at);
    let of = |lease: &Lease<'_>, writes| {
        let id = lease.id.clone();
        let all = truth
            .accesses
            .iter()
            .filter(move |access| access.lease == &id);
        all.filter(move |access| access.writes == writes && access.is_applied())
            .filter_map(arrived)
            .filter(|at| arrived(late).is_some_and(|late| *at < late))
            .collect::<Vec<_>>()
    };
    let wrote = plot.new.and_then(|new| of(new, true).into_iter().max());
    let read = of(plot.old, false).into_iter().max();
    wrote.is_some_and(|wrote| read.is_none_or(|read| read < wrote))
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
            "Nothing was harmed: a lock alone cannot stop a client that comes late, but a store that compares the numbers can."
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
    let mut told = format!("Violated at {} ({checker}): {what}.", seconds(evidence.at));
    if checker == Checker::Liveness
        || checker == Checker::OwnerOnlyRelease
        || checker == Checker::Goals
    {
        let _ = write!(told, " In detail: {}.", evidence.summary);
    }
    told
}

/// To the millisecond: `16 s`, `9.9 s`, `702 ms`; what is shorter than that in microseconds.
fn seconds(at: TrueTime) -> String {
    let micros = at.as_nanos() / 1_000;
    let (millis, whole) = (micros / 1_000, micros / 1_000_000);
    match (whole, millis) {
        (0, 0) => format!("{micros} µs"),
        (0, millis) => format!("{millis} ms"),
        (whole, millis) => {
            let fraction = format!(".{:03}", millis % 1_000);
            let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
            format!("{whole}{fraction} s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_short_as_people_like_them() {
        let of = |micros: u64| seconds(TrueTime::from_nanos(micros * 1_000));
        assert_eq!(of(0), "0 µs");
        assert_eq!(of(999), "999 µs");
        assert_eq!(of(702_400), "702 ms");
        assert_eq!(of(16_000_000), "16 s");
        assert_eq!(of(9_900_000), "9.9 s");
        assert_eq!(of(10_025_755), "10.025 s");
    }
}
