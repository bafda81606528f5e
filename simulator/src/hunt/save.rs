//! Cases as files.
//!
//! A case is saved as what it takes to run it again ([`Replay`]), with two fields in front: `planted` (the rule that is switched
//! off; none if absent) and `violates` (names of checkers; empty when the case violates nothing).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{case::Case, planted::Planted};
use crate::{
    checkers::Checker,
    world::{Replay, ReplayError},
};

/// What a case's file says besides how to run it.
#[derive(Serialize, Deserialize)]
struct Said {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planted: Option<Planted>,
    #[serde(default)]
    violates: BTreeSet<Checker>,
}

impl Case {
    /// The file that is this case, with what it violates, and `story` as a comment on top.
    ///
    /// # Errors
    ///
    /// When something in it has no form in TOML.
    pub fn to_toml(
        &self,
        violates: &BTreeSet<Checker>,
        story: &str,
    ) -> Result<String, toml::ser::Error> {
        let said = Said {
            planted: self.planted.clone(),
            violates: violates.clone(),
        };
        let comment: String = story
            .lines()
            .map(|line| format!("# {line}").trim_end().to_owned() + "\n")
            .collect();
        let replay = Replay {
            config: self.config.clone(),
            plan: self.plan.clone(),
            seed: self.seed,
        };
        Ok(format!("{comment}\n{}{replay}", toml::to_string(&said)?))
    }

    /// Reads a case and what it is said to violate; `file` is only shown.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn from_toml(file: &str, text: &str) -> Result<(Self, BTreeSet<Checker>), ReplayError> {
        let replay = Replay::parse(file, text)?;
        let said: Said = toml::from_str(text).map_err(|source| ReplayError::Config {
            file: file.to_owned(),
            source: Box::new(source),
        })?;
        let case = Self {
            config: replay.config,
            plan: replay.plan,
            seed: replay.seed,
            planted: said.planted,
        };
        Ok((case, said.violates))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hunt::setting,
        plan::draw::{Profile, draw},
    };

    #[test]
    fn a_case_reads_back_as_it_was() {
        for seed in (0..20).chain([u64::MAX]) {
            let profile = Profile::default();
            let case = Case {
                config: setting(&profile, seed),
                plan: draw(seed, &profile),
                seed,
                planted: (seed % 2 == 0)
                    .then(|| Planted::named(Planted::FENCING_NOT_ON_READS).unwrap()),
            };
            let violates = BTreeSet::from([Checker::Fencing]);
            let text = case
                .to_toml(&violates, "Once upon a time.\n\nThe end.")
                .unwrap();
            assert!(
                text.starts_with("# Once upon a time.\n#\n# The end.\n"),
                "{text}"
            );
            assert_eq!(
                Case::from_toml("case.toml", &text).unwrap(),
                (case, violates)
            );
        }
    }

    #[test]
    fn mistakes_are_shown_where_they_are() {
        let wrong = |text: &str| Case::from_toml("a.toml", text).unwrap_err().to_string();
        let field = wrong("seed = 1\nseeed = 2\n");
        assert!(
            field.contains("a.toml") && field.contains("seeed"),
            "{field}"
        );
        let fault = wrong("seed = 1\n\n[[fault]]\nkind = \"pauze\"\n");
        assert!(fault.contains("a.toml:4:"), "{fault}");
        let bug = wrong("seed = 1\nplanted = \"no-such-rule\"\n");
        assert!(
            bug.contains("no-such-rule") && bug.contains("fencing-not-on-reads"),
            "{bug}"
        );
    }
}
