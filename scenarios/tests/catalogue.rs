//! The catalogue: every lock comes to what its scenario says, and every file reads as one should.
//!
//! Expectations cut in both directions. A run fails when a lock breaks that was to hold, and when one holds that was to break: then the
//! scenario has stopped showing its hazard, and what it says is no longer known to be true.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    sync::atomic::AtomicBool,
    thread,
};

use scenarios::{
    catalogue,
    runs::{Job, simulate_all},
    scenario::{self, Outcome},
};
use serde_json::Value;

#[test]
fn every_lock_comes_to_what_is_expected_of_it() {
    let all = catalogue::hazards().unwrap();
    assert!(all.len() >= 30, "{} scenarios", all.len());
    let jobs: Vec<_> = all
        .iter()
        .flat_map(|scenario| {
            let contenders = scenario.head.verdicts.keys().copied();
            contenders
                .filter(|it| it.exists())
                .map(move |contender| Job {
                    scenario,
                    contender,
                    seed: 0,
                })
        })
        .collect();
    let threads = thread::available_parallelism().unwrap();
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut made = 0;
    simulate_all(
        &jobs,
        threads,
        &AtomicBool::new(false),
        |place, finished| {
            made += 1;
            let Job {
                scenario,
                contender,
                ..
            } = jobs[place];
            let expected = jobs[place].expected();
            if let Ok(outcome) = &finished.judgement.outcome {
                *seen.entry(*outcome).or_default() += 1;
            }
            if !finished.is_as(expected) {
                wrong.push(format!(
                    "{} with {contender}: expected {}, came to {}",
                    scenario.name,
                    expected.unwrap(),
                    finished.told()
                ));
            }
        },
    );
    assert_eq!(made, jobs.len());
    wrong.sort_unstable();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Each word is the right one for something.
    let missing: Vec<_> = Outcome::ALL
        .iter()
        .filter(|it| !seen.contains_key(it))
        .collect();
    assert!(missing.is_empty(), "{missing:?} in none of {seen:?}");
}

#[test]
fn files_have_kebab_case_names_titles_of_their_own_sources_and_stories() {
    let mut titles = BTreeSet::new();
    for scenario in catalogue::hazards().unwrap() {
        let name = &scenario.name;
        let words = name.split('-');
        let is_word = |word: &str| {
            let plain = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit();
            !word.is_empty() && word.chars().all(plain)
        };
        assert!(words.clone().all(is_word), "{name}");
        let head = &scenario.head;
        assert!(titles.insert(head.title.clone()), "{name}: a title twice");
        assert!(
            head.title.len() <= 100 && !head.title.ends_with('.'),
            "{name}"
        );
        assert!(head.sources.iter().all(|it| it.len() > 10), "{name}");
        assert!(!head.sources.is_empty(), "{name}");
        let ends = |word: &&str| word.ends_with(['.', '?', '!']);
        let sentences = head.story.split_whitespace().filter(ends).count();
        assert!(sentences >= 2, "{name}: {sentences} sentences");
        assert!(!head.tags.is_empty(), "{name}: no tag to find it by");
    }
}

/// A scenario that breaks whatever runs in it could be one in which the checkers err, or the world does.
#[test]
fn no_scenario_breaks_every_lock_that_runs_in_it() {
    for scenario in catalogue::hazards().unwrap() {
        let verdicts = scenario.head.verdicts.iter();
        let runs: Vec<_> = verdicts.filter(|(lock, _)| lock.exists()).collect();
        let is_broken = |outcome: &Outcome| *outcome == Outcome::Broken;
        let all = !runs.is_empty() && runs.iter().all(|(_, outcome)| is_broken(outcome));
        assert!(!all, "{}", scenario.name);
    }
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_program() {
    let kept = fs::read_to_string(folder("scenario.schema.json")).unwrap();
    assert!(
        kept == scenario::schema().unwrap(),
        "write it anew: cargo run --release -- schema --to scenarios/scenario.schema.json"
    );
}

/// What the schema says of a scenario's text: nothing if it is right.
fn complaint(text: &str) -> Option<String> {
    let schema: Value = serde_json::from_str(&scenario::schema().unwrap()).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("scenario.json", schema).unwrap();
    let schema = compiler.compile("scenario.json", &mut schemas).unwrap();
    let value: Value = toml::from_str(text).unwrap();
    let refused = schemas.validate(&value, schema).err();
    refused.map(|error| format!("{error:#}"))
}

#[test]
fn every_file_and_the_template_are_as_the_schema_says() {
    let mut files: Vec<_> = fs::read_dir(folder("catalogue"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.push(folder("src/cli/new/template.toml"));
    assert!(files.len() > 30);
    for file in files {
        let refused = complaint(&fs::read_to_string(&file).unwrap());
        assert_eq!(refused, None, "{}", file.display());
    }
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let right = fs::read_to_string(folder("catalogue/paused-holder.toml")).unwrap();
    assert_eq!(complaint(&right), None);
    for (from, to) in [
        ("length_ttls", "lenght_ttls"),
        ("hesitates_ttls = 0.1", "hesitates = 0.1"),
        ("cycles = 1", "cycles = \"one\""),
        ("kind = \"pause\"", "kind = \"pase\""),
        ("target = \"client-1\"", "target = \"holdr\""),
        (
            "target = \"client-1\"",
            "target = \"client-1\"\nlose_data = true",
        ),
        ("redlock = \"broken\"", "redlokc = \"broken\""),
        ("redlock = \"broken\"", "redlock = \"brokn\""),
        ("duration_ttls = 1.6", "duration_ttls = -1"),
        ("sources", "tags_of"),
    ] {
        let wrong = right.replacen(from, to, 1);
        assert_ne!(wrong, right, "{from}");
        assert!(complaint(&wrong).is_some(), "the schema lets {to:?} pass");
        let read = scenario::Scenario::parse("it", "it.toml", &wrong);
        assert!(read.is_err(), "the program lets {to:?} pass");
    }
}
