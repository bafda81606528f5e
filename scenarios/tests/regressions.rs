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
};

use simulator::{checkers::Checker, history::EventKind, hunt::Case, truth::Truth};

/// How often that happens in a run which the rule that was wrong is about.
type Witness = fn(&Truth<'_>) -> usize;

/// A case whose rule nobody meets any more protects nothing: each file has what must be seen in it.
const WITNESSES: [(&str, Witness); 2] = [
    ("key-cut-after-a-clock-step", cut_by_others),
    ("key-held-for-no-time", held_for_no_time),
];

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
