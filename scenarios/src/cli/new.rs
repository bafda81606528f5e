//! `redlock-lab new NAME`: a scenario to begin with.

use std::path::PathBuf;

use clap::Args;

use super::{
    Ending, Error,
    output::{note, print},
    shell,
};
use crate::files::write_whole;

/// What is made.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// The scenario's name: small letters, digits and dashes.
    name: String,
    /// The folder that it is written into.
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// Print it instead.
    #[arg(long, conflicts_with = "to")]
    print: bool,
}

/// Runs as it is.
const TEMPLATE: &str = include_str!("new/template.toml");

/// Writes a template with a comment on every field. A file that exists is left alone.
///
/// # Errors
///
/// When the name is none, the file exists, or it cannot be written.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let name = &options.name;
    let is_plain = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
    if name.is_empty() || name.starts_with('-') || !name.chars().all(is_plain) {
        return Err(Error::wrong(format!(
            "{name:?} cannot be the name of a scenario: use small letters, digits and dashes, as in `paused-holder`"
        )));
    }
    if options.print {
        print(TEMPLATE)?;
        return Ok(Ending::AsExpected);
    }
    let file = options.to.join(format!("{name}.toml"));
    if file.exists() {
        return Err(Error::wrong(format!(
            "{} exists already: choose another name, or remove it",
            file.display()
        )));
    }
    write_whole(&file, TEMPLATE)?;
    let shown = shell::quoted(&file);
    note(&format!(
        "wrote {shown}; run it with: redlock-lab run {shown}"
    ));
    Ok(Ending::AsExpected)
}
