//! What is printed, and how.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::termios::tcgetwinsize;

use super::{Ending, Error};

/// Columns where there is no terminal to ask.
const USUAL_WIDTH: usize = 120;
/// Fewer than these are not used: pictures need room.
const LEAST_WIDTH: usize = 80;

/// What standard output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Whether to colour.
    pub(crate) colour: bool,
    /// How many columns to use.
    pub(crate) width: usize,
}

impl Terminal {
    /// Looks at standard output and at the environment: colour on a terminal that is not `dumb`, never with `NO_COLOR`, always
    /// with `CLICOLOR_FORCE`; the width of the terminal, or `COLUMNS`, or 120.
    pub(crate) fn stdout() -> Self {
        let stdout = io::stdout();
        let on = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let forced = on("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let capable = stdout.is_terminal() && on("TERM").is_some_and(|term| term != "dumb");
        let columns = || on("COLUMNS").and_then(|columns| columns.parse().ok());
        let width = tcgetwinsize(&stdout).ok().map(|size| size.ws_col.into());
        let width = width.filter(|width| *width > 0).or_else(columns);
        Self {
            colour: on("NO_COLOR").is_none() && (forced || capable),
            width: width.unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH),
        }
    }
}

/// Prints to standard output.
///
/// # Errors
///
/// Those of writing; nobody reading any more is one of them.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::Output)
}

/// Prints one JSON object.
///
/// # Errors
///
/// Those of writing.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::Output(io::Error::other(error)))?;
    print(&(text + "\n"))
}

/// Says something beside the output; nobody listening is no reason to stop.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says why a command failed, and how it ends. When nobody reads the output any more, it ends as by SIGPIPE, in silence.
pub(super) fn fail(error: &Error) -> Ending {
    match error {
        Error::Output(broken) if broken.kind() == io::ErrorKind::BrokenPipe => {
            return Ending::Interrupted(13);
        }
        _ => note(&format!("redlock-lab: {}", error.to_string().trim_end())),
    }
    Ending::Usage
}

/// A bar on standard error, when that is a terminal; nothing otherwise. Without a length it only counts.
pub(crate) fn progress(length: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = match length {
        Some(length) => ProgressBar::new(length),
        None => ProgressBar::no_length(),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr());
    let template = match length {
        Some(_) => "{prefix} [{bar:30}] {pos}/{len}, {eta} left {msg}",
        None => "{prefix} {spinner} {pos} in {elapsed} {msg}",
    };
    // The templates are fixed and have no errors.
    let style = ProgressStyle::with_template(template);
    bar.set_style(
        style
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> "),
    );
    bar.set_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
