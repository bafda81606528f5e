//! Manual pages.

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::{Ending, Error, output::print};
use crate::files::write_whole;

/// Where to.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// Write a page per command into this folder, instead of printing the one of the program.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Prints the program's page, or writes the pages of all commands.
///
/// # Errors
///
/// When they cannot be printed or written.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let mut command = super::Cli::command();
    command.build();
    match &options.to {
        None => print(&page(&command).map_err(Error::Output)?)?,
        Some(folder) => {
            let file = write(&command, super::NAME, folder)?;
            for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
                write(sub, &format!("{}-{}", super::NAME, sub.get_name()), folder)?;
            }
            print(&format!("man {}\n", super::shell::quoted(&file)))?;
        }
    }
    Ok(Ending::AsExpected)
}

fn write(command: &Command, name: &str, folder: &Path) -> Result<PathBuf, Error> {
    let file = folder.join(format!("{name}.1"));
    let text = page(command);
    write_whole(&file, &text.map_err(Error::file(&file, "write it"))?)?;
    Ok(file)
}

fn page(command: &Command) -> io::Result<String> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
