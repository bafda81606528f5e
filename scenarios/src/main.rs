//! The command line of the laboratory. Exit codes: 0 everything was as expected, 1 safety was violated, 2 the set-up or the
//! arguments are at fault, 3 the run did not make the progress it should; 128 and a signal's number when one ended the run.

#[cfg(unix)]
mod cli {
    use std::process::ExitCode;

    use clap::{Parser, Subcommand};
    use scenarios::{
        demo::{self, Options, WorkerOptions},
        endure,
        live::{self, GuardOptions},
        preflight, rig,
    };

    /// Shows the Redlock client at work on five real redis-server processes, while nodes and holders are stopped and killed.
    ///
    /// Exit codes: 0 as expected, 1 safety violated, 2 set-up or arguments, 3 no progress, 130 interrupted.
    #[derive(Debug, Parser)]
    #[command(name = "redlock-lab", version, args_conflicts_with_subcommands = true)]
    struct Cli {
        #[command(subcommand)]
        command: Option<Command>,
        #[command(flatten)]
        demo: Options,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        /// The live demonstration; what runs when no command is given.
        Demo(Options),
        /// The failure test: workers contend while nodes and workers are stopped, killed and restarted; any duration.
        Endure(endure::Options),
        /// Looks at the nodes of a cluster and says what stands in the way: the first thing an operator runs.
        Preflight(preflight::Options),
        /// A contending worker: a child process of the failure test.
        #[command(hide = true)]
        EndureWorker(endure::WorkerOptions),
        /// A contending worker: a child process of the demonstration.
        #[command(hide = true)]
        Worker(WorkerOptions),
        /// A client host of a simulator's case: a child process of the rig.
        #[command(hide = true)]
        RigWorker(rig::WorkerOptions),
        /// What removes everything when a supervisor is killed: a child process of it.
        #[command(hide = true)]
        Guard(GuardOptions),
    }

    pub(super) fn main() -> ExitCode {
        let cli = Cli::parse();
        let ended = match cli.command.unwrap_or(Command::Demo(cli.demo)) {
            Command::Demo(options) => demo::run(&options),
            Command::Endure(options) => endure::run(&options),
            Command::Preflight(options) => preflight::run(&options),
            Command::EndureWorker(options) => endure::work(&options).map(|()| 0),
            Command::Worker(options) => demo::work(&options).map(|()| 0),
            Command::RigWorker(options) => rig::work(&options).map(|()| 0),
            Command::Guard(options) => live::guard(&options).map(|()| 0),
        };
        ExitCode::from(ended.unwrap_or_else(|error| {
            // Not `eprintln!`, which panics when nobody reads any more.
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("redlock-lab: {error}\n"),
            );
            2
        }))
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    cli::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("redlock-lab: live runs stop processes with signals, so it needs Linux or macOS");
    std::process::ExitCode::from(2)
}
