//! Completions for shells.

use clap::{Args, Command, CommandFactory};
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
    let all = super::Cli::command();
    // What is hidden is not for people, and would be completed all the same.
    let shown = all.get_subcommands().filter(|sub| !sub.is_hide_set());
    let mut command = Command::new(super::NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments().cloned())
        .subcommands(shown.cloned());
    clap_complete::generate(options.shell, &mut command, super::NAME, &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(Ending::AsExpected)
}
