//! What is kept of each plan, as lines of a file.
//!
//! A line is a JSON object whose first field, `sum`, is a checksum of the rest of the line and of the search that it belongs to: a
//! line that was changed, torn, or pasted from another search does not pass for one of this.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha1_smol::Sha1;
use simulator::{
    checkers::Checker,
    hunt::{Case, Found, Tally},
};

use super::search::{Search, Shard};

/// The number of this format.
pub(super) const FORMAT: u32 = 1;

/// The first line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// The format.
    pub(super) hunt: u32,
    /// The search.
    pub(super) search: Search,
    /// The part of it.
    pub(super) shard: Shard,
}

/// What came of one plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// Its seed.
    pub(crate) seed: u64,
    /// Its profile.
    pub(crate) profile: String,
    /// What was seen; none when there is no such plan: not every seed has one just beyond an assumption.
    pub(crate) seen: Option<Seen>,
}

/// What was seen in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// The rules that it violates.
    pub(crate) violates: BTreeSet<Checker>,
    /// What shows it.
    pub(crate) evidence: Vec<String>,
    /// What it counts for.
    pub(crate) tally: Tally,
    /// A digest of its history.
    pub(crate) history: String,
}

impl Record {
    /// Runs the case.
    pub(crate) fn of(seed: u64, profile: &str, case: Option<Case>) -> Self {
        Self {
            seed,
            profile: profile.to_owned(),
            seen: case.map(Seen::of),
        }
    }

    pub(crate) fn is_violation(&self) -> bool {
        self.seen
            .as_ref()
            .is_some_and(|seen| !seen.violates.is_empty())
    }
}

impl Seen {
    fn of(case: Case) -> Self {
        let judged = case.judge();
        let tally = Tally::of(&case.plan, &judged);
        let mut bytes = Vec::new();
        // Writing to memory does not fail.
        let _ = judged.run.history.write_jsonl(&mut bytes);
        let violates = judged.violates();
        let evidence = Found::new(case, &judged).map(|found| found.evidence);
        Self {
            violates,
            evidence: evidence.unwrap_or_default(),
            tally,
            history: Sha1::from(bytes).digest().to_string(),
        }
    }
}

/// The line that says it, without its end. `salt` names what it belongs to.
pub(super) fn line(salt: &str, value: &impl Serialize) -> String {
    // Maps in it have names or numbers as keys.
    let json = serde_json::to_string(value).unwrap_or_default();
    let inside = json.strip_prefix('{').unwrap_or_default();
    format!("{{\"sum\":\"{}\",{inside}", sum(salt, inside))
}

/// Reads what [`line()`] writes.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn read<T: DeserializeOwned>(salt: &str, line: &str) -> Result<T, String> {
    let rest = line.strip_prefix("{\"sum\":\"");
    let parts = rest.and_then(|rest| rest.split_once("\","));
    let Some((said, inside)) = parts else {
        return Err("it does not begin with a checksum".to_owned());
    };
    if said != sum(salt, inside) {
        return Err("its checksum is wrong".to_owned());
    }
    serde_json::from_str(&format!("{{{inside}")).map_err(|error| error.to_string())
}

fn sum(salt: &str, inside: &str) -> String {
    let mut digest = Sha1::from(salt);
    digest.update(b"\n");
    digest.update(inside.as_bytes());
    digest.digest().to_string()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: u64) -> Record {
        Record {
            seed,
            profile: "tight".to_owned(),
            seen: None,
        }
    }

    #[test]
    fn a_line_reads_back_and_is_plain_json() {
        let text = line("s", &record(u64::MAX));
        assert_eq!(read("s", &text), Ok(record(u64::MAX)));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["seed"], u64::MAX);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let text = line("s", &record(7));
        assert!(read::<Record>("other", &text).is_err());
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(read::<Record>("s", &changed).is_err(), "{changed}");
            }
            assert!(read::<Record>("s", &text[..place]).is_err());
        }
    }
}
