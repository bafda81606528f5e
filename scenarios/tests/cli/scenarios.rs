//! Scenarios from files: what a mistake in one says, what comes of a wrong expectation, where runs are kept, and what is printed.

use std::{collections::BTreeSet, fs, process::Command};

use crate::lab::{Lab, Ran};

/// A holder that sleeps past its lease and writes. `{...}` is what tests change.
const SLEEPER: &str = r#"title = "Asleep"
story = "The holder sleeps. It wakes and writes."
sources = ["made up"]
length_ttls = 3
sometimes = ["contention"]

[[client]]
cycles = 1
hesitates_ttls = 0.1

[[client]]
start_ttls = 0.05

[[fault]]
kind = "pause"
target = "client-1"
start_ttls = 0.05
duration_ttls = 1.6

[verdicts]
redlock = "broken"
redlock-fenced = "fenced"
"#;

/// One client and nothing that goes wrong.
const CALM: &str = r#"title = "Calm"
story = "Nothing goes wrong. A client works."
sources = ["made up"]
length_ttls = 1
liveness_ttls = 1

[[client]]
think_ttls = 0.05

[verdicts]
redlock = "safe"
"#;

/// The same, but a majority of the nodes cannot be reached for more than half of a TTL.
fn cut_off() -> String {
    let fault = r#"
[[fault]]
kind = "cut"
from = "clients"
to = ["node-1", "node-2", "node-3"]
start_ttls = 0.2
duration_ttls = 0.6
"#;
    CALM.to_owned() + fault
}

fn write(lab: &Lab, name: &str, text: &str) {
    fs::write(lab.path(name), text).unwrap();
}

/// `text` with `from` replaced, which must be in it.
#[track_caller]
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

/// Running the file says all this, names line and column of `place`, and runs nothing.
#[track_caller]
fn refused(text: &str, place: &str, parts: &[&str]) {
    let lab = Lab::new();
    write(&lab, "bad.toml", text);
    let at = text.find(place).unwrap();
    let line = text[..at].matches('\n').count() + 1;
    let column = at - text[..at].rfind('\n').map_or(0, |end| end + 1) + 1;
    let place = format!("bad.toml:{line}:{column}");
    for command in ["run", "show", "list"] {
        let ran = lab.run(&[command, "./bad.toml"]);
        ran.says(2, &[&[place.as_str()], parts].concat());
        assert!(ran.out.is_empty(), "{}", ran.out);
    }
    assert!(!lab.path("target").exists());
}

#[test]
fn names_that_nothing_has_are_guessed() {
    let lab = Lab::new();
    for command in ["run", "show", "list"] {
        lab.run(&[command, "paused-holdr"])
            .complains(&["\"paused-holdr\"", "did you mean \"paused-holder\"?"]);
        lab.run(&[command, "zzzz"])
            .complains(&["no scenario is called \"zzzz\"; `redlock-lab list`"]);
        lab.run(&[command, "nowhere.toml"])
            .complains(&["nowhere.toml", "no such file"]);
    }
    lab.run(&["run", "--contender", "redlok"])
        .says(2, &["--contender", "redlok", "similar", "'redlock'"]);
    lab.run(&["list", "--tag", "fencin"])
        .complains(&["fencin", "fencing, "]);
    fs::create_dir(lab.path("empty")).unwrap();
    lab.run(&["run", "empty"])
        .complains(&["empty", "no .toml file"]);
    // A lock that the scenario does not name, and one that is not here.
    write(&lab, "calm.toml", CALM);
    lab.run(&["run", "./calm.toml", "--contender", "redis-single"])
        .complains(&["none of these locks", "redlock-lab show"]);
}

#[test]
fn a_mistake_in_a_file_is_shown_where_it_is_with_what_was_expected() {
    let change = |from: &str, to: &str| with(SLEEPER, from, to);
    refused(
        &change("length_ttls", "lenght_ttls"),
        "lenght_ttls",
        &["unknown field `lenght_ttls`", "did you mean `length_ttls`?"],
    );
    refused(
        &change("cycles = 1", "cycles = \"one\""),
        "\"one\"",
        &["string \"one\"", "expected u32"],
    );
    refused(
        &change("\"pause\"", "\"pase\""),
        "\"pase\"",
        &[
            "no fault is called `pase`",
            "expected one of hold",
            "did you mean `pause`?",
        ],
    );
    refused(
        &change("redlock = ", "redlokc = "),
        "redlokc",
        &[
            "unknown variant `redlokc`",
            "`redlock-n3`",
            "did you mean `redlock`?",
        ],
    );
    refused(
        &change("\"broken\"", "\"brokn\""),
        "\"brokn\"",
        &["unknown variant `brokn`", "did you mean `broken`?"],
    );
    refused(
        &change("start_ttls = 0.05\nduration", "start_ttls = -3\nduration"),
        "-3",
        &["-3 is no number of TTLs", "expected 0 to 100000"],
    );
    refused(
        &change("title = \"Asleep\"\n", ""),
        "story",
        &["missing field `title`"],
    );
    refused(
        &change("\"Asleep\"", "\" \""),
        "\" \"",
        &["the title is empty", "expected the hazard"],
    );
    refused(
        &change("[\"contention\"]", "[\"contentoin\"]"),
        "\"contentoin\"",
        &["contentoin", "expected"],
    );
    refused(&change("[verdicts]", "[verdicts"), "\nredlock = ", &[]);
}

#[test]
fn faults_that_hit_nobody_are_refused() {
    let change = |from: &str, to: &str| with(SLEEPER, from, to);
    refused(
        &change("\"client-1\"", "\"client-9\""),
        "[[fault]]",
        &["no host called `client-9`", "did you mean `client-"],
    );
    refused(
        &change("\"client-1\"", "\"node-9\""),
        "[[fault]]",
        &["hits nobody", "expected a host that exists"],
    );
    refused(
        &change("\"client-1\"", "\"holdr\""),
        "[[fault]]",
        &["no host called `holdr`", "did you mean `holder`?"],
    );
    refused(
        &change("start_ttls = 0.05\nduration", "start_ttls = 3\nduration"),
        "[[fault]]",
        &[
            "begins at 3 TTLs",
            "healed already",
            "below `length_ttls`, 3",
        ],
    );
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let lab = Lab::new();
    let text = with(SLEEPER, "length_ttls", "lenght_ttls");
    write(&lab, "bad.toml", &with(&text, "\"pause\"", "\"pase\""));
    lab.run(&["run", "./bad.toml"])
        .says(2, &["bad.toml:4:1", "lenght_ttls", "bad.toml:15:8", "pase"]);
}

/// Runs a file and returns how it ended, checking that what is not as expected is told with the way to look at it.
#[track_caller]
fn ended(text: &str, came: &str) -> i32 {
    let lab = Lab::new();
    write(&lab, "it.toml", text);
    let ran = lab.run(&["run", "./it.toml", "--contender", "redlock"]);
    let code = ran.code.unwrap();
    let told = format!("came to {came}");
    let parts = [
        "it with redlock, seed 0: expected",
        &told,
        "look at it: redlock-lab explain target/runs/it/redlock/0",
        "1 not as expected",
    ];
    ran.says(code, &parts);
    lab.run(&["explain", "target/runs/it/redlock/0"]).says(
        0,
        &["run it again: redlock-lab run ./it.toml --contender redlock --seed 0"],
    );
    code
}

#[test]
fn a_wrong_expectation_fails_in_both_directions() {
    let redlock = |text: &str, expected: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let verdict = lines.iter_mut().find(|line| line.starts_with("redlock = "));
        *verdict.unwrap() = format!("redlock = {expected:?}");
        lines.join("\n") + "\n"
    };
    // A hazard that was not expected.
    for expected in ["safe", "fenced", "unavailable", "stuck"] {
        assert_eq!(
            ended(&redlock(SLEEPER, expected), "broken"),
            1,
            "{expected}"
        );
    }
    // A hazard that no longer shows.
    for expected in ["broken", "fenced", "unavailable", "deadlocked"] {
        assert_eq!(ended(&redlock(CALM, expected), "safe"), 4, "{expected}");
    }
    // A lock that nobody could have, which was not expected.
    assert_eq!(ended(&cut_off(), "unavailable"), 3);
    assert_eq!(ended(&redlock(&cut_off(), "broken"), "unavailable"), 3);
}

#[test]
fn a_run_that_shows_nothing_is_no_success() {
    let vacuous = with(
        CALM,
        "liveness_ttls = 1",
        "liveness_ttls = 1\nsometimes = [\"expiry_while_paused\"]",
    );
    assert_eq!(ended(&vacuous, "vacuous: "), 4);
}

#[test]
fn the_worst_of_all_runs_decides_the_code() {
    let lab = Lab::new();
    write(&lab, "a.toml", &with(CALM, "\"safe\"", "\"broken\""));
    write(&lab, "b.toml", &cut_off());
    write(
        &lab,
        "c.toml",
        &with(SLEEPER, "redlock = \"broken\"", "redlock = \"safe\""),
    );
    write(&lab, "d.toml", CALM);
    lab.run(&["run", "./d.toml"]).says(0, &["all as expected"]);
    lab.run(&["run", "./d.toml", "./a.toml"])
        .says(4, &["S!X", "1 not as expected"]);
    lab.run(&["run", "./a.toml", "./b.toml"])
        .says(3, &["s!S", "2 not as expected"]);
    // A folder is all of its files.
    lab.run(&["run", "."])
        .says(1, &["X!S", "3 not as expected"]);
}

#[test]
fn folders_that_cannot_hold_runs_are_named() {
    let lab = Lab::new();
    write(&lab, "calm.toml", CALM);
    write(&lab, "file", "");
    let run = |to: &str| lab.run(&["run", "./calm.toml", "--runs", to]);
    run("file/x").complains(&["file/x", "part of the path is a file"]);
    let ran = run("/sys/redlock-lab");
    ran.complains(&["/sys/redlock-lab", "choose another place"]);
    // Before anything is started.
    lab.run(&["run", "paused-holder", "--live", "--runs", "file"])
        .complains(&["file: cannot make the folder"]);
    // A file that may not grow is what a full disk looks like.
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_redlock-lab"))
        .args(["run", "./calm.toml", "--runs", "small"])
        .current_dir(lab.path(""));
    Ran::from(limited.output().unwrap())
        .complains(&["small/calm/redlock", "larger than this process may write"]);
    // What was being written is not taken for a run.
    lab.run(&["explain", "small/calm/redlock/0"]).says(2, &[]);
}

/// Runs are kept by the name of their scenario, and no other scenario's are in the way.
#[test]
fn scenarios_of_one_name_do_not_replace_each_others_runs() {
    let lab = Lab::new();
    write(&lab, "paused-holder.toml", CALM);
    let ours = lab.run(&["run", "./paused-holder.toml", "--json"]).json();
    assert_eq!(ours["runs"][0]["scenario"], "paused-holder+file");
    let both = [
        "run",
        "paused-holder",
        "./paused-holder.toml",
        "--contender",
        "redlock",
    ];
    lab.run(&both).says(0, &["2 simulated runs of 2 scenarios"]);
    lab.run(&["explain", "paused-holder/redlock"]).says(
        0,
        &["run it again: redlock-lab run paused-holder --contender redlock"],
    );
    lab.run(&["explain", "paused-holder+file/redlock"]).says(
        0,
        &["run it again: redlock-lab run ./paused-holder.toml --contender"],
    );
    // A copy is no other scenario.
    let catalogue = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue/paused-holder.toml");
    let text = fs::read_to_string(catalogue).unwrap();
    write(&lab, "paused-holder.toml", &format!("# A copy.\n{text}"));
    lab.run(&both).says(0, &["1 simulated runs of 1 scenarios"]);

    for folder in ["a", "b"] {
        fs::create_dir(lab.path(folder)).unwrap();
        write(&lab, &format!("{folder}/calm.toml"), CALM);
    }
    lab.run(&["run", "a", "b"]).says(0, &["1 simulated runs"]);
    write(&lab, "b/calm.toml", &cut_off());
    lab.run(&["run", "a", "b"])
        .complains(&["a/calm.toml and b/calm.toml", "two scenarios of one name"]);
}

#[test]
fn what_waits_for_locks_that_are_not_here_is_told_to_those_who_asked_for_them() {
    let lab = Lab::new();
    let pending = "zookeeper = \"safe\"\netcd = \"safe\"";
    let text = with(
        CALM,
        "redlock = \"safe\"",
        &format!("redlock = \"safe\"\n{pending}"),
    );
    write(&lab, "calm.toml", &text);
    let run = |arguments: &[&str]| lab.run(&[&["run", "./calm.toml"], arguments].concat());
    run(&[]).says(0, &["2 expectations wait for locks"]);
    let asked = run(&["--contender", "redlock"]);
    asked.says(0, &["all as expected"]);
    assert!(!asked.out.contains("wait for"), "{}", asked.out);
    assert_eq!(
        run(&["--contender", "redlock", "--json"]).json()["pending"],
        0
    );
    let one = run(&["--contender", "redlock", "--contender", "etcd", "--json"]);
    assert_eq!(one.json()["pending"], 1);
}

/// Nothing of it runs, but it will.
#[test]
fn the_plan_of_a_scenario_without_a_lock_that_is_here_is_checked() {
    let (before, _) = SLEEPER.split_once("[verdicts]").unwrap();
    let pending = format!("{before}[verdicts]\nzookeeper = \"broken\"\n");
    let lab = Lab::new();
    write(&lab, "good.toml", &pending);
    lab.run(&["show", "./good.toml"]).says(0, &["pending"]);
    refused(
        &with(&pending, "\"client-1\"", "\"client-9\""),
        "[[fault]]",
        &["no host called `client-9`", "(as `zookeeper` sees it)"],
    );
    refused(
        &with(&pending, "\"client-1\"", "\"node-9\""),
        "[[fault]]",
        &["hits nobody"],
    );
}

#[test]
fn a_new_scenario_runs_and_overwrites_nothing() {
    let lab = Lab::new();
    let ran = lab.run(&["new", "first-one"]);
    ran.says(0, &["redlock-lab run ./first-one.toml"]);
    lab.run(&["run", "./first-one.toml"])
        .says(0, &["3 simulated runs", "all as expected"]);
    lab.run(&["show", "./first-one.toml"])
        .says(0, &["client-2"]);
    let written = fs::read_to_string(lab.path("first-one.toml")).unwrap();
    assert_eq!(lab.run(&["new", "x", "--print"]).out, written);

    write(&lab, "mine.toml", "mine");
    lab.run(&["new", "mine"])
        .complains(&["mine.toml", "exists already"]);
    assert_eq!(fs::read_to_string(lab.path("mine.toml")).unwrap(), "mine");
    for bad in ["", "Big", "a b", "a_b", "a/b", "../a", "a.toml", "ä"] {
        lab.run(&["new", bad])
            .complains(&["cannot be the name of a scenario", "small letters"]);
    }
    lab.run(&["new", "x", "--to", "mine.toml"])
        .complains(&["mine.toml", "something else has that name"]);
}

#[test]
fn a_scenario_is_told_with_its_story_plan_and_expectations() {
    let lab = Lab::new();
    let ran = lab.run(&["show", "paused-holder"]);
    ran.says(0, &[]);
    let parts = [
        "The holder pauses between its check and its write",
        "Kleppmann",
        "client-2 from 0.05 on",
        "pause client-1",
        "redlock-fenced ",
    ];
    let mut from = 0;
    for part in parts {
        let at = ran.out[from..].find(part);
        from += at.unwrap_or_else(|| panic!("{part:?} does not follow in:\n{}", ran.out));
    }
    assert!(
        ran.out.contains("pending"),
        "locks that are not here are told"
    );
}

#[test]
fn the_list_names_every_file_in_one_piece() {
    let lab = Lab::new();
    let catalogue = concat!(env!("CARGO_MANIFEST_DIR"), "/catalogue");
    let mut command = lab.command(&["list"]);
    let narrow = Ran::from(command.env("COLUMNS", "80").output().unwrap());
    let json = lab.run(&["list", "--json"]).json();
    let listed = json["scenarios"].as_array().unwrap();
    let mut files = 0;
    for file in fs::read_dir(catalogue).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".toml").unwrap();
        let starts = |line: &str| line.split_whitespace().next() == Some(name);
        assert!(narrow.out.lines().any(starts), "{name}:\n{}", narrow.out);
        assert!(listed.iter().any(|it| it["name"] == name), "{name}");
        files += 1;
    }
    assert_eq!(listed.len(), files);
}

/// The fields that the documentation of JSON has in the tables below a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let text = include_str!("../../docs/json.md");
    let from = text.find(&format!("\n{heading}\n")).expect(heading) + heading.len() + 2;
    let rest = &text[from..];
    let end = rest.find("\n#").unwrap_or(rest.len());
    let rows = rest[..end].lines().filter(|line| line.starts_with("| `"));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let names = first.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    names.map(str::to_owned).collect()
}

#[track_caller]
fn same_fields(object: &serde_json::Value, documented: &BTreeSet<String>) {
    let fields: BTreeSet<_> = object.as_object().unwrap().keys().cloned().collect();
    assert_eq!(&fields, documented);
}

#[test]
fn json_has_the_documented_fields_and_no_others() {
    let lab = Lab::new();
    write(&lab, "sleeper.toml", SLEEPER);
    let common: BTreeSet<_> = ["command", "format"].map(str::to_owned).into();
    let ending: BTreeSet<_> = ["ending", "exit_code"].map(str::to_owned).into();

    let ran = lab.run(&["run", "./sleeper.toml", "--json", "--seeds", "2"]);
    ran.says(0, &[]);
    assert!(ran.err.is_empty(), "{}", ran.err);
    let json = ran.json();
    let of_run = &(&documented("## `run`") | &common) | &ending;
    same_fields(&json, &of_run);
    assert_eq!(json["command"], "run");
    assert_eq!(json["exit_code"], 0);
    let runs = json["runs"].as_array().unwrap();
    let told: Vec<_> = runs
        .iter()
        .map(|run| {
            same_fields(run, &documented("### `runs`"));
            let text = |field: &str| run[field].as_str().unwrap().to_owned();
            (
                text("contender"),
                run["seed"].as_u64().unwrap(),
                text("outcome"),
            )
        })
        .collect();
    let row = |lock: &str, seed, outcome: &str| (lock.to_owned(), seed, outcome.to_owned());
    let expected = [
        row("redlock", 0, "broken"),
        row("redlock", 1, "broken"),
        row("redlock-fenced", 0, "fenced"),
        row("redlock-fenced", 1, "fenced"),
    ];
    assert_eq!(told, expected);

    let json = lab.run(&["list", "./sleeper.toml", "--json"]).json();
    same_fields(&json, &(&documented("## `list`") | &common));
    same_fields(&json["scenarios"][0], &documented("### `scenarios`"));

    write(&lab, "calm.toml", &with(CALM, "\"safe\"", "\"broken\""));
    let ran = lab.run(&["run", "./calm.toml", "--json"]);
    ran.says(4, &[]);
    let json = ran.json();
    same_fields(&json, &of_run);
    assert_eq!(json["ending"], "inconclusive");
    assert_eq!(json["as_expected"], false);
    assert_eq!(json["runs"][0]["expected"], "broken");
    assert_eq!(json["runs"][0]["outcome"], "safe");
}

#[test]
fn colours_are_for_those_who_want_them() {
    let lab = Lab::new();
    write(&lab, "sleeper.toml", SLEEPER);
    for arguments in [
        &["run", "./sleeper.toml"][..],
        &["explain", "sleeper/redlock"],
    ] {
        let run = |variables: &[&str]| {
            let mut command = lab.command(arguments);
            command.envs(variables.iter().map(|name| (name, "1")));
            let ran = Ran::from(command.output().unwrap());
            ran.says(0, &[]);
            ran.out
        };
        let (plain, coloured) = (run(&[]), run(&["CLICOLOR_FORCE"]));
        assert!(!plain.contains('\x1b'), "{plain}");
        assert!(coloured.contains("\x1b["), "{coloured}");
        assert_eq!(run(&["NO_COLOR"]), plain);
        let stripped: String = coloured
            .split('\x1b')
            .enumerate()
            .map(|(place, part)| match place {
                0 => part,
                _ => part.split_once('m').unwrap().1,
            })
            .collect();
        assert_eq!(stripped, plain, "colours change nothing else");
    }
}

#[test]
fn the_same_run_is_kept_in_the_same_bytes() {
    let kept = || {
        let lab = Lab::new();
        write(&lab, "sleeper.toml", SLEEPER);
        lab.run(&["run", "./sleeper.toml"]).says(0, &[]);
        lab.files("target/runs")
    };
    let (one, other) = (kept(), kept());
    assert!(
        one.keys()
            .any(|name| name == "sleeper/redlock/0/history.jsonl")
    );
    assert_eq!(
        one.keys().collect::<Vec<_>>(),
        other.keys().collect::<Vec<_>>()
    );
    for (name, text) in one
        .iter()
        .filter(|(name, _)| !name.ends_with("manifest.json"))
    {
        assert_eq!(text, &other[name], "{name}");
    }
}
