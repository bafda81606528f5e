//! Searches for violations, measures the search against planted bugs, and replays what was found.

mod planted;

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use simulator::{
    hunt::{Case, Found, Hunt, Planted, Tally, Where, hunt},
    plan::{Assumption, draw::Profile},
};

/// Draw plans of faults, run the lock under them, and judge what happened.
#[derive(Parser)]
#[command(name = "redlock-hunt")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Search for violations; exit with 1 when there are any.
    Search(Search),
    /// Find planted bugs, shrink what shows them, and save it with a table of what it took; exit with 1 when one is missed.
    Planted(planted::Measure),
    /// Run a saved case; exit with 1 when it does not violate what it says, or violates something and says nothing.
    Replay {
        /// A file as `planted` saves it.
        file: PathBuf,
    },
}

#[derive(Args)]
struct Search {
    /// The profiles that plans are drawn from, separated by commas; `all` for all published ones, each with as many plans.
    #[arg(long, default_value = "default", value_delimiter = ',', value_parser = profiles)]
    profile: Vec<Profiles>,
    /// How many plans of each profile.
    #[arg(long, default_value_t = 200)]
    plans: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Where plans are drawn: `within` all assumptions, `anywhere`, or just beyond one of them, by its name.
    #[arg(long, default_value = "within", value_parser = region)]
    region: Where,
    /// Switches a rule off, by its name.
    #[arg(long, value_parser = Planted::named)]
    planted: Option<Planted>,
    /// Prefers plans near those in which the safety margin was small.
    #[arg(long)]
    steer: bool,
    /// How many threads run plans, by default one per core; what is found does not depend on it.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// What one name on the command line stands for.
#[derive(Clone)]
struct Profiles(Vec<Profile>);

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Search(search) => Ok(search.run()),
        Command::Planted(measure) => measure.run(),
        Command::Replay { file } => replay(&file),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

impl Search {
    /// Whether nothing was violated.
    fn run(self) -> bool {
        let threads = self
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        let profiles: Vec<Profile> = self.profile.into_iter().flat_map(|one| one.0).collect();
        let many = profiles.len() > 1;
        let (mut together, mut violating) = (Tally::default(), 0);
        for profile in profiles {
            println!("{}:", profile.name);
            let hunted = hunt(&Hunt {
                profile,
                seeds: self.from..self.from.saturating_add(self.plans),
                region: self.region,
                planted: self.planted.clone(),
                threads,
                stops_early: false,
                steers: self.steer,
            });
            print!("{}", hunted.tally);
            for found in &hunted.found {
                println!("\n{}", found.story());
            }
            println!("{} plans violate something\n", hunted.found.len());
            together.join(&hunted.tally);
            violating += hunted.found.len();
        }
        if many {
            println!("together:\n{together}{violating} plans violate something");
        }
        violating == 0
    }
}

/// Whether the case violates all that it says, and nothing when it says nothing.
fn replay(file: &PathBuf) -> Result<bool, String> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
    let (case, said) = Case::from_toml(&name, &text).map_err(|error| error.to_string())?;
    let judged = case.judge();
    let violates = judged.violates();
    match Found::new(case, &judged) {
        Some(found) => print!("{}", found.story()),
        None => println!("Nothing is violated."),
    }
    for missing in said.difference(&violates) {
        println!("{missing} is said to be violated and is not.");
    }
    Ok(said.is_subset(&violates) && said.is_empty() == violates.is_empty())
}

fn profiles(name: &str) -> Result<Profiles, String> {
    if name == "all" {
        let all = Profile::NAMES.into_iter().filter_map(Profile::named);
        return Ok(Profiles(all.collect()));
    }
    profile(name).map(|profile| Profiles(vec![profile]))
}

fn profile(name: &str) -> Result<Profile, String> {
    let known = || Profile::NAMES.join(", ");
    Profile::named(name).ok_or_else(|| format!("there are {}", known()))
}

fn region(name: &str) -> Result<Where, String> {
    if let Some(which) = Assumption::ALL
        .into_iter()
        .find(|which| kebab(*which) == name)
    {
        return Ok(Where::JustBeyond(which));
    }
    match name {
        "within" => Ok(Where::Within),
        "anywhere" => Ok(Where::Anywhere),
        _ => {
            let beyond: Vec<_> = Assumption::ALL.into_iter().map(kebab).collect();
            Err(format!(
                "there are within, anywhere, and beyond one of {}",
                beyond.join(", ")
            ))
        }
    }
}

/// `node_rate` as `node-rate`.
fn kebab(which: Assumption) -> String {
    which.name().replace('_', "-")
}
