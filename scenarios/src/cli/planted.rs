//! `redlock-lab planted`: how soon each planted bug is found, and how little shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use clap::{Args, builder::PossibleValuesParser};
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use simulator::{
    checkers::Checker,
    hunt::{Case, Found, Hunt, Planted, ShrunkCase, Where, hunt},
    plan::draw::Profile,
};

use super::{
    Ending, Error,
    hunt::region,
    output::{note, print},
};
use crate::{
    files::{make_folder, write_whole},
    runs,
};

/// So many windows at most are few enough to read.
const FEW_WINDOWS: usize = 3;
/// So many runs at most make one violation small.
const SHRINK_BUDGET: usize = 1_000;

/// What is measured.
#[derive(Clone, Debug, Args)]
pub(super) struct Options {
    /// The rules to switch off, one at a time, by their names; all if there is none.
    #[arg(value_parser = Planted::named)]
    names: Vec<Planted>,
    /// How many plans each profile may take.
    #[arg(long, value_name = "N", default_value_t = 500)]
    plans: u64,
    /// A profile to try; may be given more than once. The published ones, the fastest first, if there is none.
    #[arg(long, value_parser = PossibleValuesParser::new(Profile::NAMES))]
    profile: Vec<String>,
    /// Where plans are drawn; within the assumptions, and then with any clocks, if it is not given.
    #[arg(long, value_parser = PossibleValuesParser::new(region::names()), hide_possible_values = true)]
    region: Option<String>,
    /// How many threads run plans; what is found does not depend on it. All processors unless said otherwise.
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where the cases and their table are saved.
    #[arg(long, value_name = "DIR", default_value = "simulator/planted")]
    to: PathBuf,
}

/// A bug that was found and made small.
struct Caught {
    profile: &'static str,
    region: String,
    plans: u64,
    windows: usize,
    checker: Checker,
    small: ShrunkCase,
    seconds: u64,
}

/// Finds each bug, makes what shows it small, and saves it with a table of what it took.
///
/// # Errors
///
/// When a case or the table cannot be written.
pub(super) fn run(options: &Options) -> Result<Ending, Error> {
    let names = if options.names.is_empty() {
        let all = Planted::names().into_iter().map(Planted::named);
        all.collect::<Result<_, _>>().map_err(Error::wrong)?
    } else {
        options.names.clone()
    };
    let mut ending = Ending::AsExpected;
    for planted in &names {
        match options.find(planted) {
            Some(caught) => {
                print(&format!("{planted}: {}\n", caught.told()))?;
                caught.save(planted, &options.to)?;
            }
            None => {
                ending = Ending::Inconclusive;
                print(&format!("{planted}: not found\n"))?;
            }
        }
    }
    Ok(ending)
}

impl Options {
    fn profiles(&self) -> Vec<Profile> {
        if !self.profile.is_empty() {
            let named = self.profile.iter();
            return named.filter_map(|name| Profile::named(name)).collect();
        }
        let by_speed = [
            "tight",
            "late",
            "process_and_memory",
            "clocks",
            "network",
            "default",
        ];
        by_speed.into_iter().filter_map(Profile::named).collect()
    }

    /// The first violation, by region, profile and seed, that has few windows when it is shrunk.
    #[allow(
        clippy::disallowed_methods,
        reason = "how long the search takes is what is measured; nothing in a run sees it"
    )]
    fn find(&self, planted: &Planted) -> Option<Caught> {
        let started = std::time::Instant::now();
        let asked = self.region.as_deref().and_then(region::named);
        let regions = asked.map_or(vec![Where::Within, Where::AnyClocks], |asked| vec![asked]);
        for region in regions {
            for profile in self.profiles() {
                let caught = self.find_in(planted, &profile, region);
                if let Some(mut caught) = caught {
                    caught.seconds = started.elapsed().as_secs();
                    return Some(caught);
                }
            }
        }
        None
    }

    fn find_in(&self, planted: &Planted, profile: &Profile, region: Where) -> Option<Caught> {
        let mut from = 0;
        while from < self.plans {
            let hunted = hunt(&Hunt {
                profile: profile.clone(),
                seeds: from..self.plans,
                region,
                planted: Some(planted.clone()),
                threads: self.jobs.unwrap_or_else(runs::at_once),
                stops_early: true,
                steers: false,
            });
            let found = hunted.found.into_iter().next()?;
            from = found.case.seed.saturating_add(1);
            let windows = found.case.plan.windows.len();
            note(&format!(
                "{planted}: plan {from} of `{}`, {windows} windows; shrinking",
                profile.name
            ));
            if let Some((checker, small)) = make_small(&found, region) {
                return Some(Caught {
                    profile: profile.name,
                    region: region::name_of(region),
                    plans: from,
                    windows,
                    checker,
                    small,
                    seconds: 0,
                });
            }
        }
        None
    }
}

/// Shrunk for the first of the violated rules for which few windows remain. Beyond the assumptions a violation says something about
/// the bug only if nothing is violated without it.
fn make_small(found: &Found, region: Where) -> Option<(Checker, ShrunkCase)> {
    found.violates.iter().find_map(|checker| {
        let small = found.case.shrink_while(SHRINK_BUDGET, |case| {
            case.judge().violates().contains(checker)
                && (region == Where::Within
                    || !without_bug(case).iter().any(|other| region.judges(*other)))
        })?;
        let few = small.case.plan.windows.len() <= FEW_WINDOWS;
        (few && without_bug(&small.case).is_empty()).then_some((*checker, small))
    })
}

/// What the case violates with the rule in place.
fn without_bug(case: &Case) -> BTreeSet<Checker> {
    let whole = Case {
        planted: None,
        ..case.clone()
    };
    whole.judge().violates()
}

impl Caught {
    fn told(&self) -> String {
        format!(
            "{} in plan {} of `{}` ({}), {} windows, {} after {} runs of shrinking, {} s in all",
            self.checker,
            self.plans,
            self.profile,
            self.region,
            self.windows,
            self.small.case.plan.windows.len(),
            self.small.runs,
            self.seconds
        )
    }

    fn save(&self, planted: &Planted, folder: &Path) -> Result<(), Error> {
        let judged = self.small.case.judge();
        let violates = judged.violates();
        let found = Found::new(self.small.case.clone(), &judged)
            .ok_or_else(|| Error::wrong("a shrunk case violates nothing when it is run again"))?;
        let text = found
            .case
            .to_toml(&violates, &found.story())
            .map_err(|error| Error::wrong(error.to_string()))?;
        make_folder(folder)?;
        write_whole(&folder.join(format!("{planted}.toml")), &text)?;
        let seen_by = std::iter::once(self.checker)
            .chain(violates.into_iter().filter(|other| *other != self.checker));
        let seen_by: Vec<_> = seen_by.map(|checker| checker.to_string()).collect();
        let row = self.row(planted, &seen_by.join(", "));
        update_table(&folder.join("README.md"), planted, &row)
    }

    fn row(&self, planted: &Planted, seen_by: &str) -> Vec<String> {
        vec![
            format!("[{planted}]({planted}.toml)"),
            planted.left_out().to_owned(),
            self.profile.to_owned(),
            self.region.clone(),
            self.plans.to_string(),
            self.windows.to_string(),
            self.small.case.plan.windows.len().to_string(),
            seen_by.to_owned(),
            self.seconds.to_string(),
        ]
    }
}

const ABOUT: &str = "\
# Planted bugs

Each file is a case in which one rule is left out and a checker sees it: world, seed and faults, made small, with what happens as
a comment on top. With the rule in place none of the files shows anything. Made by
`cargo run --release --features planted-bugs -- planted`; `cargo run --release --features planted-bugs -- replay FILE` shows one again.

Region: plans are drawn `within` all of the lock's assumptions, or with `any-clocks`: within all but those on clocks, where what rests on no
clock (fencing tokens, owners) has to hold all the same. Plans: the seeds of that profile that were run until the bug was found and could be shrunk to at most three windows. Windows:
of faults, in the plan as it was drawn and as it was shrunk. Seen by: the checkers that the shrunk plan violates, first the one
that it was shrunk for; where there is one only, no other would have found the bug there. Seconds: of two threads, with all profiles before and the
shrinking; they depend on the machine.

";

/// Replaces the row of one bug and leaves the others as they were measured.
fn update_table(file: &Path, planted: &Planted, row: &[String]) -> Result<(), Error> {
    let old = fs::read_to_string(file).unwrap_or_default();
    let mut rows: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let known: Vec<_> = Planted::names();
    let place = |name: &str| known.iter().position(|known| *known == name);
    for line in old.lines().filter(|line| line.starts_with("| [")) {
        let cells: Vec<_> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        let name = cells.first().and_then(|cell| cell.strip_prefix('['));
        let at = name.and_then(|name| name.split(']').next()).and_then(place);
        if let Some(at) = at {
            rows.insert(at, cells);
        }
    }
    rows.extend(place(planted.name()).map(|at| (at, row.to_vec())));
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header([
        "Bug",
        "What is left out",
        "Profile",
        "Region",
        "Plans",
        "Windows drawn",
        "Windows shrunk",
        "Seen by",
        "Seconds",
    ]);
    let found: BTreeSet<_> = rows.keys().copied().collect();
    table.add_rows(rows.into_values());
    let mut text = format!("{ABOUT}{table}\n");
    let missing: Vec<_> = (0..known.len())
        .filter(|at| !found.contains(at))
        .map(|at| format!("`{}`", known[at]))
        .collect();
    if !missing.is_empty() {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\nWithout a case: {}.", missing.join(", "));
    }
    Ok(write_whole(file, &text)?)
}
