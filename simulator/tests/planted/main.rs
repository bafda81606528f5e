//! Every planted bug has a saved case that shows it, and shows nothing once the rule is back.
#![allow(
    clippy::unwrap_used,
    reason = "in a test a panic is the failure that is wanted"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use simulator::{
    checkers::Checker,
    hunt::{Case, Planted},
};

fn saved() -> BTreeMap<String, (Case, BTreeSet<Checker>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|it| it == "toml"))
        .map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            (
                name,
                Case::from_toml(&file.display().to_string(), &text).unwrap(),
            )
        })
        .collect()
}

#[test]
fn every_bug_has_a_case() {
    let saved: BTreeSet<_> = saved().into_keys().collect();
    let known: BTreeSet<_> = Planted::names().into_iter().map(str::to_owned).collect();
    assert_eq!(saved, known);
}

#[test]
fn every_case_shows_its_bug_with_few_windows() {
    for (name, (case, said)) in saved() {
        assert_eq!(case.planted.as_ref().unwrap().name(), name);
        assert!(case.plan.windows.len() <= 3, "{name}");
        assert!(!said.is_empty(), "{name}");
        let violates = case.judge().violates();
        assert!(violates.is_superset(&said), "{name}: {violates:?}");
    }
}

#[test]
fn no_case_shows_anything_without_the_bug() {
    for (name, (case, _)) in saved() {
        let whole = Case {
            planted: None,
            ..case
        };
        let violates = whole.judge().violates();
        assert!(violates.is_empty(), "{name}: {violates:?}");
    }
}
