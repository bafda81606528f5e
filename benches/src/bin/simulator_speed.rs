//! The simulator's speed and memory. Prints tables in Markdown.

#[cfg(unix)]
mod cli {
    use std::{fmt::Write as _, io::Write as _, process::ExitCode, time::Duration};

    use benches::{
        report::median,
        simulated::{
            histories::Histories,
            memory::Memory,
            plans::{self, Rate},
            speed::Speed,
            world::{Failed, Load},
        },
    };
    use clap::{Parser, ValueEnum};
    use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

    /// Measures the simulator: the default world of five nodes and three clients that contend for one resource. Everything
    /// runs in turn; figures are medians of the rounds.
    #[derive(Debug, Parser)]
    #[command(name = "simulator-speed", version)]
    struct Cli {
        /// What to measure; speed, plans and memory unless given.
        #[arg(long, value_enum, value_delimiter = ',')]
        parts: Vec<Part>,
        /// Lengths of a tick, in milliseconds.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 5])]
        ticks: Vec<u64>,
        /// How often everything but memory is measured.
        #[arg(long, default_value_t = 7)]
        rounds: u64,
        /// Simulated seconds of each world.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Plans per round.
        #[arg(long, default_value_t = 20)]
        plans: u64,
        /// On how many threads plans run.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        threads: Vec<usize>,
        /// How many worlds one process runs before its memory is looked at for the last time.
        #[arg(long, default_value_t = 10_000)]
        worlds: u64,
        /// Length of each of these worlds, in simulated milliseconds.
        #[arg(long, default_value_t = 1_500)]
        world_millis: u64,
        /// Seeds of which histories are run.
        #[arg(long, default_value_t = 4)]
        seeds: u64,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
    enum Part {
        /// Simulated seconds per second.
        Speed,
        /// Plans with drawn faults per second, run and judged.
        Plans,
        /// Resident memory in the course of many worlds.
        Memory,
        /// A number for each of some histories, to compare two builds by.
        Histories,
    }

    pub(super) fn main() -> ExitCode {
        match Cli::parse().run() {
            Ok(text) => {
                // Nobody may be reading any more.
                let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("simulator-speed: {error}");
                ExitCode::FAILURE
            }
        }
    }

    impl Cli {
        fn run(mut self) -> Result<String, Failed> {
            if self.parts.is_empty() {
                self.parts = vec![Part::Speed, Part::Plans, Part::Memory];
            }
            let mut text = String::new();
            for part in &self.parts {
                let told = match part {
                    Part::Speed => self.speed()?,
                    Part::Plans => self.plans()?,
                    Part::Memory => self.memory()?,
                    Part::Histories => Histories::run(self.seeds, self.length())?.to_string(),
                };
                // Writing to a string does not fail.
                let _ = writeln!(text, "{told}");
            }
            Ok(text)
        }

        const fn length(&self) -> Duration {
            Duration::from_secs(self.seconds)
        }

        fn speed(&self) -> Result<String, Failed> {
            let mut speeds: Vec<_> = self.ticks.iter().map(|tick| Speed::new(*tick)).collect();
            for round in 0..self.rounds {
                eprintln!("speed, round {} of {}", round + 1, self.rounds);
                for speed in &mut speeds {
                    speed.round(round, self.length())?;
                }
            }
            let mut table = table([
                "tick, ms",
                "",
                "simulated s per s",
                "min to max",
                "per s of processor time",
                "acquisitions per simulated s",
                "events per simulated s",
            ]);
            for speed in &speeds {
                let simulated = self.length().as_secs_f64() * self.rounds as f64;
                let (acquisitions, events) = per(speed.load, simulated);
                let world = ("world".to_owned(), &speed.world, acquisitions, events);
                let idle = speed.idle.iter().map(|(hosts, samples)| {
                    let name = format!("turmoil, idle hosts: {hosts}");
                    (name, samples, String::new(), String::new())
                });
                for (name, samples, acquisitions, events) in std::iter::once(world).chain(idle) {
                    let Some((wall, processor)) = samples.medians() else {
                        continue;
                    };
                    table.add_row([
                        speed.tick_ms.to_string(),
                        name,
                        format!("{wall:.0}"),
                        range(&samples.wall),
                        format!("{processor:.0}"),
                        acquisitions,
                        events,
                    ]);
                }
            }
            Ok(format!(
                "Simulated seconds per second, one core\n\n{table}\n"
            ))
        }

        fn plans(&self) -> Result<String, Failed> {
            let mut table = table([
                "tick, ms",
                "threads",
                "plans per s",
                "min to max",
                "of which judging, %",
                "acquisitions per plan",
                "events per plan",
            ]);
            let kinds = self.ticks.iter().flat_map(|tick| {
                let threads = self.threads.iter();
                threads.map(|threads| (*tick, *threads))
            });
            let mut rates: Vec<_> = kinds.map(|kind| (kind, Vec::<Rate>::new())).collect();
            for round in 0..self.rounds {
                eprintln!("plans, round {} of {}", round + 1, self.rounds);
                for ((tick, threads), found) in &mut rates {
                    let first = round * self.plans;
                    let rate = plans::rate(first, self.plans, *threads, *tick, self.length());
                    found.push(rate?);
                }
            }
            for ((tick, threads), found) in &rates {
                let rates: Vec<_> = found.iter().map(|rate| rate.per_second).collect();
                let judging: Vec<_> = found.iter().map(|rate| rate.judging * 100.0).collect();
                let mut load = Load::default();
                found.iter().for_each(|rate| load += rate.load);
                let (acquisitions, events) = per(load, (self.plans * self.rounds) as f64);
                table.add_row([
                    tick.to_string(),
                    threads.to_string(),
                    format!("{:.1}", median(&rates).unwrap_or_default()),
                    range(&rates),
                    format!("{:.1}", median(&judging).unwrap_or_default()),
                    acquisitions,
                    events,
                ]);
            }
            Ok(format!(
                "Plans of {} simulated seconds with drawn faults, run and judged\n\n{table}\n",
                self.seconds
            ))
        }

        fn memory(&self) -> Result<String, Failed> {
            let length = Duration::from_millis(self.world_millis);
            let tick_ms = self.ticks.first().copied().unwrap_or(1);
            let progress = |done| eprintln!("memory, {done} worlds of {}", self.worlds);
            let memory = Memory::run(self.worlds, tick_ms, length, progress)?;
            let mut table = table(["worlds", "resident, KiB"]);
            for (worlds, resident) in &memory.resident {
                table.add_row([worlds.to_string(), (resident / 1024).to_string()]);
            }
            let (acquisitions, events) = per(memory.load, self.worlds as f64);
            Ok(format!(
                "Resident memory of one process, worlds of {} simulated ms at ticks of {tick_ms} ms, every other one with \
                 drawn faults ({acquisitions} acquisitions and {events} events each)\n\n{table}\n\nKept per world: {:.1} bytes\n",
                self.world_millis,
                memory.kept_per_world(),
            ))
        }
    }

    fn table<const N: usize>(header: [&str; N]) -> Table {
        let mut table = Table::new();
        table.load_style(ASCII_MARKDOWN);
        table.set_header(header);
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn per(load: Load, number: f64) -> (String, String) {
        let each = |count: u64| format!("{:.1}", count as f64 / number);
        (each(load.acquisitions), each(load.events))
    }

    fn range(samples: &[f64]) -> String {
        let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{least:.1} to {most:.1}")
    }
}

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    cli::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("simulator-speed: what a process uses is read as Unix tells it");
    std::process::ExitCode::FAILURE
}
