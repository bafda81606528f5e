//! What a checker says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    history::{Event, EventId},
    plan::Assumption,
    time::TrueTime,
};

/// What a checker found out about a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "because", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// It is wrong, and this shows it.
    Violated(Evidence),
    /// The history does not tell, and why not.
    Unknown(String),
}

impl Verdict {
    /// Whether something is wrong.
    pub const fn is_violated(&self) -> bool {
        matches!(self, Self::Violated(_))
    }

    /// What shows it, when something is wrong.
    pub const fn evidence(&self) -> Option<&Evidence> {
        match self {
            Self::Violated(evidence) => Some(evidence),
            _ => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Violated(evidence) => write!(f, "violated at {}: {evidence}", evidence.at),
            Self::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}

/// The earliest violation that a checker found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The instant at which it was wrong.
    #[serde(rename = "at_ns")]
    pub at: TrueTime,
    /// Who did or believed what, and when, for people.
    pub summary: String,
    /// The events that show it, earliest first.
    pub events: Vec<EventId>,
    /// How many violations there were.
    pub count: u64,
    /// Which of the assumptions behind the checker the run had broken before, and how. With none, the
    /// contender broke its promise.
    pub broken: Vec<Broken>,
}

/// An assumption that a run broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Which.
    pub assumption: Assumption,
    /// How, for people.
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.assumption.name(), self.how)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary)?;
        if self.count > 1 {
            write!(f, " ({} in all)", self.count)?;
        }
        for broken in &self.broken {
            write!(f, "; {broken}")?;
        }
        Ok(())
    }
}

/// Why nothing is known of the nodes.
pub(super) const NOT_OBSERVED: &str = "nobody saw what became of keys and votes on the nodes";

/// Collects violations and keeps the earliest; of those of one instant, the first that was added.
#[derive(Debug, Default)]
pub(super) struct Violations {
    first: Option<Evidence>,
    count: u64,
}

impl Violations {
    pub(super) fn add<'a>(
        &mut self,
        at: TrueTime,
        events: impl IntoIterator<Item = &'a Event>,
        summary: impl FnOnce() -> String,
    ) {
        self.count += 1;
        if self.first.as_ref().is_some_and(|first| first.at <= at) {
            return;
        }
        let mut events: Vec<_> = events.into_iter().collect();
        events.sort_by_key(|event| (event.at, &event.host, event.sequence));
        events.dedup();
        self.first = Some(Evidence {
            at,
            summary: summary(),
            events: events.into_iter().map(Event::id).collect(),
            count: 0,
            broken: Vec::new(),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn verdict(self) -> Verdict {
        match self.first {
            None => Verdict::Ok,
            Some(evidence) => Verdict::Violated(Evidence {
                count: self.count,
                ..evidence
            }),
        }
    }
}
