//! Rules that are switched off in a case.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A rule that is switched off, by its name.
///
/// Those of the client need the feature `planted-bugs`; [`Planted::FENCING_NOT_ON_READS`] is one of the protected store and
/// needs nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Planted(String);

impl Planted {
    /// The store checks tokens on writes only.
    pub const FENCING_NOT_ON_READS: &'static str = "fencing-not-on-reads";

    /// All names.
    pub fn names() -> Vec<&'static str> {
        let of_store = [Self::FENCING_NOT_ON_READS];
        #[cfg(feature = "planted-bugs")]
        let of_client = redlock::planted::Bug::ALL.iter().map(|(_, name)| *name);
        #[cfg(not(feature = "planted-bugs"))]
        let of_client = [];
        of_client.into_iter().chain(of_store).collect()
    }

    /// The rule of that name.
    ///
    /// # Errors
    ///
    /// When there is none, with the names that there are.
    pub fn named(name: &str) -> Result<Self, String> {
        if Self::names().contains(&name) {
            return Ok(Self(name.to_owned()));
        }
        let known = Self::names().join(", ");
        let hint = if cfg!(feature = "planted-bugs") {
            ""
        } else {
            "; those of the client need the feature `planted-bugs`"
        };
        Err(format!(
            "no rule is called {name:?}: there are {known}{hint}"
        ))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// What is done without the rule, in a sentence.
    pub fn left_out(&self) -> &'static str {
        #[cfg(feature = "planted-bugs")]
        if let Some(bug) = redlock::planted::Bug::named(&self.0) {
            return bug.left_out();
        }
        "The store checks tokens on writes only."
    }

    pub(super) fn is_of_store(&self) -> bool {
        self.0 == Self::FENCING_NOT_ON_READS
    }
}

impl TryFrom<String> for Planted {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name)
    }
}

impl From<Planted> for String {
    fn from(planted: Planted) -> Self {
        planted.0
    }
}

impl fmt::Display for Planted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Plants a rule of the client in this thread until dropped.
#[must_use]
#[derive(Debug)]
pub struct Sown(());

impl Sown {
    /// Switches `planted` off, or no rule.
    pub fn new(planted: Option<&Planted>) -> Self {
        #[cfg(feature = "planted-bugs")]
        redlock::planted::plant(
            planted.and_then(|planted| redlock::planted::Bug::named(planted.name())),
        );
        #[cfg(not(feature = "planted-bugs"))]
        let _ = planted;
        Self(())
    }
}

impl Drop for Sown {
    fn drop(&mut self) {
        #[cfg(feature = "planted-bugs")]
        redlock::planted::plant(None);
    }
}
