//! What a look at all nodes found, and whether they can be relied on.
//!
//! [`Redlock::preflight`](crate::Redlock::preflight) asks every node what it is and how it is
//! configured, and judges: a [`Finding`] is a refusal (the node does not take part, or must not) or a
//! warning (it does, with a consequence that it names). Each says what to do.

mod finding;
mod probe;

use std::{fmt, sync::Arc};

pub(crate) use finding::Judge;
pub use finding::{Finding, Problem, Severity};
pub use probe::{ClockOffset, Forbidden, Persistence, Probe};

use crate::{
    node::{GuardState, NodeFacts},
    protocol::{Quorum, Reason},
};

/// What a look at all nodes found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preflight {
    /// How many of how many nodes have to agree.
    pub quorum: Quorum,
    /// The nodes, in configured order.
    pub nodes: Vec<PreflightNode>,
}

/// What a look at one node found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreflightNode {
    /// The node's name: its address without user and password.
    pub node: Arc<str>,
    /// What it said over the connection that locks use, or why it cannot take part.
    pub facts: Result<NodeFacts, Reason>,
    /// What it said about its configuration, if it could be asked.
    pub probe: Option<Probe>,
    /// What is wrong with it, refusals first.
    pub findings: Vec<Finding>,
}

impl Preflight {
    pub(crate) const fn new(quorum: Quorum, nodes: Vec<PreflightNode>) -> Self {
        Self { quorum, nodes }
    }

    /// Whether a quorum of nodes votes now, and nothing speaks against their votes.
    pub fn is_ready(&self) -> bool {
        self.quorum.reached(self.voting())
    }

    /// How many nodes vote now.
    pub fn voting(&self) -> usize {
        self.nodes.iter().filter(|node| node.votes()).count()
    }

    /// All findings with the node's name, in the order of nodes.
    pub fn findings(&self) -> impl Iterator<Item = (&str, &Finding)> {
        self.nodes
            .iter()
            .flat_map(|node| node.findings.iter().map(move |found| (&*node.node, found)))
    }
}

impl PreflightNode {
    /// Whether the node votes now.
    pub fn votes(&self) -> bool {
        let admitted = matches!(
            &self.facts,
            Ok(facts) if matches!(facts.guard, GuardState::Admitted | GuardState::NotUsed)
        );
        let refused = |found: &Finding| found.severity == Severity::Refusal;
        admitted && !self.findings.iter().any(refused)
    }
}

/// A report of several lines: a summary, then each node with its findings.
impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = if self.is_ready() {
            "ready"
        } else {
            "not ready"
        };
        write!(
            f,
            "{ready}: {} nodes have to agree, {} vote now",
            self.quorum,
            self.voting()
        )?;
        self.nodes.iter().try_for_each(|node| write!(f, "\n{node}"))
    }
}

impl fmt::Display for PreflightNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.facts {
            Ok(facts) => write!(f, "{}: Redis {}, {}", self.node, facts.version, facts.guard)?,
            Err(_) => write!(f, "{}: does not take part", self.node)?,
        }
        if let Some(probe) = &self.probe {
            write!(f, "\n  {probe}")?;
        }
        for finding in &self.findings {
            write!(f, "\n  {finding}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
