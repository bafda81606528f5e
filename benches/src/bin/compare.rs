//! The comparison on real servers. Prints tables in Markdown.

#[cfg(unix)]
mod cli {
    use std::{io::Write as _, process::ExitCode, time::Duration};

    use benches::{
        clock,
        contender::Error,
        held::Hold,
        run::{Part, Plan},
        variant::Variant,
    };
    use clap::{Args, Parser, Subcommand};

    /// Measures the Redlock client on five redis-server processes, beside rslock and beside a raw loop over redis-rs that
    /// sends the same bytes. Everything runs in turn; figures are medians of the rounds.
    #[derive(Debug, Parser)]
    #[command(
        name = "redlock-compare",
        version,
        args_conflicts_with_subcommands = true
    )]
    struct Cli {
        #[command(subcommand)]
        command: Option<Command>,
        #[command(flatten)]
        compare: Compare,
    }

    #[derive(Debug, Subcommand)]
    enum Command {
        /// Holds leases and says what that took: a child process of the comparison.
        #[command(hide = true)]
        Hold(HoldArgs),
    }

    #[derive(Debug, Args)]
    struct Compare {
        /// What to measure; everything unless given.
        #[arg(long, value_enum, value_delimiter = ',')]
        parts: Vec<Part>,
        /// Who is measured; everyone unless given.
        #[arg(long, value_delimiter = ',')]
        variants: Vec<Variant>,
        /// How often everything is measured.
        #[arg(long, default_value_t = 7)]
        rounds: u32,
        /// Acquisitions of one task per round.
        #[arg(long, default_value_t = 2000)]
        cycles: u32,
        /// How long several tasks run per round, in milliseconds.
        #[arg(long, default_value_t = 1000)]
        millis: u64,
        /// Leases that are held at a time.
        #[arg(long, default_value_t = 10_000)]
        leases: u32,
        /// How long held leases are watched per round, in milliseconds.
        #[arg(long, default_value_t = 6700)]
        held_millis: u64,
    }

    #[derive(Debug, Args)]
    struct HoldArgs {
        #[arg(long)]
        variant: Variant,
        #[arg(long)]
        leases: u32,
        #[arg(long)]
        millis: u64,
        #[arg(long)]
        label: String,
        urls: Vec<String>,
    }

    #[tokio::main(worker_threads = 2)]
    pub(super) async fn main() -> ExitCode {
        let cli = Cli::parse();
        let done = match cli.command {
            Some(Command::Hold(args)) => hold(args).await,
            None => compare(cli.compare).await,
        };
        match done {
            Ok(text) => {
                // Nobody may be reading any more.
                let _ = writeln!(std::io::stdout(), "{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("redlock-compare: {error}");
                ExitCode::FAILURE
            }
        }
    }

    async fn hold(args: HoldArgs) -> Result<String, Error> {
        let hold = Hold {
            variant: args.variant,
            urls: args.urls,
            leases: args.leases,
            time: Duration::from_millis(args.millis),
            label: args.label,
        };
        Ok(hold.here().await?.to_string())
    }

    async fn compare(args: Compare) -> Result<String, Error> {
        let all = [
            Part::One,
            Part::Distinct,
            Part::OneKey,
            Part::Stopped,
            Part::Held,
        ];
        let or_all = |given: Vec<_>| {
            if given.is_empty() {
                all.to_vec()
            } else {
                given
            }
        };
        let plan = Plan {
            parts: or_all(args.parts),
            variants: if args.variants.is_empty() {
                Variant::ALL.to_vec()
            } else {
                args.variants
            },
            rounds: args.rounds,
            cycles: args.cycles,
            time: Duration::from_millis(args.millis),
            leases: args.leases,
            held_for: Duration::from_millis(args.held_millis),
            program: std::env::current_exe()?,
        };
        // In a task, as services run it: the main thread would have to be woken by the workers for each reply.
        let run = async move { plan.run(|step| eprintln!("{step}")).await };
        let report = clock::spawn(run)
            .await
            .map_err(|error| Error::Child(error.to_string()))??;
        Ok(report.to_string().trim_end().to_owned())
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    cli::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("redlock-compare: the test servers need Unix");
    std::process::ExitCode::FAILURE
}
