//! Searches, whole and in shards.

use simulator::plan::draw::Profile;
use std::{fs, io::Write as _};

use crate::lab::Lab;

/// Twelve quick plans, of which the eighth is the first that violates something.
const STOPS: &[&str] = &["--region", "anywhere", "--seeds", "4..16"];
/// All violations of twelve quick plans.
const GOES_ON: &[&str] = &["--region", "anywhere", "--seeds", "8..20", "--keep-going"];
/// Two profiles would take long; these are enough runs to see that shrinking gives the same.
const QUICK: &[&str] = &["--profile", "tight", "--shrink-runs", "6"];

fn hunt(lab: &Lab, to: &str, arguments: &[&[&str]]) -> crate::lab::Ran {
    let all = [&["hunt", "--to", to], QUICK, &arguments.concat()].concat();
    lab.run(&all)
}

fn merge(lab: &Lab, to: &str, files: &[&str]) -> crate::lab::Ran {
    lab.run(&[&["merge", "--shrink-runs", "6", "--to", to], files].concat())
}

#[test]
fn a_planted_bug_is_found_made_small_saved_and_shown_again() {
    let lab = Lab::new();
    let planted = ["--planted", "fencing-not-on-reads", "--seeds", "8..12"];
    let arguments = [&["hunt", "--profile", "tight", "--json"], &planted[..]].concat();
    let found = lab.run(&arguments);
    found.says(1, &[]);
    let json = found.json();
    assert_eq!(json["ending"], "safety");
    assert_eq!(json["plans_missing"], 0);
    assert_eq!(json["violations"][0]["violates"][0], "fencing");
    let saved = &json["saved"][0];
    assert!(
        saved["windows"].as_u64() < saved["windows_drawn"].as_u64(),
        "{saved}"
    );
    let file = saved["file"].as_str().unwrap();

    // The same hunt again runs nothing, and says how to see it again.
    let again = lab.run(&[&["hunt", "--profile", "tight"], &planted[..]].concat());
    again.says(
        1,
        &[
            &format!("replay: redlock-lab replay {file}"),
            "plans were run before",
        ],
    );

    let shown = lab.run(&["replay", file]);
    shown.says(
        0,
        &[
            "as the file says, it violates fencing",
            "true time",
            "Violated at",
        ],
    );
    assert_eq!(
        lab.run(&["replay", file]).out,
        shown.out,
        "it is the same run"
    );
}

/// Whatever is cut into shards and put together again, in any order and any part twice, is what one search gives: the same
/// record, the same words, the same cases.
#[test]
fn shards_that_are_merged_are_the_whole_search() {
    for (name, search) in [("stops", STOPS), ("goes-on", GOES_ON)] {
        let lab = Lab::new();
        let whole = hunt(&lab, "whole", &[search, &["--jobs", "1"]]);
        whole.says(1, &["violate"]);
        let threads = hunt(&lab, "threads", &[search, &["--jobs", "3"]]);
        assert_eq!(
            threads.out.replace("threads/", "whole/"),
            whole.out,
            "{name}"
        );
        assert_eq!(lab.files("threads"), lab.files("whole"), "{name}");

        let mut records = Vec::new();
        for number in 1..=4 {
            let (to, shard) = (format!("shard-{number}"), format!("{number}/4"));
            let ran = hunt(&lab, &to, &[search, &["--shard", &shard]]);
            assert!(matches!(ran.code, Some(0 | 1)), "{}", ran.err);
            records.push(lab.record(&to).display().to_string());
        }
        let of = |numbers: &[usize]| -> Vec<&str> {
            numbers
                .iter()
                .map(|number| records[number - 1].as_str())
                .collect()
        };
        merge(&lab, "half", &of(&[4, 1]))
            .says(1, &["still to be run", "of shard 2/4", "of shard 3/4"]);
        let half = lab.record("half").display().to_string();
        let orders = [
            of(&[1, 2, 3, 4]),
            of(&[4, 2, 4, 1, 3]),
            [of(&[2]), vec![half.as_str()], of(&[3])].concat(),
        ];
        for (place, order) in orders.iter().enumerate() {
            let to = format!("merged-{place}");
            let merged = merge(&lab, &to, order);
            merged.says(1, &[]);
            assert_eq!(
                merged.out.replace(&format!("{to}/"), "whole/"),
                whole.out,
                "{name}"
            );
            let files: Vec<_> = lab.files(&to).into_values().collect();
            let expected: Vec<_> = lab.files("whole").into_values().collect();
            assert_eq!(files, expected, "{name}");
        }
    }
}

#[test]
fn a_merge_says_what_is_missing() {
    let lab = Lab::new();
    let quiet = ["--seeds", "0..4"];
    for number in ["1/2", "2/2"] {
        let ran = hunt(
            &lab,
            &number.replace('/', "-"),
            &[&quiet, &["--shard", number]],
        );
        ran.says(0, &["nothing is violated", &format!("shard {number}")]);
    }
    let (first, second) = (lab.record("1-2"), lab.record("2-2"));
    let [first, second] = [&first, &second].map(|path| path.to_str().unwrap());
    let half = merge(&lab, "to", &[second]);
    half.says(4, &["2 of 4 plans are still to be run: 2 of shard 1/2"]);
    let json = lab.run(&["merge", "--json", second, first]).json();
    assert_eq!(
        (&json["exit_code"], &json["plans_missing"]),
        (&0.into(), &0.into())
    );
    assert_eq!(json["plans_run"], 4);
}

#[test]
fn what_is_damaged_or_of_another_search_is_refused_by_name() {
    let lab = Lab::new();
    hunt(&lab, "a", &[&["--seeds", "0..3"]]).says(0, &[]);
    hunt(&lab, "b", &[&["--seeds", "0..2"]]).says(0, &[]);
    let (a, b) = (lab.record("a"), lab.record("b"));
    let [a_name, b_name] = [&a, &b].map(|path| path.to_str().unwrap());
    let foreign = merge(&lab, "to", &[a_name, b_name]);
    foreign.complains(&[b_name, "another search", "seeds 0..2", "seeds 0..3"]);

    let text = fs::read_to_string(&a).unwrap();
    let line = text.lines().nth(2).unwrap();
    fs::write(
        &a,
        text.replace(line, &line.replacen("\"plans\":1", "\"plans\":2", 1)),
    )
    .unwrap();
    let damaged = ["shard-1-of-1.jsonl: line 3", "checksum is wrong", "--fresh"];
    merge(&lab, "to", &[a_name]).complains(&damaged);
    hunt(&lab, "a", &[&["--seeds", "0..3"]]).complains(&damaged);
    hunt(&lab, "a", &[&["--seeds", "0..3", "--fresh"]]).says(0, &[]);
    assert_eq!(fs::read_to_string(&a).unwrap(), text, "it was done over");

    // A line of another search is no line of this one.
    let pasted = fs::read_to_string(&b).unwrap();
    let pasted = text.clone() + pasted.lines().last().unwrap() + "\n";
    fs::write(&a, pasted).unwrap();
    merge(&lab, "to", &[a_name]).complains(&[a_name, "line 5", "checksum"]);

    fs::write(&a, "").unwrap();
    merge(&lab, "to", &[a_name]).complains(&[a_name, "first line"]);
    fs::write(&a, "{\"a\":1}\n").unwrap();
    merge(&lab, "to", &[a_name]).complains(&[a_name, "line 1", "no record of a hunt"]);
    fs::write(&a, [0xff, 0xfe, b'\n']).unwrap();
    merge(&lab, "to", &[a_name]).complains(&[a_name, "line 1"]);
    merge(&lab, "to", &["/"]).complains(&["it is a folder"]);
    merge(&lab, "to", &["nowhere.jsonl"]).complains(&["nowhere.jsonl", "no such file"]);
}

/// A record is the beginning of a whole one wherever its writer died, and is made whole. A search that steers looks at batches of
/// 32 plans: it is cut in the second.
#[test]
fn a_search_goes_on_after_its_last_whole_line() {
    let straight = ["--region", "anywhere", "--seeds", "2..12", "--keep-going"];
    goes_on_after(&straight, &[(4, 0), (4, 1), (4, 40), (0, 10)]);
}

#[test]
fn so_does_one_that_steers() {
    let steered = [
        "--region",
        "anywhere",
        "--seeds",
        "0..36",
        "--keep-going",
        "--steer",
    ];
    goes_on_after(&steered, &[(34, 7)]);
    let lab = Lab::new();
    hunt(&lab, "steered", &[&steered, &["--jobs", "3"]]).says(1, &[", steered"]);
    let straight = &steered[..steered.len() - 1];
    hunt(&lab, "straight", &[straight]).says(1, &[]);
    let [one, other] = ["steered", "straight"].map(|to| {
        let text = fs::read_to_string(lab.record(to)).unwrap();
        text.lines()
            .map(|line| line.split_once("\"seed\"").map(|(_, rest)| rest.to_owned()))
            .collect::<Vec<_>>()
    });
    assert_eq!(one[..33], other[..33], "the first batch knows nothing");
    assert_ne!(one[33..], other[33..], "the second one does");
}

/// Cuts a record after so many whole lines and so many bytes, and has it made whole.
#[track_caller]
fn goes_on_after(search: &[&str], cuts: &[(usize, usize)]) {
    let lab = Lab::new();
    hunt(&lab, "to", &[search]).says(1, &[]);
    let record = lab.record("to");
    let text = fs::read_to_string(&record).unwrap();
    for (lines, bytes) in cuts {
        let whole: usize = text.lines().take(*lines).map(|line| line.len() + 1).sum();
        fs::write(&record, &text[..whole + bytes]).unwrap();
        hunt(&lab, "to", &[search]).says(1, &[]);
        let again = fs::read_to_string(&record).unwrap();
        assert!(again == text, "cut after {lines} lines and {bytes} bytes");
    }
}

#[test]
fn the_time_limit_ends_a_search_that_has_no_other_end() {
    let lab = Lab::new();
    let ran = hunt(&lab, "to", &[&["--time-limit", "1s", "--json"]]);
    ran.says(0, &[]);
    let json = ran.json();
    assert!(json["plans_run"].as_u64() > Some(0), "{json}");
    assert_eq!(json["plans_missing"], serde_json::Value::Null);
    assert_eq!(json["search"]["until"], serde_json::Value::Null);
}

#[test]
fn a_record_has_one_writer() {
    let lab = Lab::new();
    let search: &[&str] = &["--seeds", "0..1"];
    hunt(&lab, "to", &[search]).says(0, &[]);
    let mut held = fs::OpenOptions::new()
        .append(true)
        .open(lab.record("to"))
        .unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    hunt(&lab, "to", &[search]).complains(&["another hunt writes to it"]);
    held.flush().unwrap();
    drop(held);
    hunt(&lab, "to", &[search]).says(0, &[]);
}

#[test]
fn every_profile_can_be_searched_at_once() {
    let lab = Lab::new();
    let ran = lab.run(&["hunt", "--profile", "all", "--plans", "1", "--json"]);
    ran.says(0, &[]);
    assert_eq!(ran.json()["plans_run"], Profile::NAMES.len());
}
