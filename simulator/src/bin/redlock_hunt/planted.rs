//! How soon each planted bug is found, and how little shows it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use clap::Args;
use comfy_table::{Table, presets::ASCII_MARKDOWN};
use simulator::{
    checkers::Checker,
    hunt::{Found, Hunt, Planted, ShrunkCase, Where, hunt},
    plan::draw::Profile,
};

/// So many windows at most are few enough to read.
const FEW_WINDOWS: usize = 3;
/// So many runs at most make one violation small.
const SHRINK_BUDGET: usize = 300;

#[derive(Args)]
pub(super) struct Measure {
    /// The rules to switch off, one at a time, by their names; all if there is none.
    #[arg(value_parser = Planted::named)]
    names: Vec<Planted>,
    /// How many plans each profile may take.
    #[arg(long, default_value_t = 500)]
    plans: u64,
    /// The profiles to try, in this order; the published ones, the fastest first, if there is none.
    #[arg(long, value_parser = super::profile)]
    profile: Vec<Profile>,
    /// How many threads run plans; what is found does not depend on it.
    #[arg(long, default_value = "2")]
    threads: NonZeroUsize,
    /// Where the cases and their table are saved.
    #[arg(long, default_value = "simulator/planted")]
    to: PathBuf,
}

/// A bug that was found and made small.
struct Caught {
    profile: &'static str,
    plans: u64,
    windows: usize,
    checker: Checker,
    small: ShrunkCase,
    seconds: u64,
}

impl Measure {
    /// Whether all were found.
    pub(super) fn run(self) -> Result<bool, String> {
        let names = if self.names.is_empty() {
            let all = Planted::names().into_iter().map(Planted::named);
            all.collect::<Result<_, _>>()?
        } else {
            self.names.clone()
        };
        let mut missed = 0;
        for planted in &names {
            match self.find(planted) {
                Some(caught) => {
                    println!("{planted}: {}", caught.told());
                    caught.save(planted, &self.to)?;
                }
                None => {
                    missed += 1;
                    println!("{planted}: not found");
                }
            }
        }
        Ok(missed == 0)
    }

    fn profiles(&self) -> Vec<Profile> {
        if !self.profile.is_empty() {
            return self.profile.clone();
        }
        let by_speed = [
            "tight",
            "clocks",
            "network",
            "process_and_memory",
            "default",
        ];
        by_speed.into_iter().filter_map(Profile::named).collect()
    }

    /// The first violation, by profile and seed, that has few windows when it is shrunk.
    #[allow(
        clippy::disallowed_methods,
        reason = "how long the search takes is what is measured; nothing in a run sees it"
    )]
    fn find(&self, planted: &Planted) -> Option<Caught> {
        let started = std::time::Instant::now();
        for profile in self.profiles() {
            let name = profile.name;
            let mut from = 0;
            while from < self.plans {
                let hunted = hunt(&Hunt {
                    profile: profile.clone(),
                    seeds: from..self.plans,
                    region: Where::Within,
                    planted: Some(planted.clone()),
                    threads: self.threads,
                    stops_early: true,
                    steers: false,
                });
                let Some(found) = hunted.found.into_iter().next() else {
                    break;
                };
                from = found.case.seed.saturating_add(1);
                let windows = found.case.plan.windows.len();
                eprintln!("{planted}: plan {from} of `{name}`, {windows} windows; shrinking");
                if let Some((checker, small)) = make_small(&found) {
                    return Some(Caught {
                        profile: name,
                        plans: from,
                        windows: found.case.plan.windows.len(),
                        checker,
                        small,
                        seconds: started.elapsed().as_secs(),
                    });
                }
            }
        }
        None
    }
}

/// Shrunk for the first of the violated rules for which few windows remain.
fn make_small(found: &Found) -> Option<(Checker, ShrunkCase)> {
    found.violates.iter().find_map(|checker| {
        let small = found.case.shrink(*checker, SHRINK_BUDGET)?;
        let few = small.case.plan.windows.len() <= FEW_WINDOWS;
        few.then_some((*checker, small))
    })
}

impl Caught {
    fn told(&self) -> String {
        format!(
            "{} in plan {} of `{}`, {} windows, {} after {} runs of shrinking, {} s in all",
            self.checker,
            self.plans,
            self.profile,
            self.windows,
            self.small.case.plan.windows.len(),
            self.small.runs,
            self.seconds
        )
    }

    fn save(&self, planted: &Planted, folder: &Path) -> Result<(), String> {
        let judged = self.small.case.judge();
        let violates = judged.violates();
        let found = Found::new(self.small.case.clone(), &judged)
            .ok_or("a shrunk case violates nothing when it is run again")?;
        let text = found
            .case
            .to_toml(&violates, &found.story())
            .map_err(|error| error.to_string())?;
        write(&folder.join(format!("{planted}.toml")), &text)?;
        update_table(&folder.join("README.md"), planted, &self.row(planted))
    }

    fn row(&self, planted: &Planted) -> Vec<String> {
        vec![
            format!("[{planted}]({planted}.toml)"),
            planted.left_out().to_owned(),
            self.profile.to_owned(),
            self.plans.to_string(),
            self.windows.to_string(),
            self.small.case.plan.windows.len().to_string(),
            self.checker.to_string(),
            self.seconds.to_string(),
        ]
    }
}

const ABOUT: &str = "\
# Planted bugs

Each file is a case in which one rule is left out and a checker sees it: world, seed and faults, made small, with what happens as
a comment on top. All plans were drawn within the lock's assumptions, and with the rule in place none of the files shows
anything. Made by
`cargo run --release -p simulator --features planted-bugs --bin redlock-hunt -- planted`; `redlock-hunt replay FILE` shows one
again.

Plans: the seeds of that profile that were run until the bug was found and could be shrunk to at most three windows. Windows:
of faults, in the plan as it was drawn and as it was shrunk. Seconds: of two threads, with all profiles before and the
shrinking; they depend on the machine.

";

/// Replaces the row of one bug and leaves the others as they were measured.
fn update_table(file: &Path, planted: &Planted, row: &[String]) -> Result<(), String> {
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
        "Plans",
        "Windows drawn",
        "Windows shrunk",
        "Checker",
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
    write(file, &text)
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}
