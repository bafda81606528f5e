//! The command line, `redlock-lab`.
//!
//! Every command is a file: its arguments, and a function that does it and says how it ended. [`Ending`] is the exit code,
//! [`Error`] why a command could not do its work; both are printed here and nowhere else.
//!
//! In reading order: `ending`, `error`; what commands have in common: `output` (printing, colours, progress, files that are
//! written whole), `interrupt` (Ctrl-C), `names` (did you mean), `shell` (commands to paste), `picture` (a run as people see
//! it), `pick` (which scenarios and locks); then the commands: `run`, `list`, `show`, `new`, `schema`, `hunt`, `planted`, `replay`, `explain`,
//! `completions`, `man`; the live ones are in [`crate::demo`], [`crate::endure`] and [`crate::preflight`].

mod completions;
mod ending;
mod error;
mod explain;
mod hunt;
mod interrupt;
mod list;
mod man;
mod names;
mod new;
mod output;
mod pick;
mod picture;
mod planted;
mod replay;
mod run;
mod schema;
mod shell;
mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use self::{ending::Ending, error::Error};
use crate::{
    demo::{self, WorkerOptions},
    endure,
    live::{self, GuardOptions},
    preflight, rig,
};

/// What the program is called.
const NAME: &str = "redlock-lab";

/// Attacks the Redlock client: in a simulated world, where every run can be had again, and on real redis-server processes.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    version,
    args_conflicts_with_subcommands = true,
    after_help = EXIT_CODES,
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Options,
}

const EXIT_CODES: &str = "\
Exit codes: 0 as expected, 1 safety violated, 2 arguments, files or set-up at fault, 3 no progress, 4 inconclusive, \
128 and a signal's number when interrupted.
Environment: NO_COLOR, CLICOLOR_FORCE, COLUMNS; REDLOCK_REDIS_SERVER names the redis-server of live runs.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs scenarios with all their locks, and compares what comes of it with what is expected; what runs when no command is given.
    #[command(after_help = EXIT_CODES)]
    Run(run::Options),
    /// Lists the scenarios.
    List(list::Options),
    /// Tells a scenario: its story, its clients, its faults over time, and what is expected of each lock.
    Show(show::Options),
    /// Writes a scenario to begin with, with a comment on every field.
    New(new::Options),
    /// Prints the JSON Schema of scenario files, with which editors complete them.
    Schema(schema::Options),
    /// Shows the client at work on real servers, in a terminal, while nodes and holders are stopped and killed.
    Demo(demo::Options),
    /// Draws plans of faults until one violates something, makes it small, and saves it.
    #[command(after_help = EXIT_CODES)]
    Hunt(hunt::Options),
    /// Joins the records of a hunt's shards into what the whole hunt gives.
    #[command(after_help = EXIT_CODES)]
    Merge(hunt::MergeOptions),
    /// Measures the hunt: switches off one rule after the other, and finds, makes small and saves what shows it.
    #[command(after_help = EXIT_CODES)]
    Planted(planted::Options),
    /// Runs a saved case again, and shows what happens.
    #[command(after_help = EXIT_CODES)]
    Replay(replay::Options),
    /// Tells a run that was kept, as a picture over time and in a few sentences.
    #[command(after_help = EXIT_CODES)]
    Explain(explain::Options),
    /// The failure test: workers contend while nodes and workers are stopped, killed and restarted; any duration.
    Endure(endure::Options),
    /// Looks at the nodes of a cluster and says what stands in the way: the first thing an operator runs.
    Preflight(preflight::Options),
    /// Prints completions for a shell.
    Completions(completions::Options),
    /// Prints the manual page, or writes those of all commands.
    Man(man::Options),
    /// A contending worker: a child process of the failure test.
    #[command(hide = true)]
    EndureWorker(endure::WorkerOptions),
    /// A contending worker: a child process of the demonstration.
    #[command(hide = true)]
    Worker(WorkerOptions),
    /// A client host of a case on real servers: a child process of the rig.
    #[command(hide = true)]
    RigWorker(rig::WorkerOptions),
    /// What removes everything when a supervisor is killed: a child process of it.
    #[command(hide = true)]
    Guard(GuardOptions),
}

/// The whole program: reads its arguments, does what they say, and returns its exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = cli.command.unwrap_or(Command::Run(cli.run)).run();
    let ending = ended.unwrap_or_else(|error| output::fail(&error));
    ExitCode::from(ending.code())
}

impl Command {
    fn run(self) -> Result<Ending, Error> {
        match self {
            Self::Run(options) => run::run(&options),
            Self::List(options) => list::run(&options),
            Self::Show(options) => show::run(&options),
            Self::New(options) => new::run(&options),
            Self::Schema(options) => schema::run(&options),
            Self::Demo(options) => live(demo::run(&options)),
            Self::Hunt(options) => hunt::run(&options),
            Self::Merge(options) => hunt::merge(&options),
            Self::Planted(options) => planted::run(&options),
            Self::Replay(options) => replay::run(&options),
            Self::Explain(options) => explain::run(&options),
            Self::Endure(options) => live(endure::run(&options)),
            Self::Preflight(options) => live(preflight::run(&options)),
            Self::Completions(options) => completions::run(&options),
            Self::Man(options) => man::run(&options),
            Self::EndureWorker(options) => live(endure::work(&options).map(|()| 0)),
            Self::Worker(options) => live(demo::work(&options).map(|()| 0)),
            Self::RigWorker(options) => live(rig::work(&options).map(|()| 0)),
            Self::Guard(options) => live(live::guard(&options).map(|()| 0)),
        }
    }
}

fn live(ended: Result<u8, live::Error>) -> Result<Ending, Error> {
    Ok(Ending::of_code(ended?))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        super::Cli::command().debug_assert();
    }
}
