//! The usual workload: lock, use, release, think.

use std::time::Duration;

use futures::future::{self, Either};
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::session::{RecordedLease, Session};
use crate::{
    host::Place,
    random::{Purpose, below, stream},
    time::TrueTime,
};

/// A duration between two bounds, in milliseconds, drawn anew each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range(
    /// The least.
    pub u64,
    /// The most.
    pub u64,
);

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(crate) const fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Range {
    const fn is_zero(&self) -> bool {
        self.0 == 0 && self.1 == 0
    }

    fn draw(self, random: &mut ChaCha8Rng) -> Duration {
        let wide = self
            .1
            .saturating_sub(self.0)
            .saturating_mul(1_000)
            .saturating_add(1);
        Duration::from_micros(
            self.0
                .saturating_mul(1_000)
                .saturating_add(below(random, wide)),
        )
    }
}

/// What a client does, over and over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// When its first cycle begins, in milliseconds since the world began; at once if the cluster is not in service by then.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_ms: u64,
    /// How many cycles each worker goes through; as many as there is time for if `None`. A process that starts again begins
    /// anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<u32>,
    /// How many resources there are; each cycle picks one.
    pub resources: u32,
    /// How many cycles of a client go on at the same time.
    pub workers: u32,
    /// How long it thinks between two cycles.
    pub think_ms: Range,
    /// How many times it reads and writes under one lease.
    pub accesses: u32,
    /// How long it works before each of them.
    pub work_ms: Range,
    /// Whether it looks at the lease before each access and stops when that is over. One that does not goes on writing.
    pub looks: bool,
    /// How long it takes from that look until the access leaves: no check is made at the moment of the effect.
    #[serde(skip_serializing_if = "Range::is_zero")]
    pub hesitates_ms: Range,
    /// Whether its leases are renewed in the background.
    pub renews: bool,
    /// Before each access it extends the lease by hand, to a TTL drawn from these; a TTL that is refused is no reason to stop.
    pub extends_to_ms: Option<Range>,
    /// How long it waits for the resource's holder.
    pub within_ms: u64,
    /// How long it waits for an answer of the store.
    pub store_patience_ms: u64,
    /// Of the cluster, its lock knows the first so many nodes, and takes a majority of them; all if `None`. Only Redlock does, whose clients may
    /// disagree in the middle of a change of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<usize>,
    /// All clients with the same number draw the same random numbers in the same order, owner tokens among them, as on machines that were cloned; its
    /// host's own if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator: Option<u64>,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            start_ms: 0,
            cycles: None,
            resources: 1,
            workers: 1,
            think_ms: Range(0, 500),
            accesses: 2,
            work_ms: Range(0, 300),
            looks: true,
            hesitates_ms: Range(0, 0),
            renews: false,
            extends_to_ms: None,
            within_ms: 10_000,
            store_patience_ms: 5_000,
            nodes: None,
            generator: None,
        }
    }
}

/// Runs `workload` in `session` for ever.
///
/// # Cancellation
///
/// It stops where it is; leases are dropped.
pub async fn work<P: Place>(session: Session<P>, workload: Workload, seed: u64) {
    let workers =
        (0..workload.workers).map(|worker| cycles(session.clone(), workload.clone(), seed, worker));
    future::join_all(workers).await;
}

async fn cycles<P: Place>(session: Session<P>, workload: Workload, seed: u64, worker: u32) {
    let process = session.process().clone();
    let place = process.name();
    let mut random = stream(
        seed,
        Purpose::Workload,
        place,
        u64::from(process.incarnation()),
        u64::from(worker),
    );
    let begins = TrueTime::from(Duration::from_millis(workload.start_ms));
    let wait = begins.since(process.true_time());
    if !wait.is_zero() {
        process.runtime().sleep(wait).await;
    }
    let mut left = workload.cycles.unwrap_or(u32::MAX);
    while left > 0 {
        // Without a number there is no end.
        left -= u32::from(workload.cycles.is_some());
        process
            .runtime()
            .sleep(workload.think_ms.draw(&mut random))
            .await;
        let resource = format!(
            "r{}",
            below(&mut random, u64::from(workload.resources.max(1))) + 1
        );
        let within = Duration::from_millis(workload.within_ms);
        if let Ok(lease) = session.acquire(&resource, within).await {
            if workload.renews {
                lease.keep_renewed();
            }
            hold(&lease, &workload, &process, &mut random).await;
            // How it ended is in the history.
            let _ = lease.release().await;
        }
    }
}

/// Works under a lease; stops at the first access that is not confirmed, and when the lease is over if it looks.
async fn hold<P: Place>(
    lease: &RecordedLease<P>,
    workload: &Workload,
    process: &P,
    random: &mut ChaCha8Rng,
) {
    for _ in 0..workload.accesses {
        let work = process.runtime().sleep(workload.work_ms.draw(random));
        if !workload.looks {
            work.await;
        } else if let Either::Left(_) = future::select(std::pin::pin!(lease.lost()), work).await {
            return;
        }
        if let Some(ttl) = workload.extends_to_ms {
            // Whether it was extended is in the history.
            let _ = lease.extend(ttl.draw(random)).await;
        }
        if workload.looks && !lease.is_valid() {
            return;
        }
        let Ok(value) = lease.read().await else {
            return;
        };
        if workload.looks && !lease.is_valid() {
            return;
        }
        if !workload.hesitates_ms.is_zero() {
            let hesitation = workload.hesitates_ms.draw(random);
            process.runtime().sleep(hesitation).await;
        }
        if lease.write(value + 1).await.is_err() {
            return;
        }
    }
}
