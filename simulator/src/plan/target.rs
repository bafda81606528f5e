//! Whom a fault hits.

use std::{fmt, str::FromStr};

/// A host by its name, or by the part it plays when the fault begins.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `node-1` …, `client-1` …, `store`.
    Host(String),
    /// Resolved when the window begins.
    Role(Role),
}

/// A part that hosts play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// All nodes.
    Nodes,
    /// All clients.
    Clients,
    /// The client that believes it holds a lease; of several, the one whose lease is oldest.
    Holder,
    /// The client that has waited longest to acquire.
    NextWaiter,
    /// The first ⌊(N−1)/2⌋ nodes: fewer than a majority.
    Minority,
    /// The last ⌊N/2⌋ + 1 nodes.
    Majority,
    /// The nodes that hold the holder's owner token.
    QuorumOfHolder,
    /// One of them: the first by name.
    NodeOfHolder,
    /// The protected store.
    Store,
}

impl Role {
    /// All of them, as files spell them.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Nodes, "nodes"),
        (Self::Clients, "clients"),
        (Self::Holder, "holder"),
        (Self::NextWaiter, "next_waiter"),
        (Self::Minority, "minority"),
        (Self::Majority, "majority"),
        (Self::QuorumOfHolder, "quorum_of(holder)"),
        (Self::NodeOfHolder, "node_of(holder)"),
        (Self::Store, "store"),
    ];
}

impl From<Role> for Target {
    fn from(role: Role) -> Self {
        Self::Role(role)
    }
}

/// A text that is neither a role nor can be the name of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotATarget;

impl FromStr for Target {
    type Err = NotATarget;

    /// A role by its name; else the name of a host: letters, digits, `-`, `_` and `.`.
    fn from_str(text: &str) -> Result<Self, NotATarget> {
        if let Some((role, _)) = Role::ALL.iter().find(|(_, name)| *name == text) {
            return Ok(Self::Role(*role));
        }
        let may_be_in_a_name =
            |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        if text.is_empty() || !text.chars().all(may_be_in_a_name) {
            return Err(NotATarget);
        }
        Ok(Self::Host(text.to_owned()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL
            .iter()
            .find(|(role, _)| role == self)
            .map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Role(role) => role.fmt(f),
        }
    }
}
