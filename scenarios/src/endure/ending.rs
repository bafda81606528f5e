//! What is looked at when everything has ended.

use super::{
    clock::{self, now},
    ledger::{End, Usage},
    nemesis,
    options::{LEFT_BEHIND, NODES},
    stage::Stage,
};

/// How often the nodes are asked.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(10);

/// After the last release, all nodes have to be free of lock keys within a moment. All of them were up since the run
/// settled, so all are asked.
pub(super) async fn look_for_keys(stage: &Stage, end: &mut End) {
    let Some(last) = stage.crew.iter().filter_map(|post| post.done).max() else {
        return;
    };
    loop {
        let late = now() - last > LEFT_BEHIND;
        let left = lock_keys(stage).await;
        if left.is_empty() {
            end.clean_after = Some(now() - last);
            return;
        }
        if late {
            end.left_keys = left;
            return;
        }
        clock::sleep(AGAIN).await;
    }
}

/// The keys on all nodes; a node that cannot be asked is as bad as one that holds some.
async fn lock_keys(stage: &Stage) -> Vec<String> {
    let mut left = Vec::new();
    for node in 0..NODES {
        match nemesis::lock_keys(&stage.cluster, node).await {
            Ok(keys) => left.extend(keys.into_iter().map(|key| format!("node {node}: {key}"))),
            Err(error) => left.push(format!("node {node}: {error}")),
        }
    }
    left
}

/// Puts together what each worker used at the start and at the end.
pub(super) fn compare(stage: &Stage, end: &mut End) {
    for (position, post) in stage.crew.iter().enumerate() {
        let (Some((before, idle)), Some(ending)) = (post.start, &post.ending) else {
            continue;
        };
        if !ending.undelivered.is_empty() {
            let text = format!("worker-{position}: {}", ending.undelivered);
            end.trouble.push(text);
        }
        end.drained = end.drained.max(ending.drained);
        end.usage.push(Usage {
            worker: position,
            before,
            idle,
            shut_down: ending.idle,
            after: ending.after,
            same_process: post.process == position,
        });
    }
}
