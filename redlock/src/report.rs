//! What every node answered, for people.

use std::{fmt, sync::Arc, time::Duration};

use crate::protocol::{Answer, Quorum};

/// One node's part in an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// The node's name: its address without user and password.
    pub node: Arc<str>,
    /// What it last answered; `None` while its first answer is outstanding.
    pub answer: Option<Answer>,
}

impl fmt::Display for NodeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.answer {
            Some(answer) => write!(f, "{} {answer}", self.node),
            None => write!(f, "{} has not answered yet", self.node),
        }
    }
}

/// What the nodes answered to one attempt, or what they last answered about a lease, in the order in
/// which the nodes were configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many of how many nodes had to agree.
    pub quorum: Quorum,
    /// The nodes, in configured order.
    pub nodes: Vec<NodeReport>,
    /// Time since before the attempt's first byte was sent, by the client clock that counted most.
    pub elapsed: Duration,
}

impl Report {
    /// How many nodes granted or confirmed.
    pub fn granted(&self) -> usize {
        self.count(|answer| matches!(answer, Answer::Granted { .. } | Answer::Confirmed))
    }

    /// How many nodes said that another owner holds the key.
    pub fn contended(&self) -> usize {
        self.count(|answer| matches!(answer, Answer::Contended { .. }))
    }

    /// How many nodes are quarantined after a restart, or because they are new.
    pub fn quarantined(&self) -> usize {
        self.count(|answer| matches!(answer, Answer::Quarantined { .. }))
    }

    /// How many nodes failed for a reason that waiting does not mend.
    pub fn misconfigured(&self) -> usize {
        self.count(|answer| {
            matches!(answer, Answer::Refused(reason) | Answer::Unknown(reason) if reason.is_misconfiguration())
        })
    }

    /// Whether two configured nodes turned out to be one server: then the cluster has fewer nodes
    /// than it seems, and nobody should find that out later.
    pub fn has_same_server(&self) -> bool {
        self.count(Answer::is_same_server) > 0
    }

    /// How many nodes had not answered when the outcome was certain.
    pub fn outstanding(&self) -> usize {
        self.nodes
            .iter()
            .filter(|report| report.answer.is_none())
            .count()
    }

    /// When the q-th node of those in quarantine or already willing can vote; `None` when fewer than
    /// q nodes are either.
    pub(crate) fn quorum_admitted_in(&self) -> Option<Duration> {
        let mut waits: Vec<_> = self
            .nodes
            .iter()
            .filter_map(|report| match report.answer {
                Some(Answer::Granted { .. } | Answer::Contended { .. }) => Some(Duration::ZERO),
                Some(Answer::Quarantined { remaining }) => Some(remaining),
                _ => None,
            })
            .collect();
        waits.sort_unstable();
        waits.get(self.quorum.needed() - 1).copied()
    }

    fn count(&self, wanted: impl Fn(&Answer) -> bool) -> usize {
        self.nodes
            .iter()
            .filter(|report| report.answer.as_ref().is_some_and(&wanted))
            .count()
    }
}

/// "2 of 5 nodes granted, 3 needed: redis-4:6379 timed out after 50 ms, …", naming the nodes that did
/// not agree.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted = self.granted();
        write!(
            f,
            "{granted} of {} nodes granted, {} needed",
            self.quorum.nodes(),
            self.quorum.needed()
        )?;
        let mut separator = ": ";
        for report in &self.nodes {
            if !matches!(
                report.answer,
                Some(Answer::Granted { .. } | Answer::Confirmed)
            ) {
                write!(f, "{separator}{report}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

/// How far a release has come, in configured order of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseReport {
    /// Whether a quorum of nodes is known to be free of the lease's key, so that somebody else can
    /// acquire the resource now.
    pub freed: bool,
    /// What each node answered; `None` when nothing had to be released there, or its answer is
    /// outstanding.
    pub nodes: Vec<NodeReport>,
    /// The nodes whose release was not answered yet; it goes on in the background until the key's TTL
    /// ends it.
    pub outstanding: Vec<Arc<str>>,
}

impl fmt::Display for ReleaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.freed {
            "released"
        } else {
            "not released on a quorum yet"
        })?;
        for (index, node) in self.outstanding.iter().enumerate() {
            write!(
                f,
                "{}{node}",
                if index == 0 { "; outstanding: " } else { ", " }
            )?;
        }
        Ok(())
    }
}
