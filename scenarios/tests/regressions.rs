//! Cases that the search found when something was wrong: nothing is violated today, and what was wrong then still happens in them.
#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure that is wanted"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use simulator::{
    TrueTime,
    checkers::Checker,
    history::{Event, EventKind, NodeChange},
    hunt::Case,
    truth::{Acquisition, Interval, Truth},
};

/// How often that happens in a run which the rule that was wrong is about.
type Witness = fn(&Truth<'_>) -> usize;

/// A case whose rule nobody meets any more protects nothing: each file has what must be seen in it.
const WITNESSES: [(&str, Witness); 5] = [
    ("attempt-that-died-before-the-heal", blamed_for_the_dead),
    ("cluster-admitted-in-part", left_out_at_first),
    ("key-cut-after-a-clock-step", cut_by_others),
    ("key-held-for-no-time", held_for_no_time),
    ("quarantine-that-nobody-asks-about", ended_by_themselves),
];

/// A resource that nobody acquired in time after the heal, if the first to want it then was one whose process had died before.
fn blamed_for_the_dead(truth: &Truth<'_>) -> usize {
    let mut events = truth.history.events().iter();
    let healed = events.find(|event| event.kind == EventKind::Healed);
    let healed = healed.unwrap().at;
    // The first of each resource that has not returned by then, as if the dead went on.
    let mut first: BTreeMap<&str, &Acquisition<'_>> = BTreeMap::new();
    for acquisition in &truth.acquisitions {
        if acquisition.returned.is_none_or(|event| event.at >= healed) {
            first.entry(acquisition.resource).or_insert(acquisition);
        }
    }
    let blamed = first.values().filter(|acquisition| {
        let crashes = &truth.hosts.host(acquisition.client).crashes;
        let tried = Interval::new(acquisition.invoked.at, healed);
        let died = acquisition.returned.is_none() && crashes.iter().any(|at| tried.contains(*at));
        died && !is_acquired_in_time(truth, acquisition.resource, healed)
    });
    blamed.count()
}

/// True also where the history ends before the time is up.
fn is_acquired_in_time(truth: &Truth<'_>, resource: &str, healed: TrueTime) -> bool {
    let leases = || {
        truth
            .leases
            .iter()
            .filter(|lease| lease.resource == resource)
    };
    // Who holds it as the world heals may keep it.
    let kept = leases().filter(|lease| lease.returned.at < healed);
    let from = kept.fold(healed, |from, lease| from.max(lease.window.end));
    let due = from + Duration::from_millis(truth.facts.progress.acquire_within_ms);
    let in_time = Interval::new(healed, due);
    truth.history.end() < due || leases().any(|lease| in_time.contains(lease.returned.at))
}

/// Whether a node votes from this event on, if it says so.
fn votes(event: &Event) -> Option<bool> {
    match &event.kind {
        EventKind::Node {
            change: NodeChange::Votes { votes },
            ..
        } => Some(*votes),
        _ => None,
    }
}

/// Nodes that had never voted when the first client wanted a lock, of a cluster in which one had, and whose locks were acquired. They
/// vote later.
fn left_out_at_first(truth: &Truth<'_>) -> usize {
    let Some(began) = truth.acquisitions.first().map(|first| first.invoked.at) else {
        return 0;
    };
    let (mut early, mut late) = (BTreeSet::new(), BTreeSet::new());
    let events = truth.history.events().iter();
    for event in events.filter(|event| votes(event) == Some(true)) {
        let voters = if event.at <= began {
            &mut early
        } else {
            &mut late
        };
        voters.insert(&event.host);
    }
    if early.is_empty() || truth.leases.is_empty() {
        return 0;
    }
    late.difference(&early).count()
}

/// Nodes that did not vote for a quarantine and not twice as long, while nobody acquired anything.
fn ended_by_themselves(truth: &Truth<'_>) -> usize {
    let at_most = truth.facts.max_ttl() * 3 / 2;
    let nodes = truth.facts.nodes.iter();
    let out = nodes.flat_map(|node| truth.hosts.host(node).voteless.as_slice());
    let out = out.filter(|out| {
        let asked = truth.acquisitions.iter().any(|acquisition| {
            acquisition.invoked.at <= out.end
                && acquisition
                    .returned
                    .is_none_or(|event| event.at >= out.start)
        });
        let length = out.end.since(out.start);
        !asked && (truth.facts.max_ttl()..=at_most).contains(&length)
    });
    out.count()
}

/// Somebody else's key whose end a client moved closer.
fn cut_by_others(truth: &Truth<'_>) -> usize {
    let mut last = BTreeMap::new();
    let mut cuts = 0;
    for tenure in truth.keys.tenures() {
        let EventKind::Node { by: Some(by), .. } = &tenure.set.kind else {
            continue;
        };
        let before = last.insert((tenure.node, tenure.key), (by, tenure));
        cuts += usize::from(before.is_some_and(|(first, before)| {
            before.owner == tenure.owner
                && first != by
                && tenure.expires_wall_ms < before.expires_wall_ms
        }));
    }
    cuts
}

/// A key that was held for no time at all at some instant.
fn held_for_no_time(truth: &Truth<'_>) -> usize {
    let held = truth.keys.tenures().iter().flat_map(|tenure| &tenure.held);
    held.filter(|held| held.is_empty()).count()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions")
}

/// By name: the text, the case, and what it says that it violates.
fn saved() -> BTreeMap<String, (String, Case, BTreeSet<Checker>)> {
    let files = fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let cases = files.filter(|file| file.extension().is_some_and(|it| it == "toml"));
    cases
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let (case, said) = Case::from_toml(&file.display().to_string(), &text).unwrap();
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, (text, case, said))
        })
        .collect()
}

#[test]
fn every_case_has_a_story_and_something_that_must_be_seen_in_it() {
    let saved = saved();
    let known: Vec<_> = WITNESSES.map(|(name, _)| name.to_owned()).into();
    assert_eq!(saved.keys().cloned().collect::<Vec<_>>(), known);
    let about = fs::read_to_string(folder().join("README.md")).unwrap();
    for (name, (text, case, _)) in saved {
        let story: String = text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .collect();
        let sentences = story.matches(['.', ';']).count();
        assert!(sentences >= 2, "{name}: {story}");
        assert!(case.plan.windows.len() <= 3, "{name}: it is to be small");
        assert!(
            about.contains(&format!("({name}.toml)")),
            "{name}: not in the README"
        );
    }
}

#[test]
fn no_case_violates_anything_any_more_and_what_was_wrong_still_happens() {
    for (name, (_, case, said)) in saved() {
        assert_eq!(said, BTreeSet::new(), "{name}");
        let judged = case.judge();
        assert_eq!(judged.violates(), BTreeSet::new(), "{name}");
        let facts = judged.run.replay.config.facts();
        let truth = Truth::new(&judged.run.history, &facts);
        let (_, witness) = WITNESSES
            .iter()
            .find(|(known, _)| **known == *name)
            .unwrap();
        assert!(witness(&truth) > 0, "{name}: nothing of it happens");
    }
}

#[test]
fn the_program_replays_them() {
    let runs = tempfile::tempdir().unwrap();
    for name in saved().into_keys() {
        let file = folder().join(format!("{name}.toml"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_redlock-lab"));
        let ran = command.arg("replay").arg(&file).current_dir(runs.path());
        let ran = ran.output().unwrap();
        let out = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(ran.status.code(), Some(0), "{name}\n{out}");
        let verdict = "as the file says, it violates nothing";
        assert!(out.contains(verdict), "{name}\n{out}");
    }
}
