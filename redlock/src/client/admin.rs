//! Looking at the nodes, and changing their guard records on purpose.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::{self, Either};

use super::shared::Shared;
use crate::{
    error::AdmitError,
    node::{GuardState, Inspection, Node, NodeFacts},
    preflight::{Judge, Preflight, PreflightNode, Probe},
    protocol::Reason,
};

/// The longest that one node's answer is waited for: connecting and one script.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

pub(super) async fn preflight(shared: &Shared) -> Preflight {
    let asked = shared.nodes.iter().map(|node| async {
        future::join(ask(shared, node, Inspection::Look), probe(shared, node)).await
    });
    let mut servers: BTreeMap<String, Arc<str>> = BTreeMap::new();
    let mut nodes = Vec::with_capacity(shared.nodes.len());
    let answers = future::join_all(asked).await;
    for ((facts, probe), name) in answers.into_iter().zip(&shared.names) {
        let run_id = probe.as_ref().and_then(|probe| probe.run_id.clone());
        let same_server = run_id.as_ref().and_then(|id| servers.get(id).cloned());
        if let Some(run_id) = run_id {
            servers.entry(run_id).or_insert_with(|| name.clone());
        }
        let judge = Judge {
            settings: &shared.config.settings,
            node_timeout: shared.config.node_timeout,
            same_server,
        };
        let findings = judge.findings(&facts, probe.as_ref());
        nodes.push(PreflightNode {
            node: name.clone(),
            facts,
            probe,
            findings,
        });
    }
    Preflight::new(shared.config.quorum(), nodes)
}

/// A node that cannot be asked about its configuration says why over its other connection.
async fn probe(shared: &Shared, node: &Arc<dyn Node>) -> Option<Probe> {
    let most = shared.runtime.sleep(LONGEST_LOOK);
    match future::select(node.probe(), most).await {
        Either::Left((probe, _)) => probe.ok(),
        Either::Right(_) => None,
    }
}

pub(super) async fn admit_new_cluster(shared: &Shared) -> Result<(), AdmitError> {
    for (node, facts) in ask_all(shared, Inspection::Look).await {
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

async fn ask_all(
    shared: &Shared,
    inspection: Inspection,
) -> Vec<(String, Result<NodeFacts, Reason>)> {
    let asked = shared.nodes.iter().map(|node| async move {
        let facts = ask(shared, node, inspection).await;
        (node.name().to_owned(), facts)
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
