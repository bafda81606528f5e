//! Completions for shells.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Ending, Error, output::print};

/// Which shell.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// The shell.
    shell: Shell,
}

/// Prints what the shell has to read.
///
/// # Errors
///
/// When it cannot be printed.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let mut text = Vec::new();
    let mut command = super::Cli::command();
    clap_complete::generate(options.shell, &mut command, super::NAME, &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Ending::AsExpected)
}
