//! What this program was built from.

use serde::{Deserialize, Serialize};

/// What a run depends on besides its configuration, plan and seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// The version of the project.
    pub version: String,
    /// A digest of the sources of client and simulator and of all dependencies' versions.
    pub sources: String,
}

impl Build {
    /// This program's.
    pub fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sources: env!("REDLOCK_LAB_SOURCES").to_owned(),
        }
    }

    /// The versions of the dependencies that histories depend on: `tokio 1.2.3, turmoil 0.7.2`.
    pub const fn dependencies() -> &'static str {
        env!("REDLOCK_LAB_DEPENDENCIES")
    }

    /// The commit it was built from, when that is known; `-dirty` at its end says that there was more.
    pub const fn commit() -> Option<&'static str> {
        option_env!("REDLOCK_LAB_COMMIT")
    }
}
