//! Saved cases, run folders, and what people see of them.

use std::fs;

use crate::lab::Lab;

/// A client is paused over the end of its lease, and goes on writing.
const PAUSED: &str = r#"
seed = 7

[config]
clients = 2
safety_ms = 20000
liveness_ms = 1000
fencing = "FENCING"

[config.latency]
min_us = 200
max_us = 800
tail_ppm = 0
tail_max_us = 1000

[config.redlock]
ttl_ms = 10000
max_ttl_ms = 10000

[[config.parts]]
cycles = 1
accesses = 1
think_ms = [100, 100]
work_ms = [2400, 2400]
looks = false
within_ms = 30000

[[config.parts]]
start_ms = 1500
cycles = 1
accesses = 1
think_ms = [0, 0]
work_ms = [300, 300]
within_ms = 30000

[[fault]]
kind = "pause"
target = "client-1"
start_ms = 2000
duration_ms = 14000
"#;

fn paused(lab: &Lab, name: &str, fencing: &str, says: &str) {
    let text = PAUSED.replace("FENCING", fencing);
    fs::write(lab.path(name), format!("{says}\n{text}")).unwrap();
}

#[test]
fn a_case_is_held_to_what_it_says() {
    let lab = Lab::new();
    let both = r#"violates = ["effect_order", "fencing"]"#;
    paused(&lab, "says.toml", "off", both);
    lab.run(&["replay", "says.toml"])
        .says(0, &["as the file says, it violates effect_order, fencing"]);
    paused(&lab, "silent.toml", "off", "");
    lab.run(&["replay", "silent.toml"]).says(
        1,
        &["the file says that it violates nothing; it violates effect_order, fencing"],
    );
    paused(&lab, "less.toml", "off", r#"violates = ["fencing"]"#);
    lab.run(&["replay", "less.toml"]).says(1, &[]);
    paused(&lab, "gone.toml", "reads_and_writes", both);
    let gone = lab.run(&["replay", "gone.toml", "--json"]);
    gone.says(4, &[]);
    let json = gone.json();
    assert_eq!(json["ending"], "inconclusive");
    assert_eq!(json["said"].as_array().unwrap().len(), 2);
    assert!(json["violates"].as_array().unwrap().is_empty());
    paused(&lab, "well.toml", "reads_and_writes", "");
    lab.run(&["replay", "well.toml"])
        .says(0, &["as the file says, it violates nothing"]);
}

/// Who has never seen Redlock reads who held the lock, what befell it, who came next, what came late, and what the store did.
#[test]
fn the_paused_holder_reads_as_a_story() {
    let lab = Lab::new();
    paused(&lab, "paused.toml", "reads_and_writes", "");
    lab.run(&["replay", "paused.toml", "--write"]).says(
        0,
        &["kept: redlock-lab explain target/runs/paused/redlock/7"],
    );
    let by_name = lab.run(&["explain", "paused"]);
    let in_order = [
        "3 of 5 servers",
        "client-1 acquired the lock",
        "from 2 s to 16 s it was paused",
        "did not see its time run out",
        "client-2 acquired the lock, as it may",
        "wrote 1",
        "client-1 woke up",
        "the store refused it",
        "Nothing was harmed",
        "true time",
        "pause client-1",
        "zzzz",
        "run it again: redlock-lab replay paused.toml",
    ];
    by_name.says(0, &[]);
    // Lines are broken between words.
    let words: Vec<_> = by_name.out.split_whitespace().collect();
    let words = words.join(" ");
    let places = in_order.map(|part| words.find(part));
    assert!(places.iter().all(Option::is_some), "{places:?}\n{words}");
    assert!(places.is_sorted(), "{places:?}\n{words}");
    let widest = by_name.out.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(100), "{widest:?}");

    for same in [
        "paused/redlock",
        "paused/redlock/7",
        "target/runs/paused/redlock/7",
        "target/runs/paused/redlock",
        "target/runs/paused",
        "./target/runs",
    ] {
        assert_eq!(lab.run(&["explain", same]).out, by_name.out, "{same}");
    }
    let json = lab.run(&["explain", "paused", "--json"]).json();
    assert_eq!(json["ending"], "as_expected");
    assert_eq!(json["manifest"]["plan"]["fault"][0]["kind"], "pause");

    paused(&lab, "paused.toml", "off", "");
    lab.run(&["replay", "paused.toml", "--write"]).says(1, &[]);
    let harmed = lab.run(&["explain", "paused"]);
    harmed.says(0, &["Violated at", "(effect_order)", "^"]);
}

#[test]
fn a_case_that_cannot_be_made_live_is_skipped_by_name() {
    let lab = Lab::new();
    let cannot = "[[fault]]\nkind = \"clock_freeze\"\ntarget = \"node-1\"\nclocks = \"monotonic\"\nstart_ms = 1\nduration_ms = 1\n";
    fs::write(lab.path("case.toml"), format!("seed = 1\n{cannot}")).unwrap();
    let ran = lab.run(&["replay", "case.toml", "--live"]);
    ran.says(
        4,
        &["skipped: fault 0", "the monotonic clock of a real server"],
    );
    let ran = lab.run(&["replay", "case.toml", "--live", "--json"]);
    ran.says(4, &[]);
    let json = ran.json();
    assert_eq!(
        (&json["ending"], &json["exit_code"]),
        (&"inconclusive".into(), &4.into())
    );
    let why = json["not_made"][0].as_str().unwrap();
    assert!(why.contains("monotonic"), "{why}");
}

#[test]
fn runs_that_are_not_there_are_named_with_what_is() {
    let lab = Lab::new();
    lab.run(&["explain", "paused"])
        .complains(&["no such run", "replay --write"]);
    paused(&lab, "paused.toml", "reads_and_writes", "");
    lab.run(&["replay", "paused.toml", "--write"]).says(0, &[]);
    lab.run(&["explain", "pausd"])
        .complains(&["did you mean \"paused\"?"]);
    lab.run(&["explain", "paused/redlok"])
        .complains(&["did you mean \"redlock\"?"]);
    lab.run(&["explain", "paused/redlock/8"])
        .complains(&["no \"8\"", "there are 7"]);
    lab.run(&["explain", "paused.toml"])
        .complains(&["this is a file", "redlock-lab replay"]);

    let other = PAUSED
        .replace("FENCING", "off")
        .replace("seed = 7", "seed = 8");
    fs::write(lab.path("paused.toml"), other).unwrap();
    lab.run(&["replay", "paused.toml", "--write"]).says(1, &[]);
    let absolute = lab.path("target/runs/paused/redlock").display().to_string();
    for asked in ["paused", "target/runs/paused", &absolute] {
        lab.run(&["explain", asked])
            .complains(&["there are several, say which: 7, 8"]);
    }

    let history = lab.path("target/runs/paused/redlock/7/history.jsonl");
    fs::write(&history, "{}\n").unwrap();
    lab.run(&["explain", "paused/redlock/7"])
        .complains(&["history.jsonl: line 1 is not an event"]);
    fs::remove_file(&history).unwrap();
    lab.run(&["explain", "paused/redlock/7"])
        .complains(&["no folder of a run", "history.jsonl"]);
}

#[test]
fn colours_are_for_terminals_and_those_who_insist() {
    let lab = Lab::new();
    paused(&lab, "paused.toml", "reads_and_writes", "");
    let with = |variables: &[(&str, &str)]| {
        let mut command = lab.command(&["replay", "paused.toml"]);
        command.envs(variables.iter().copied());
        let ran = crate::lab::Ran::from(command.output().unwrap());
        ran.says(0, &[]);
        ran.out.contains('\u{1b}')
    };
    assert!(!with(&[]));
    assert!(with(&[("CLICOLOR_FORCE", "1")]));
    assert!(!with(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!with(&[("CLICOLOR_FORCE", "0")]));
}
