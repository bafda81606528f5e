//! What is drawn.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    canvas::{Canvas, Row, Style},
    plot::fault_names,
    scale::Scale,
};
use crate::{
    history::{EventKind, LeaseId, StoreAccess},
    time::TrueTime,
    truth::{Access, Interval, Lease, Truth},
};

/// Labels longer than this are cut; the legend has them whole.
const LONGEST_LABEL: usize = 28;

/// So many leases have a letter of their own.
pub(super) const LETTERS: usize = 26;

/// Effects that take longer than this many columns get a row of their own; so many of them.
const LONG_EFFECT: usize = 3;
const EFFECT_ROWS: usize = 8;

/// The letters of leases, and where a resource must be named.
#[derive(Debug)]
pub(super) struct Names<'h> {
    numbers: BTreeMap<&'h LeaseId, usize>,
    owners: BTreeMap<&'h str, usize>,
    resources: BTreeSet<&'h str>,
    keys: BTreeSet<&'h str>,
}

impl<'h> Names<'h> {
    /// For what is seen of a run in `span`: letters begin with the first lease that is seen.
    pub(super) fn new(truth: &Truth<'h>, span: Interval) -> Self {
        let mut names = Self {
            numbers: BTreeMap::new(),
            owners: BTreeMap::new(),
            resources: truth
                .acquisitions
                .iter()
                .map(|acquisition| acquisition.resource)
                .collect(),
            keys: truth
                .keys
                .tenures()
                .iter()
                .map(|tenure| tenure.key)
                .collect(),
        };
        let mut next = 0;
        for lease in truth
            .leases
            .iter()
            .filter(|lease| is_seen(truth, lease, span))
        {
            // A hold that was re-entered keeps its letter.
            let number = match lease.owner {
                Some(owner) => *names.owners.entry(owner).or_insert(next),
                None => next,
            };
            next = next.max(number + 1);
            names.numbers.insert(lease.id, number);
        }
        names
    }

    pub(super) fn letter(&self, lease: &LeaseId) -> char {
        self.numbers
            .get(lease)
            .map_or('?', |number| letter(*number))
    }

    /// Whether it is seen.
    pub(super) fn has(&self, lease: &LeaseId) -> bool {
        self.numbers.contains_key(lease)
    }

    fn style(&self, lease: &LeaseId) -> Style {
        Style::Lease(self.numbers.get(lease).copied().unwrap_or_default())
    }

    fn of_resource(&self, label: &str, resource: &str) -> String {
        if self.resources.len() > 1 {
            format!("{label} {resource}")
        } else {
            label.to_owned()
        }
    }

    fn of_key(&self, label: &str, key: &str) -> String {
        if self.keys.len() > 1 {
            format!("{label} {key}")
        } else {
            label.to_owned()
        }
    }
}

/// Whether anything of a lease is seen in `span`: its window, its holder's belief, or one of its keys.
fn is_seen(truth: &Truth<'_>, lease: &Lease<'_>, span: Interval) -> bool {
    let sees = |interval: &Interval| interval.overlap(&span).is_some();
    let key = truth
        .facts
        .lock_keys
        .get(lease.resource)
        .map(String::as_str);
    let mut keys = lease
        .owner
        .into_iter()
        .flat_map(|owner| truth.keys.of_owner(owner, key));
    let is_instant = lease.window.is_empty() && span.contains(lease.window.start);
    is_instant
        || sees(&lease.window)
        || sees(&lease.belief.span)
        || keys.any(|tenure| tenure.held.iter().any(&sees))
}

/// A to Z, then again: there are as many colours and more letters than eyes can tell apart.
fn letter(number: usize) -> char {
    ('A'..='Z').nth(number % LETTERS).unwrap_or('?')
}

/// Names that end in numbers come in the order of the numbers.
fn natural(name: &str) -> (&str, u64, &str) {
    let stem = name.trim_end_matches(|sign: char| sign.is_ascii_digit());
    (stem, name[stem.len()..].parse().unwrap_or_default(), name)
}

/// A label that is too long, as it is shown.
pub(super) fn cut(label: &str) -> String {
    let shown: String = label.chars().take(LONGEST_LABEL - 1).collect();
    shown + "…"
}

/// The faults of which the picture has only the beginning.
pub(super) fn long_faults(truth: &Truth<'_>, span: Interval) -> Vec<String> {
    let mut faults = fault_names(truth.history, span);
    faults.retain(|fault| fault.chars().count() > LONGEST_LABEL);
    faults
}

pub(super) fn label_width(truth: &Truth<'_>, names: &Names<'_>, span: Interval) -> usize {
    let clients = truth
        .acquisitions
        .iter()
        .map(|acquisition| names.of_resource(acquisition.client, acquisition.resource));
    let nodes = truth.facts.nodes.iter().flat_map(|node| {
        let keys = names.keys.iter().map(|key| names.of_key(node, key));
        keys.chain([node.to_string()])
    });
    let faults = fault_names(truth.history, span);
    let labels = clients
        .chain(nodes)
        .chain(faults)
        .map(|label| label.chars().count());
    labels
        .chain([12])
        .max()
        .unwrap_or_default()
        .min(LONGEST_LABEL)
}

/// An instant lasts as long as this.
const NEXT: std::time::Duration = std::time::Duration::from_nanos(1);

/// A row per fault that is seen: a bar over its time, or a mark when it happened at once.
pub(super) fn faults(truth: &Truth<'_>, scale: &Scale, canvas: &mut Canvas) {
    let mut began: BTreeMap<usize, (&str, TrueTime, Option<TrueTime>)> = BTreeMap::new();
    let mut healed = None;
    for event in truth.history.events() {
        match &event.kind {
            EventKind::FaultBegan { window, fault, .. } => {
                began.insert(*window, (fault, event.at, None));
            }
            EventKind::FaultEnded { window } => {
                if let Some((_, _, end)) = began.get_mut(window) {
                    end.get_or_insert(event.at);
                }
            }
            EventKind::Healed => healed = healed.or(Some(event.at)),
            _ => {}
        }
    }
    for (fault, start, end) in began.into_values() {
        let end = end.or(healed).unwrap_or(TrueTime::MAX);
        if scale
            .stretch(Interval::new(start, end.max(start + NEXT)))
            .is_none()
        {
            continue;
        }
        let mut row = Row::new(fault, scale.columns());
        match scale.stretch(Interval::new(start, end)) {
            Some((from, to)) if to > from + 1 => {
                row.fill(from, to, '=', Style::Fault);
                row.put(from, '[', Style::Fault);
                if end < TrueTime::MAX {
                    row.put(to - 1, ']', Style::Fault);
                }
            }
            _ => {
                if let Some(column) = scale.column(start) {
                    row.put(column, '*', Style::Fault);
                }
            }
        }
        canvas.push(row);
    }
    if let Some(column) = healed.and_then(|at| scale.column(at)) {
        let mut row = Row::new("", scale.columns());
        row.mark_with_text(column, '^', "healed", Style::Plain);
        canvas.push(row);
    }
}

/// Per client what it tried, held and believed of each resource, and below it when it was not running.
pub(super) fn clients(truth: &Truth<'_>, names: &Names<'_>, scale: &Scale, canvas: &mut Canvas) {
    let mut rows: BTreeMap<_, Row> = BTreeMap::new();
    let mut hosts = BTreeSet::new();
    for acquisition in &truth.acquisitions {
        let (client, resource) = (acquisition.client, acquisition.resource);
        hosts.insert(natural(client));
        let label = names.of_resource(client, resource);
        let row = rows
            .entry((natural(client), resource))
            .or_insert_with(|| Row::new(&label, scale.columns()));
        let until = acquisition.returned.map_or(TrueTime::MAX, |event| event.at);
        let until =
            died(truth, client, acquisition.invoked.at).map_or(until, |died| died.min(until));
        paint(
            row,
            scale,
            Interval::new(acquisition.invoked.at, until),
            '~',
            Style::Waiting,
        );
    }
    for lease in &truth.leases {
        if let Some(row) = rows.get_mut(&(natural(lease.client), lease.resource)) {
            holding(row, scale, names, lease);
        }
    }
    for host in hosts {
        for (_, row) in rows
            .range((host, "")..)
            .take_while(|((of, _), _)| *of == host)
        {
            canvas.push(row.clone());
        }
        let mut row = Row::new("", scale.columns());
        stopped(truth, host.2, &mut row, scale);
        if !row.is_blank() {
            canvas.push(row);
        }
    }
}

fn died(truth: &Truth<'_>, host: &str, from: TrueTime) -> Option<TrueTime> {
    let crashes = &truth.hosts.host(host).crashes;
    crashes.iter().copied().find(|crash| *crash >= from)
}

fn holding(row: &mut Row, scale: &Scale, names: &Names<'_>, lease: &Lease<'_>) {
    let past = Interval::new(lease.window.end, lease.belief.span.end);
    paint(row, scale, past, '!', Style::Alarm);
    paint(
        row,
        scale,
        lease.window,
        names.letter(lease.id),
        names.style(lease.id),
    );
}

fn stopped(truth: &Truth<'_>, host: &str, row: &mut Row, scale: &Scale) {
    let host = truth.hosts.host(host);
    for paused in host.paused.as_slice() {
        paint(row, scale, *paused, 'z', Style::Stopped);
    }
    for down in host.down.as_slice() {
        paint(row, scale, *down, 'x', Style::Stopped);
    }
}

fn paint(row: &mut Row, scale: &Scale, interval: Interval, sign: char, style: Style) {
    if let Some((from, to)) = scale.stretch(interval) {
        row.fill(from, to, sign, style);
    }
}

/// Per node whose key it held, by key, and below all of them who had a quorum.
pub(super) fn nodes(truth: &Truth<'_>, names: &Names<'_>, scale: &Scale, canvas: &mut Canvas) {
    for node in &truth.facts.nodes {
        let mut keys: Vec<_> = names.keys.iter().copied().collect();
        if keys.is_empty() {
            keys.push("");
        }
        for key in keys {
            let mut row = Row::new(&names.of_key(node, key), scale.columns());
            for voteless in truth.hosts.host(node).voteless.as_slice() {
                paint(&mut row, scale, *voteless, 'q', Style::Stopped);
            }
            let tenures = truth.keys.tenures().iter();
            for tenure in tenures.filter(|tenure| tenure.node == &**node && tenure.key == key) {
                let (sign, style) = match names.owners.get(tenure.owner) {
                    Some(number) => (letter(*number), Style::Lease(*number)),
                    None => ('+', Style::Dim),
                };
                for held in &tenure.held {
                    paint(&mut row, scale, *held, sign, style);
                }
            }
            stopped(truth, node, &mut row, scale);
            canvas.push(row);
        }
    }
    for resource in &names.resources {
        let mut row = Row::new(&names.of_resource("quorum", resource), scale.columns());
        for lease in truth
            .leases
            .iter()
            .filter(|lease| lease.resource == *resource)
        {
            let held = lease.hold.iter().flat_map(|hold| hold.quorum.as_slice());
            for held in held {
                paint(
                    &mut row,
                    scale,
                    *held,
                    names.letter(lease.id),
                    names.style(lease.id),
                );
            }
        }
        if !row.is_blank() {
            canvas.push(row);
        }
    }
}

/// What reached the store, in one row; and what took long to get there, in rows of their own.
pub(super) fn store(truth: &Truth<'_>, scale: &Scale, canvas: &mut Canvas) {
    if truth.accesses.is_empty() {
        return;
    }
    let mut row = Row::new("store", scale.columns());
    let mut long = Vec::new();
    for access in &truth.accesses {
        if let Some(column) = access.arrived.and_then(|event| scale.column(event.at)) {
            let (sign, style) = arrival(access);
            row.put(column, sign, style);
        }
        if let Some((from, to)) = scale.stretch(access.effect())
            && to - from > LONG_EFFECT
        {
            long.push((access, from, to));
        }
    }
    canvas.push(row);
    for (access, from, to) in long.into_iter().take(EFFECT_ROWS) {
        let mut row = Row::new(&format!("  of {}", access.lease), scale.columns());
        row.fill(from, to, '.', Style::Dim);
        row.put(from, '>', Style::Plain);
        if let Some(column) = access.arrived.and_then(|event| scale.column(event.at)) {
            let (sign, style) = arrival(access);
            row.put(column, sign, style);
        }
        canvas.push(row);
    }
}

fn arrival(access: &Access<'_>) -> (char, Style) {
    let store = access.arrived.map(|event| &event.kind);
    match store {
        Some(EventKind::Store {
            access: StoreAccess::Refused { .. },
            ..
        }) => ('-', Style::Alarm),
        _ if access.writes => ('w', Style::Plain),
        _ => ('r', Style::Plain),
    }
}
