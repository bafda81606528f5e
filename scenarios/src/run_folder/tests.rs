//! What is written is read back, or refused by name.

use simulator::{checkers::check_all, world::World};
use tempfile::TempDir;

use super::*;

fn run(seed: u64) -> FinishedRun {
    let config = WorldConfig {
        safety_ms: 3_000,
        liveness_ms: 500,
        ..WorldConfig::default()
    };
    let plan = "[[fault]]\nkind='pause'\ntarget='holder'\nstart_ms=500.25\nduration_ms=100\n\
        [[fault]]\nkind='cut'\nfrom='client-1'\nto=['node-1']\nstart_ms=700\n";
    let plan = Plan::parse("plan.toml", plan).unwrap();
    let facts = config.facts();
    let run = World::new(config, plan, seed).run();
    FinishedRun {
        scenario: "paused_holder".to_owned(),
        contender: "redlock".to_owned(),
        mode: Mode::Simulated,
        command: "redlock-lab run paused_holder".to_owned(),
        report: check_all(&run.history, &facts),
        replay: run.replay,
        facts,
        history: run.history,
        breakdown: None,
        not_made: Vec::new(),
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_run_reads_back_as_it_was_and_replaces_the_one_before() {
    let root = TempDir::new().unwrap();
    let first = run(7);
    let place = RunFolder::write(root.path(), &first).unwrap();
    assert_eq!(place, root.path().join("paused_holder/redlock/7"));
    assert_eq!(RunFolder::read(&place).unwrap().run, first);
    let second = FinishedRun {
        breakdown: Some("the world broke down".to_owned()),
        mode: Mode::Live,
        not_made: vec!["node-1 did not come back".to_owned()],
        ..first
    };
    RunFolder::write(root.path(), &second).unwrap();
    let read = RunFolder::read(&place).unwrap();
    assert_eq!(read.run, second);
    assert_eq!(read.run.ending(), Ending::Safety);
    assert_eq!(read.manifest.build, Build::this());
    assert_eq!(names(&place), [HISTORY, MANIFEST, VERDICT]);
    assert_eq!(
        names(place.parent().unwrap()),
        ["7"],
        "nothing is left over"
    );
    let again = read.run.replay.run();
    assert_eq!(
        again.history, second.history,
        "the manifest is enough to run it again"
    );
}

#[test]
fn what_is_no_run_is_named() {
    let root = TempDir::new().unwrap();
    let place = RunFolder::write(root.path(), &run(u64::MAX)).unwrap();
    let wrong = |path: &Path| RunFolder::read(path).unwrap_err().to_string();
    let elsewhere = wrong(&root.path().join("nowhere"));
    assert!(
        elsewhere.contains("nowhere") && elsewhere.contains(MANIFEST),
        "{elsewhere}"
    );

    let path = place.join(HISTORY);
    let text = fs::read_to_string(&path).unwrap();
    let third: usize = text.lines().take(3).map(|line| line.len() + 1).sum();
    fs::write(&path, &text[..third - 10]).unwrap();
    let torn = wrong(&place);
    assert!(
        torn.contains("history.jsonl: line 3 is not an event"),
        "{torn}"
    );
    fs::write(&path, &text).unwrap();

    let path = place.join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"pause\"", "\"pauze\"")).unwrap();
    let plan = wrong(&place);
    assert!(plan.contains(MANIFEST) && plan.contains("pauze"), "{plan}");
    fs::write(&path, text.replace("\"commit\"", "\"comit\"")).unwrap();
    let field = wrong(&place);
    assert!(
        field.contains(MANIFEST) && field.contains("comit"),
        "{field}"
    );
    fs::remove_file(&path).unwrap();
    assert!(wrong(&place).contains("has no manifest.json"));
}

#[test]
fn names_that_leave_the_root_are_refused() {
    for name in ["", ".", "..", "a/b", "../a", ".hidden", "a b"] {
        let refused = RunFolder::place(Path::new("runs"), name, "redlock", 1);
        assert!(refused.is_err(), "{name}");
        assert!(RunFolder::place(Path::new("runs"), "a", name, 1).is_err());
    }
}
