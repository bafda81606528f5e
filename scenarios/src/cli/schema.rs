//! `redlock-lab schema`: the format of scenarios, for editors.

use std::path::PathBuf;

use clap::Args;

use super::{Ending, Error, output::print};
use crate::{files::write_whole, scenario};

/// Where to.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Write it to this file instead of printing it.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Prints the JSON Schema of scenario files.
///
/// # Errors
///
/// When it cannot be written.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let schema = scenario::schema().map_err(|error| Error::wrong(error.to_string()))?;
    match &options.to {
        Some(path) => write_whole(path, &schema)?,
        None => print(&schema)?,
    }
    Ok(Ending::AsExpected)
}
