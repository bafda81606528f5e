//! Finds a redis-server, or gets one.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use redlock_testkit::{Binary, Error as ServerError};

use super::error::Error;

/// The variable with which people name their own server; the testkit reads it.
const OVERRIDE: &str = "REDLOCK_REDIS_SERVER";
const PACKAGE: &str = "redis-server";

/// Returns when a redis-server can be run. Where one is missing and the system's package manager can be used without asking
/// anybody, it is installed.
pub(crate) fn ensure_server() -> Result<(), Error> {
    match Binary::System.version() {
        Ok(_) => Ok(()),
        // Whoever names a server wants that one.
        Err(ServerError::MissingBinary(path)) if std::env::var_os(OVERRIDE).is_some() => {
            Err(Error::Server(format!(
                "{OVERRIDE} names {}, which is not there; name a redis-server, or unset it to use the system's",
                path.display()
            )))
        }
        Err(ServerError::MissingBinary(_)) => install(),
        Err(error) => Err(Error::Server(error.to_string())),
    }
}

fn install() -> Result<(), Error> {
    let Some(root) = way_to_root().filter(|_| on_path("apt-get").is_some()) else {
        return Err(Error::Server(hint()));
    };
    let words: Vec<&str> = root.iter().copied().chain(["apt-get"]).collect();
    say(&format!(
        "redis-server is missing: installing it with `{} install {PACKAGE}` (its package may also start a server on port 6379)",
        words.join(" ")
    ));
    for arguments in [&["update", "-qq"][..], &["install", "-y", "-qq", PACKAGE]] {
        let output = Command::new(words[0])
            .args(&words[1..])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output();
        let failed = match output {
            Ok(output) if output.status.success() => continue,
            Ok(output) => last_line(&output.stderr).unwrap_or_else(|| output.status.to_string()),
            Err(error) => error.to_string(),
        };
        return Err(Error::Server(format!(
            "apt-get {} failed ({failed}); {}",
            arguments[0],
            hint()
        )));
    }
    let version = Binary::System.version();
    version
        .map(drop)
        .map_err(|error| Error::Server(error.to_string()))
}

/// The words that make a command run as root, if no password is needed for that.
fn way_to_root() -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    sudo.is_ok_and(|status| status.success())
        .then_some(&["sudo", "-n"])
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn hint() -> String {
    let command = [
        ("apt-get", "apt-get install redis-server"),
        ("dnf", "dnf install redis"),
        ("pacman", "pacman -S redis"),
        ("apk", "apk add redis"),
        ("brew", "brew install redis"),
    ]
    .into_iter()
    .find(|(manager, _)| {
        on_path(manager).is_some() || Path::new("/usr/bin").join(manager).is_file()
    })
    .map_or("your package manager", |(_, command)| command);
    format!(
        "redis-server was not found: install it with `{command}`, or set {OVERRIDE} to the path of one"
    )
}

fn last_line(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    text.lines().next_back().map(String::from)
}

fn say(text: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(std::io::stderr(), "redlock-lab: {text}");
}
