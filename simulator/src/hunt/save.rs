//! Cases as files.
//!
//! TOML: `seed`, `planted` (a rule that is switched off; none if absent), `violates` (names of checkers; empty when the case
//! violates nothing), the table `[world]` (see [`WorldConfig`]; what is absent has its default), and the plan's
//! `[[fault]]` tables as in [`mod@crate::plan::format`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{case::Case, planted::Planted};
use crate::{
    checkers::Checker,
    plan::{Plan, PlanError},
    world::WorldConfig,
};

/// Why a file is no case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SavedError {
    /// It is no TOML, or a field is wrong.
    #[error("{file}: {error}")]
    Toml {
        /// Which file.
        file: String,
        /// Where and what.
        error: Box<toml::de::Error>,
    },
    /// The plan in it is wrong.
    #[error("{0}")]
    Plan(#[from] PlanError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    planted: Option<Planted>,
    #[serde(default)]
    violates: BTreeSet<Checker>,
    #[serde(default)]
    world: WorldConfig,
    /// Read by the plan's own format, which says where a mistake is.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "allowed here, read there")]
    fault: Vec<toml::Table>,
}

impl Case {
    /// The file that is this case, with what it violates, and `story` as a comment on top.
    ///
    /// # Errors
    ///
    /// When a number in it is too large for TOML.
    pub fn to_toml(
        &self,
        violates: &BTreeSet<Checker>,
        story: &str,
    ) -> Result<String, toml::ser::Error> {
        let head = Head {
            seed: self.seed,
            planted: self.planted.clone(),
            violates: violates.clone(),
            world: self.config.clone(),
            fault: Vec::new(),
        };
        let comment: String = story
            .lines()
            .map(|line| format!("# {line}").trim_end().to_owned() + "\n")
            .collect();
        Ok(format!(
            "{comment}\n{}\n{}",
            toml::to_string(&head)?,
            self.plan.to_toml()
        ))
    }

    /// Reads a case and what it is said to violate.
    ///
    /// # Errors
    ///
    /// See [`SavedError`].
    pub fn from_toml(file: &str, text: &str) -> Result<(Self, BTreeSet<Checker>), SavedError> {
        let head: Head = toml::from_str(text).map_err(|error| SavedError::Toml {
            file: file.to_owned(),
            error: Box::new(error),
        })?;
        // The same text with all but the faults left blank, so that lines and columns stay.
        let start = text.find("[[fault]]").unwrap_or(text.len());
        let blank: String = text[..start]
            .chars()
            .map(|c| if c == '\n' { c } else { ' ' })
            .collect();
        let plan = Plan::parse(file, &(blank + &text[start..]))?;
        Ok((
            Self {
                config: head.world,
                plan,
                seed: head.seed,
                planted: head.planted,
            },
            head.violates,
        ))
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
        for seed in 0..20 {
            let profile = Profile::default();
            let (config, plan) = (setting(&profile, seed), draw(seed, &profile));
            let case = Case {
                config,
                plan,
                seed,
                planted: None,
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
        let wrong = Case::from_toml("a.toml", "seed = 1\nseeed = 2\n")
            .unwrap_err()
            .to_string();
        assert!(
            wrong.contains("a.toml") && wrong.contains("seeed"),
            "{wrong}"
        );
        let text = "seed = 1\n\n[[fault]]\nkind = \"pauze\"\n";
        let wrong = Case::from_toml("b.toml", text).unwrap_err().to_string();
        assert!(wrong.contains("b.toml:4:"), "{wrong}");
    }
}
