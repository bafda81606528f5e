//! `redlock-lab run`: scenarios with all their locks, compared with what is expected; what runs when no command is given.
//!
//! `work` makes the runs in the simulator, and `live` on real servers; with `stall` (whether the machine had time for them); `row` is what is kept of each; `table`, `closing` and `json` show
//! them.

mod closing;
mod json;
mod live;
mod row;
mod stall;
mod table;
mod work;

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;

use self::row::Row;
use super::{
    Ending, Error,
    interrupt::Interrupt,
    output::{Terminal, note, print, print_json},
    pick::{Locks, Pick},
};
use crate::{
    files::try_folder,
    run_folder,
    scenario::{Contender, Scenario},
};

/// What is run.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    pick: Pick,
    #[command(flatten)]
    locks: Locks,
    /// The first seed: everything random follows from it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value = "1")]
    seeds: std::num::NonZeroU32,
    /// On real redis-server processes, which it starts itself, with a TTL of a second; beside the simulator's verdicts.
    #[arg(long)]
    live: bool,
    /// How many runs go on at the same time; as many as there are cores, and 3 live, if it is not given. Live runs mostly sleep, but those
    /// that disturb each other come to wrong verdicts: on a busy machine, fewer are better.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where runs are kept, a folder each, for `explain` and for analysis.
    #[arg(long, value_name = "DIR", default_value = run_folder::ROOT)]
    runs: PathBuf,
    /// Print one JSON object and nothing else.
    #[arg(long)]
    json: bool,
}

/// The runs that are to be made, one after the other.
struct Wanted<'a> {
    scenario: &'a Scenario,
    contender: Contender,
    seed: u64,
}

/// Runs scenarios.
///
/// # Errors
///
/// When scenarios cannot be read, or runs cannot be kept.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let scenarios = options.pick.scenarios()?;
    let wanted = options.wanted(&scenarios);
    if wanted.is_empty() {
        return Err(Error::wrong(
            "none of these locks is in any of these scenarios, or it is not here yet; `redlock-lab show NAME` tells which are",
        ));
    }
    try_folder(&options.runs)?;
    let interrupt = Interrupt::listen()?;
    let made = if options.live {
        live::live(&scenarios, &wanted, options, &interrupt)?
    } else {
        work::simulated(&wanted, options, &interrupt)?
    };
    let ending = interrupt.asked().unwrap_or_else(|| ending(&made.rows));
    if options.json {
        let pending = options.pending(&scenarios);
        print_json(&json::of(&made, options.live, pending, ending))?;
        return Ok(ending);
    }
    let terminal = Terminal::stdout();
    print(&table::of(&scenarios, &made, terminal))?;
    print(&closing::of(&scenarios, &wanted, &made, options))?;
    if options.live && made.rows.is_empty() {
        note("nothing ran: all of these scenarios are skipped on real servers");
    }
    Ok(ending)
}

impl Options {
    fn wanted<'a>(&self, scenarios: &'a [Scenario]) -> Vec<Wanted<'a>> {
        let mut wanted = Vec::new();
        for scenario in scenarios {
            let contenders = scenario.head.verdicts.keys().copied();
            let contenders = contenders.filter(|it| it.exists() && self.locks.has(*it));
            let mut contenders: Vec<_> = contenders.collect();
            if self.live && self.locks.is_any() {
                contenders = live::taught(scenario, &contenders);
            }
            for contender in contenders {
                let last = self.seed.saturating_add(u64::from(self.seeds.get()));
                wanted.extend((self.seed..last).map(|seed| Wanted {
                    scenario,
                    contender,
                    seed,
                }));
            }
        }
        wanted
    }

    /// How much is expected of locks that were asked for and are not here yet.
    fn pending(&self, scenarios: &[Scenario]) -> usize {
        let expected = scenarios.iter().flat_map(|it| it.head.verdicts.keys());
        let pending = expected.filter(|lock| !lock.exists() && self.locks.has(**lock));
        pending.count()
    }
}

/// The worst of all runs: safety before liveness before what shows nothing.
fn ending(rows: &[Row]) -> Ending {
    let worst = rows
        .iter()
        .map(Row::ending)
        .max_by_key(|ending| match ending {
            Ending::Safety => 3,
            Ending::Liveness => 2,
            Ending::Inconclusive => 1,
            _ => 0,
        });
    worst.unwrap_or(Ending::Inconclusive)
}
