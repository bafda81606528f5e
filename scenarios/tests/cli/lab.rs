//! A folder of its own for each test, and the program run in it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A temporary folder in which the program runs.
pub(crate) struct Lab(TempDir);

/// What a run of the program came to.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redlock-lab"));
        command
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.command(arguments).output().unwrap().into()
    }

    /// The only record of a hunt below `folder`.
    pub(crate) fn record(&self, folder: &str) -> PathBuf {
        let files = self.files(folder);
        let mut records = files.keys().filter(|name| name.ends_with(".jsonl"));
        let record = records.next().unwrap();
        assert_eq!(records.next(), None, "{files:?}");
        self.path(folder).join(record)
    }

    /// All files below a folder, by their paths in it.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<String, String> {
        let root = self.path(folder);
        let mut files = BTreeMap::new();
        collect(&root, &root, &mut files);
        files
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().display().to_string();
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// It ended with this code, and said all of this, on whichever stream.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, parts: &[&str]) {
        let Self { out, err, .. } = self;
        assert_eq!(self.code, Some(code), "{out}\n{err}");
        for part in parts {
            let said = out.contains(part) || err.contains(part);
            assert!(said, "{part:?} is not in:\n{out}\n{err}");
        }
    }

    /// It failed with one line of our own on standard error, and printed nothing.
    #[track_caller]
    pub(crate) fn complains(&self, parts: &[&str]) {
        self.says(2, parts);
        let Self { out, err, .. } = self;
        assert!(out.is_empty(), "{out}");
        assert!(err.starts_with("redlock-lab: "), "{err}");
        assert_eq!(err.lines().count(), 1, "{err}");
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }
}
