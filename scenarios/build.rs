//! Tells the program what it was built from: run folders and the records of searches say so, and records of other sources are
//! refused. Without git or outside of the repository it builds all the same, and says less.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha1_smol::Sha1;

/// What a simulated run depends on, besides its configuration, plan and seed.
const SOURCES: [&str; 6] = [
    "Cargo.lock",
    "Cargo.toml",
    "redlock/Cargo.toml",
    "redlock/src",
    "simulator/Cargo.toml",
    "simulator/src",
];

fn main() {
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = own.parent().map(Path::to_owned).unwrap_or(own);
    println!("cargo::rerun-if-changed=build.rs");
    let mut digest = Sha1::new();
    for name in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(name).display());
        add(&root, &root.join(name), &mut digest);
    }
    println!(
        "cargo::rustc-env=REDLOCK_LAB_SOURCES={}",
        &digest.digest().to_string()[..16]
    );
    println!(
        "cargo::rustc-env=REDLOCK_LAB_DEPENDENCIES={}",
        dependencies(&root.join("Cargo.lock"))
    );
    if let Some(commit) = commit(&root) {
        println!("cargo::rustc-env=REDLOCK_LAB_COMMIT={commit}");
    }
    if let Some(log) = git(&root, &["rev-parse", "--git-path", "logs/HEAD"]) {
        let log = root.join(log);
        if log.exists() {
            println!("cargo::rerun-if-changed={}", log.display());
        }
    }
}

/// Names and contents, in the order of the names.
fn add(root: &Path, path: &Path, digest: &mut Sha1) {
    if path.is_dir() {
        let mut inside: Vec<_> = fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        inside.sort();
        for path in inside {
            add(root, &path, digest);
        }
    } else if let Ok(content) = fs::read(path) {
        let name = path.strip_prefix(root).unwrap_or(path);
        digest.update(name.to_string_lossy().as_bytes());
        digest.update(&(content.len() as u64).to_le_bytes());
        digest.update(&content);
    }
}

/// The versions of those that decide what happens in a simulated run.
fn dependencies(lock: &Path) -> String {
    let text = fs::read_to_string(lock).unwrap_or_default();
    let mut found = Vec::new();
    let mut name = "";
    for line in text.lines() {
        let value = |field| line.strip_prefix(field)?.strip_suffix('"');
        if let Some(named) = value("name = \"") {
            name = named;
        } else if let Some(version) = value("version = \"")
            && ["mlua", "redis", "tokio", "turmoil"].contains(&name)
        {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(", ")
}

/// The commit, and whether there is more than it.
fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let changes = git(root, &["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changes.is_empty() { "" } else { "-dirty" };
    Some(commit + dirty)
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(arguments)
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
