//! The arguments of a hunt.

use std::{num::NonZeroUsize, ops::Range, path::PathBuf, time::Duration};

use clap::{Args, builder::PossibleValuesParser};
use simulator::plan::draw::Profile;

use super::{
    region,
    search::{Search, Shard},
};
use crate::{built::Build, cli::Error, runs};

/// So many plans are drawn when nothing else is said.
const USUAL_PLANS: u64 = 200;
/// So many runs at most make one violation small, when nothing else is said.
const USUAL_RUNS: usize = 300;
/// Where searches are kept, when nothing else is said.
const USUAL_FOLDER: &str = "target/hunt";

/// What is searched, and how.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Options {
    /// The profile that plans are drawn from; `all` draws one plan of each per seed.
    #[arg(long, default_value = "default", value_parser = profiles())]
    profile: String,
    /// How many seeds, from 0 on; 200 unless --seeds or --time-limit says otherwise.
    #[arg(long, value_name = "N", conflicts_with = "seeds", value_parser = clap::value_parser!(u64).range(1..))]
    plans: Option<u64>,
    /// The seeds: from A up to, and without, B.
    #[arg(long, value_name = "A..B", value_parser = seeds)]
    seeds: Option<Range<u64>>,
    /// Begin no plan after this time: 90s, 10m, 2h. Without --plans and --seeds, only this ends the search.
    #[arg(long, value_name = "TIME", value_parser = time)]
    time_limit: Option<Duration>,
    /// Where plans are drawn: within all of the lock's assumptions, where everything that is violated is a bug; anywhere; or just
    /// beyond one of them, by its name.
    #[arg(long, default_value = "within", value_parser = PossibleValuesParser::new(region::names()), hide_possible_values = true)]
    region: String,
    /// Switch a rule off, by its name, to see that its absence is found.
    #[arg(long, value_name = "NAME")]
    planted: Option<String>,
    /// Prefer plans near those in which the safety margin was small.
    #[arg(long)]
    steer: bool,
    /// Go on after a violation, and save one case of each kind.
    #[arg(long)]
    keep_going: bool,
    /// How many threads run plans; what is found does not depend on it. All processors unless said otherwise.
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Run only this part: 1/4 to 4/4 are the four quarters. `merge` joins them.
    #[arg(long, value_name = "K/N", conflicts_with = "steer")]
    shard: Option<Shard>,
    /// The folder that records and cases are kept in.
    #[arg(long, value_name = "DIR", default_value = USUAL_FOLDER)]
    pub(super) to: PathBuf,
    /// Start over, also where a record of this search is there already.
    #[arg(long)]
    pub(super) fresh: bool,
    /// How many runs at most make one violation small; with 0 it is saved as it was drawn.
    #[arg(long, value_name = "N", default_value_t = USUAL_RUNS)]
    pub(super) shrink_runs: usize,
    /// Print one JSON object at the end, and nothing else.
    #[arg(long)]
    pub(super) json: bool,
}

/// What joins the records of shards.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct MergeOptions {
    /// Records, as `hunt --shard` and `merge` write them: in any order, any of them twice.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The folder that the joint record and cases are kept in.
    #[arg(long, value_name = "DIR", default_value = USUAL_FOLDER)]
    pub(super) to: PathBuf,
    /// How many runs at most make one violation small; with 0 it is saved as it was drawn.
    #[arg(long, value_name = "N", default_value_t = USUAL_RUNS)]
    pub(super) shrink_runs: usize,
    /// Print one JSON object at the end, and nothing else.
    #[arg(long)]
    pub(super) json: bool,
}

impl Options {
    /// What is searched.
    ///
    /// # Errors
    ///
    /// When the rule to switch off is not one of this build.
    pub(super) fn search(&self) -> Result<Search, Error> {
        if let Some(name) = &self.planted {
            super::search::planted(name)?;
        }
        let seeds = match (&self.seeds, self.plans, self.time_limit) {
            (Some(seeds), _, _) => seeds.start..seeds.end,
            (None, Some(plans), _) => 0..plans,
            (None, None, None) => 0..USUAL_PLANS,
            (None, None, Some(_)) => 0..u64::MAX,
        };
        let profiles = match self.profile.as_str() {
            "all" => Profile::NAMES.map(str::to_owned).to_vec(),
            one => vec![one.to_owned()],
        };
        Ok(Search {
            profiles,
            from: seeds.start,
            until: (seeds.end < u64::MAX).then_some(seeds.end),
            region: self.region.clone(),
            planted: self.planted.clone(),
            keeps_going: self.keep_going,
            steers: self.steer,
            build: Build::this(),
        })
    }

    pub(super) fn shard(&self) -> Shard {
        self.shard.unwrap_or(Shard::WHOLE)
    }

    pub(super) fn jobs(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(runs::at_once)
    }

    pub(super) const fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }
}

fn profiles() -> PossibleValuesParser {
    PossibleValuesParser::new(Profile::NAMES.into_iter().chain(["all"]))
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let parts = text.split_once("..");
    let parsed = parts.and_then(|(from, until)| {
        let (from, until) = (from.parse().ok()?, until.parse().ok()?);
        (from < until).then_some(from..until)
    });
    parsed.ok_or_else(|| {
        "seeds are the first one, two dots, and the one after the last: 0..200".to_owned()
    })
}

fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|sign: char| !sign.is_ascii_digit());
    let factor = match text.get(digits.len()..) {
        Some("" | "s") => Some(1),
        Some("m") => Some(60),
        Some("h") => Some(3_600),
        _ => None,
    };
    let number: Option<u64> = digits.parse().ok().filter(|number| *number > 0);
    let seconds = factor
        .zip(number)
        .and_then(|(factor, number)| number.checked_mul(factor));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        "a time is a whole number above 0 of seconds, minutes or hours: 90s, 10m, 2h".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_seeds_are_read_or_refused() {
        assert_eq!(time("90"), Ok(Duration::from_secs(90)));
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("2h"), Ok(Duration::from_secs(7_200)));
        for wrong in [
            "",
            "s",
            "1d",
            "-1s",
            "1.5h",
            "0s",
            "99999999999999999999h",
            "1é",
        ] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert_eq!(seeds("3..9"), Ok(3..9));
        for wrong in ["", "3", "3..", "..9", "9..3", "3..3", "a..b", "3...9"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}
