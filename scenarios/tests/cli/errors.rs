//! What users can do wrong, and what happens to them: one line that says what, where and what to do, and code 2.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use crate::lab::{Lab, Ran};

const ONE_PLAN: &[&str] = &["hunt", "--profile", "tight", "--plans", "1"];

#[test]
fn flags_that_make_no_sense_are_explained() {
    let lab = Lab::new();
    let says = |arguments: &[&str], parts: &[&str]| {
        let ran = lab.run(arguments);
        ran.says(2, parts);
        assert!(ran.out.is_empty(), "{}", ran.out);
    };
    says(
        &["hunt", "--profile", "tigth"],
        &["tigth", "similar", "'tight'"],
    );
    says(
        &["hunt", "--region", "node-rat"],
        &["similar", "'node-rate'"],
    );
    for shard in ["0/4", "5/4", "4", "a/b", "1/0"] {
        says(&["hunt", "--shard", shard], &["--shard", "from 1/4 to 4/4"]);
    }
    says(
        &["hunt", "--shard", "1/2", "--steer"],
        &["--steer", "cannot be used with"],
    );
    says(&["hunt", "--seeds", "9..3"], &["--seeds", "0..200"]);
    says(
        &["hunt", "--seeds", "0..3", "--plans", "3"],
        &["cannot be used with"],
    );
    says(&["hunt", "--plans", "0"], &["--plans"]);
    says(&["hunt", "--jobs", "0"], &["--jobs"]);
    says(
        &["hunt", "--time-limit", "soon"],
        &["--time-limit", "90s, 10m, 2h"],
    );
    says(
        &["hnut"],
        &["\"hnut\"", "did you mean the command \"hunt\"?"],
    );
    says(&["hunt", "--keep-gong"], &["--keep-gong", "--keep-going"]);
    says(&["replay"], &["<FILE>"]);
    says(&["merge"], &["<FILE>"]);
    says(&["completions", "tcsh"], &["tcsh", "bash"]);
}

#[test]
fn a_rule_that_this_build_cannot_switch_off_is_explained() {
    let lab = Lab::new();
    let typo = lab.run(&["hunt", "--planted", "fencing-not-on-read"]);
    typo.complains(&["fencing-not-on-reads"]);
    #[cfg(not(feature = "planted-bugs"))]
    {
        let ran = lab.run(&["hunt", "--planted", "no-restart-guard"]);
        ran.complains(&["no-restart-guard", "--features planted-bugs -- hunt"]);
        fs::write(
            lab.path("a.toml"),
            "seed = 1\nplanted = \"no-restart-guard\"\n",
        )
        .unwrap();
        lab.run(&["replay", "a.toml"])
            .says(2, &["a.toml", "no-restart-guard", "planted-bugs"]);
    }
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let lab = Lab::new();
    fs::create_dir(lab.path("folder")).unwrap();
    fs::write(lab.path("binary"), [0xff, 0xfe]).unwrap();
    fs::write(lab.path("empty.toml"), "").unwrap();
    fs::write(lab.path("wrong.toml"), "seed = 1\nsed = 2\n").unwrap();
    lab.run(&["replay", "nowhere.toml"])
        .complains(&["nowhere.toml", "no such file"]);
    lab.run(&["replay", "folder"])
        .complains(&["folder", "it is a folder"]);
    lab.run(&["replay", "binary/a"])
        .complains(&["binary/a", "part of the path is a file"]);
    lab.run(&["replay", "binary"])
        .complains(&["binary", "not text"]);
    lab.run(&["replay", "/dev/zero"])
        .complains(&["/dev/zero", "neither a file nor a folder"]);
    lab.run(&["replay", "empty.toml"])
        .says(2, &["empty.toml", "seed"]);
    lab.run(&["replay", "wrong.toml"])
        .says(2, &["wrong.toml", "sed"]);
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let lab = Lab::new();
    let hunt = |to: &str| lab.run(&[ONE_PLAN, &["--to", to]].concat());
    fs::write(lab.path("file"), "").unwrap();
    hunt("file/x").complains(&["file/x", "part of the path is a file"]);
    hunt("/dev/full/x").complains(&["/dev/full/x", "part of the path is a file"]);
    lab.run(&["man", "--to", "file/x"]).complains(&["file/x"]);

    // Whoever is root may write everywhere but there.
    let locked = lab.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    let place = if rustix::process::geteuid().is_root() {
        "/sys/redlock-lab".to_owned()
    } else {
        locked.join("x").display().to_string()
    };
    let ran = hunt(&place);
    ran.complains(&[&place]);
    let why = ["permission denied", "read-only"];
    assert!(why.iter().any(|why| ran.err.contains(why)), "{}", ran.err);

    // Something is where the record should be.
    hunt("to").says(0, &[]);
    let record = lab.record("to");
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    hunt("to").complains(&["shard-1-of-1.jsonl", "is no file; remove it"]);
}

/// A file that may not grow is what a full disk looks like to a program; `/dev/full` is one.
#[test]
fn a_full_disk_is_called_that_and_costs_nothing_that_was_done() {
    let lab = Lab::new();
    let search = ["hunt", "--profile", "tight", "--plans", "12", "--to", "to"];
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_redlock-lab"))
        .args(search)
        .current_dir(lab.path(""));
    let ran = Ran::from(limited.output().unwrap());
    ran.complains(&["shard-1-of-1.jsonl", "larger than this process may write"]);
    let partial = fs::read_to_string(lab.record("to")).unwrap();
    assert!(partial.lines().count() > 1, "some plans were written");
    lab.run(&search).says(0, &["12 plans"]);
    let whole = fs::read_to_string(lab.record("to")).unwrap();
    let last = partial.rfind('\n').unwrap();
    assert!(whole.starts_with(&partial[..=last]));

    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = lab.command(&search);
    let ran = Ran::from(
        command
            .stdout(full)
            .stderr(Stdio::piped())
            .output()
            .unwrap(),
    );
    ran.says(2, &["redlock-lab: cannot print: the disk is full"]);
}

/// Whatever else a command writes says the same of a full disk, and leaves nothing behind that could be taken for what it was to write.
#[test]
fn every_output_says_that_the_disk_is_full() {
    let lab = Lab::new();
    std::os::unix::fs::symlink("/dev/full", lab.path("full")).unwrap();
    lab.run(&["schema", "--to", "full"])
        .complains(&["full: cannot write it: the disk is full"]);
    let link = fs::symlink_metadata(lab.path("full")).unwrap();
    assert!(link.is_symlink(), "a link stays what it is");
    // What is read to its end below has to have one.
    fs::remove_file(lab.path("full")).unwrap();

    lab.run(&[ONE_PLAN, &["--to", "hunts"]].concat())
        .says(0, &[]);
    let record = lab.record("hunts").display().to_string();
    fs::write(
        lab.path("case.toml"),
        "seed = 1\n[config]\nsafety_ms = 500\nliveness_ms = 500\n",
    )
    .unwrap();
    let why = "larger than this process may write";
    for (arguments, file) in [
        (&["merge", &record, "--to", "merged"][..], "merged.jsonl"),
        (&["schema", "--to", "schema.json"], "schema.json"),
        (&["new", "mine"], "mine.toml"),
        (
            &["replay", "case.toml", "--write", "--runs", "kept"],
            "kept",
        ),
        (&["man", "--to", "pages"], "pages"),
    ] {
        let before = lab.files("");
        let mut limited = Command::new("sh");
        limited
            .args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_redlock-lab"))
            .args(arguments)
            .current_dir(lab.path(""));
        let ran = Ran::from(limited.output().unwrap());
        ran.says(2, &[file, why]);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
        let after = lab.files("");
        let new: Vec<_> = after
            .keys()
            .filter(|it| !before.contains_key(*it))
            .collect();
        assert!(new.is_empty(), "{arguments:?} left {new:?}");
    }
}

/// Whoever asks for real servers where there are none is told so before anything runs.
#[test]
fn a_redis_server_that_is_missing_is_named() {
    let lab = Lab::new();
    fs::write(lab.path("case.toml"), "seed = 1\n").unwrap();
    fs::create_dir(lab.path("nothing")).unwrap();
    for arguments in [
        &["run", "paused-holder", "--live"][..],
        &["replay", "case.toml", "--live"],
        &["demo", "--seconds", "6"],
        &["endure", "--seconds", "6"],
    ] {
        let with = |variable: &str, value: &str| {
            let mut command = lab.command(arguments);
            command
                .env_remove("REDLOCK_REDIS_SERVER")
                .env(variable, value);
            Ran::from(command.output().unwrap())
        };
        with("REDLOCK_REDIS_SERVER", "/nowhere/redis-server").complains(&[
            "REDLOCK_REDIS_SERVER names /nowhere/redis-server",
            "which is not there",
        ]);
        with("REDLOCK_REDIS_SERVER", "/bin/true")
            .complains(&["/bin/true is not a usable redis-server"]);
        let nothing = lab.path("nothing").display().to_string();
        with("PATH", &nothing)
            .complains(&["redis-server was not found", "set REDLOCK_REDIS_SERVER"]);
    }
    assert!(!lab.path("target/runs/paused-holder").exists());
}

#[test]
fn what_clocks_of_real_nodes_need_is_named_as_the_reason_of_a_skipped_run() {
    let lab = Lab::new();
    for (variable, what) in [
        ("REDLOCK_LIBFAKETIME", "no libfaketime was found"),
        ("REDIS_SERVER_6_2", "no redis-server 6.2 was found"),
    ] {
        let mut command = lab.command(&["run", "node-clock-jump", "--live"]);
        command.env(variable, "/nowhere");
        Ran::from(command.output().unwrap()).says(
            4,
            &[
                "skipped: node-clock-jump",
                what,
                "nothing ran: all of these scenarios are skipped",
            ],
        );
    }
}

#[test]
fn nobody_reading_any_more_is_no_error_of_ours() {
    let lab = Lab::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = lab.command(&["man"]);
    let ran = Ran::from(
        command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap(),
    );
    assert_eq!((ran.code, ran.err.as_str()), (Some(141), ""));
}
