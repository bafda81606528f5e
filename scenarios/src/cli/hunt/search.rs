//! What makes a search that search, and no other.

use std::{fmt, num::NonZeroUsize, str::FromStr};

use serde::{Deserialize, Serialize};
use sha1_smol::Sha1;
use simulator::{
    hunt::{Hunt, Planted},
    plan::draw::Profile,
};

use super::region;
use crate::{built::Build, cli::Error};

/// Everything that decides what a search finds. Two searches that are equal find the same, whoever runs which part of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Search {
    /// The profiles that plans are drawn from, one plan of each per seed.
    pub(crate) profiles: Vec<String>,
    /// The first seed.
    pub(crate) from: u64,
    /// The seed after the last one; none when only time ends the search.
    pub(crate) until: Option<u64>,
    /// Where plans are drawn.
    pub(crate) region: String,
    /// The rule that is switched off.
    pub(crate) planted: Option<String>,
    /// Whether it goes on after a violation.
    pub(crate) keeps_going: bool,
    /// Whether it prefers plans near those with small margins.
    pub(crate) steers: bool,
    /// What ran it.
    pub(crate) build: Build,
}

/// Names one plan of a search, in the order in which they are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) seed: u64,
    /// The place of its profile in the search.
    pub(crate) profile: usize,
}

/// A part of a search: the seeds whose distance from the first leaves the remainder `number − 1` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// From 1.
    pub(crate) number: u64,
    pub(crate) of: u64,
}

impl Shard {
    /// All of it.
    pub(crate) const WHOLE: Self = Self { number: 1, of: 1 };

    pub(crate) fn has(self, search: &Search, seed: u64) -> bool {
        let before_end = search.until.is_none_or(|until| seed < until);
        before_end
            && seed
                .checked_sub(search.from)
                .is_some_and(|distance| distance % self.of == self.number - 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(number, of)| {
            let shard = Self {
                number: number.parse().ok()?,
                of: of.parse().ok()?,
            };
            (1..=shard.of).contains(&shard.number).then_some(shard)
        });
        parsed.ok_or_else(|| {
            "a shard is its number and how many there are, from 1/4 to 4/4".to_owned()
        })
    }
}

impl Search {
    /// Its plans that are of `shard`, in order.
    pub(crate) fn keys(&self, shard: Shard) -> impl Iterator<Item = Key> + Send + use<> {
        let first = self.from.saturating_add(shard.number - 1);
        let step = usize::try_from(shard.of).unwrap_or(usize::MAX);
        let profiles = self.profiles.len();
        let seeds = (first..self.until.unwrap_or(u64::MAX)).step_by(step);
        seeds.flat_map(move |seed| (0..profiles).map(move |profile| Key { seed, profile }))
    }

    /// How many there are; none when only time ends it.
    pub(crate) fn count(&self, shard: Shard) -> Option<u64> {
        let seeds = self.until?.saturating_sub(self.from);
        let own = (seeds + shard.of - shard.number) / shard.of;
        Some(own.saturating_mul(self.profiles.len() as u64))
    }

    /// How many plans of `shard` there are up to and with `key`, which is one of them.
    pub(crate) fn up_to(&self, key: Key, shard: Shard) -> u64 {
        let seeds = key.seed.saturating_sub(self.from) / shard.of;
        seeds.saturating_mul(self.profiles.len() as u64) + key.profile as u64 + 1
    }

    /// One way to draw per profile.
    ///
    /// # Errors
    ///
    /// When this program does not know one of its names.
    pub(crate) fn hunts(&self) -> Result<Vec<Hunt>, Error> {
        let planted = match &self.planted {
            Some(name) => Some(planted(name)?),
            None => None,
        };
        let unknown = |what: &str, name: &str| Error::wrong(format!("there is no {what} {name:?}"));
        let region = region::named(&self.region).ok_or_else(|| unknown("region", &self.region))?;
        let mut hunts = Vec::new();
        for name in &self.profiles {
            hunts.push(Hunt {
                profile: Profile::named(name).ok_or_else(|| unknown("profile", name))?,
                seeds: self.from..self.until.unwrap_or(u64::MAX),
                region,
                planted: planted.clone(),
                threads: NonZeroUsize::MIN,
                stops_early: !self.keeps_going,
                steers: self.steers,
            });
        }
        Ok(hunts)
    }

    /// A name that no other search has.
    pub(crate) fn digest(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        Sha1::from(text).digest().to_string()
    }

    /// The folder that its files are in.
    pub(crate) fn folder(&self) -> String {
        let mut name = format!("{}-{}-{}", self.profiles(), self.region, self.from);
        match self.until {
            Some(until) => name += &format!("-{until}"),
            None => name += "-on",
        }
        if let Some(planted) = &self.planted {
            name += &format!("-{planted}");
        }
        format!("{name}-{}", &self.digest()[..8])
    }

    fn profiles(&self) -> String {
        if self.profiles.len() == Profile::NAMES.len() {
            "all".to_owned()
        } else {
            self.profiles.join("+")
        }
    }

    /// How it differs from another, in words; none when it does not.
    pub(crate) fn difference(&self, other: &Self) -> Option<String> {
        let (ours, theirs) = (self.told(), other.told());
        if self == other {
            return None;
        }
        if ours != theirs {
            return Some(format!("\"{theirs}\", and not \"{ours}\""));
        }
        Some(format!(
            "the same, run by a build of other sources ({} {}, and not {} {})",
            other.build.version, other.build.sources, self.build.version, self.build.sources
        ))
    }

    /// It in a line.
    pub(crate) fn told(&self) -> String {
        let mut told = match self.profiles.as_slice() {
            [one] => format!("profile {one}, "),
            several => format!("profiles {}, ", several.join(", ")),
        };
        told += &match self.until {
            Some(until) => format!("seeds {}..{until}", self.from),
            None => format!("seeds from {} on", self.from),
        };
        told += &format!(", {}", region::told(&self.region));
        if let Some(planted) = &self.planted {
            told += &format!(", with {planted} planted");
        }
        if self.keeps_going {
            told += ", all violations";
        }
        if self.steers {
            told += ", steered";
        }
        told
    }
}

/// The rule of that name.
///
/// # Errors
///
/// When there is none in this build, with what to do.
pub(crate) fn planted(name: &str) -> Result<Planted, Error> {
    if let Ok(planted) = Planted::named(name) {
        return Ok(planted);
    }
    let known = Planted::names();
    if cfg!(feature = "planted-bugs") {
        let meant = crate::cli::names::did_you_mean(name, known.iter().copied());
        return Err(Error::wrong(format!(
            "no rule is called {name:?}{meant} There are {}",
            known.join(", ")
        )));
    }
    Err(Error::wrong(format!(
        "this build can switch off {} only, and not {name:?}: rules of the client need \
         `cargo run --release -p scenarios --features planted-bugs -- hunt --planted {name}`",
        known.join(", ")
    )))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    pub(crate) fn search(from: u64, until: u64) -> Search {
        Search {
            profiles: vec!["tight".to_owned(), "clocks".to_owned()],
            from,
            until: Some(until),
            region: "within".to_owned(),
            planted: None,
            keeps_going: false,
            steers: false,
            build: Build::this(),
        }
    }

    #[test]
    fn shards_part_a_search() {
        for (from, until) in [(0, 0), (0, 1), (3, 20), (7, 15)] {
            let search = search(from, until);
            let whole: Vec<_> = search.keys(Shard::WHOLE).collect();
            assert_eq!(search.count(Shard::WHOLE), Some(whole.len() as u64));
            for of in 1..=6 {
                let mut all = BTreeSet::new();
                for number in 1..=of {
                    let shard = Shard { number, of };
                    let own: Vec<_> = search.keys(shard).collect();
                    assert_eq!(search.count(shard), Some(own.len() as u64), "{shard}");
                    for (place, key) in own.into_iter().enumerate() {
                        assert_eq!(search.up_to(key, shard), place as u64 + 1);
                        assert!(shard.has(&search, key.seed));
                        assert!(all.insert(key), "{key:?} is of two shards");
                    }
                }
                assert_eq!(all.into_iter().collect::<Vec<_>>(), whole);
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "1", "0/4", "5/4", "1/0", "a/b", "1/4/2", "-1/4"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        assert_eq!("4/4".parse(), Ok(Shard { number: 4, of: 4 }));
    }

    #[test]
    fn whatever_decides_what_is_found_is_in_the_name() {
        let one = search(0, 9);
        let mut others = vec![one.clone(); 8];
        others[0].profiles.pop();
        others[1].from = 1;
        others[2].until = None;
        others[3].region = "anywhere".to_owned();
        others[4].planted = Some("fencing-not-on-reads".to_owned());
        others[5].keeps_going = true;
        others[6].steers = true;
        others[7].build.sources = "other".to_owned();
        let mut names = BTreeSet::from([one.folder()]);
        for other in others {
            assert!(one.difference(&other).is_some(), "{other:?}");
            assert!(names.insert(other.folder()), "{other:?}");
        }
    }
}
