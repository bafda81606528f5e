//! Looking at the nodes, and changing their guard records on purpose.

use std::{fmt, sync::Arc, time::Duration};

use futures::future::{self, Either};

use super::shared::Shared;
use crate::{
    error::AdmitError,
    node::{GuardState, Inspection, Node, NodeFacts},
    protocol::{Quorum, Reason},
};

/// The longest that one node's answer is waited for: connecting and one script.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// What a look at all nodes found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// How many of how many nodes have to agree.
    pub quorum: Quorum,
    /// The nodes, in configured order.
    pub nodes: Vec<PreflightNode>,
}

/// What a look at one node found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightNode {
    /// The node's name: its address without user and password.
    pub node: Arc<str>,
    /// What it said about itself, or why it cannot take part.
    pub facts: Result<NodeFacts, Reason>,
}

impl Preflight {
    /// Whether a quorum of nodes votes now.
    pub fn is_ready(&self) -> bool {
        let votes = |node: &&PreflightNode| matches!(&node.facts, Ok(facts) if matches!(facts.guard, GuardState::Admitted | GuardState::NotUsed));
        self.quorum.reached(self.nodes.iter().filter(votes).count())
    }
}

impl fmt::Display for Preflight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in &self.nodes {
            match &node.facts {
                Ok(facts) => {
                    writeln!(f, "{}: Redis {}, {}", node.node, facts.version, facts.guard)?
                }
                Err(reason) => writeln!(f, "{}: {reason}", node.node)?,
            }
        }
        let ready = if self.is_ready() {
            "ready"
        } else {
            "not ready"
        };
        write!(f, "{ready}: {} nodes have to agree", self.quorum)
    }
}

impl fmt::Display for GuardState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => {
                f.write_str("no guard record: new, flushed or restarted without its data")
            }
            Self::Admitted => f.write_str("admitted"),
            Self::Quarantined { remaining } => {
                write!(f, "quarantined for {} ms more", remaining.as_millis())
            }
            Self::OtherSettings { stored } => write!(f, "stores other settings: {stored}"),
            Self::NotUsed => f.write_str("no guard record needed"),
        }
    }
}

pub(super) async fn preflight(shared: &Shared) -> Preflight {
    Preflight {
        quorum: shared.config.quorum(),
        nodes: ask_all(shared, Inspection::Look).await,
    }
}

pub(super) async fn admit_new_cluster(shared: &Shared) -> Result<(), AdmitError> {
    for PreflightNode { node, facts } in ask_all(shared, Inspection::Look).await {
        let node = node.to_string();
        match facts {
            Err(reason) => return Err(AdmitError::Unreachable { node, reason }),
            Ok(NodeFacts {
                guard: GuardState::Absent | GuardState::NotUsed,
                ..
            }) => {}
            Ok(_) => return Err(AdmitError::NotNew { node }),
        }
    }
    change_all(shared, Inspection::AdmitNew).await
}

pub(super) async fn replace_settings(shared: &Shared) -> Result<(), AdmitError> {
    change_all(shared, Inspection::ReplaceSettings).await
}

/// One node after the other: the first that fails is named, and those after it are untouched.
async fn change_all(shared: &Shared, change: Inspection) -> Result<(), AdmitError> {
    for node in &shared.nodes {
        ask(shared, node, change)
            .await
            .map_err(|reason| AdmitError::Refused {
                node: node.name().to_owned(),
                reason,
            })?;
    }
    Ok(())
}

async fn ask_all(shared: &Shared, inspection: Inspection) -> Vec<PreflightNode> {
    let asked = shared
        .nodes
        .iter()
        .zip(&shared.names)
        .map(|(node, name)| async {
            PreflightNode {
                node: name.clone(),
                facts: ask(shared, node, inspection).await,
            }
        });
    future::join_all(asked).await
}

async fn ask(
    shared: &Shared,
    node: &Arc<dyn Node>,
    inspection: Inspection,
) -> Result<NodeFacts, Reason> {
    let most = shared.runtime.sleep(LONGEST_LOOK);
    match future::select(node.inspect(inspection), most).await {
        Either::Left((facts, _)) => facts,
        Either::Right(_) => Err(Reason::TimedOut(LONGEST_LOOK)),
    }
}
