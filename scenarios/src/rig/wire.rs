//! What a worker and the supervisor say to each other: one JSON object per line, on two sockets.
//!
//! A worker opens both. On the first it writes what happened, and blocks when nobody reads; while it is stopped the kernel
//! keeps what it wrote. On the second it reads what its clocks do.

use std::{collections::BTreeMap, io, path::PathBuf};

use serde::{Deserialize, Serialize};
use simulator::{
    TrueTime,
    clock::{ClockName, ClockSegment},
    history::{EventKind, HostName},
    hunt::Planted,
    world::WorldConfig,
};

use super::watch::Watch;

/// What all workers of a run are started with; a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) watch: Watch,
    pub(super) seed: u64,
    pub(super) config: WorldConfig,
    /// The rule of the client that is switched off, if any.
    pub(super) planted: Option<Planted>,
    pub(super) socket: PathBuf,
    /// By client, by the host it wants to reach: the port of the link between them.
    pub(super) routes: BTreeMap<HostName, BTreeMap<HostName, u16>>,
}

/// The first line on a socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) host: HostName,
    pub(super) incarnation: u32,
    /// Which of the two sockets it is.
    pub(super) reads: bool,
}

/// From a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromWorker {
    /// Something happened on its host.
    Event {
        /// When, on true time.
        at_ns: TrueTime,
        /// What.
        #[serde(flatten)]
        kind: EventKind,
    },
    /// It has put the cluster into service.
    Deployed,
    /// It could not, and tries again.
    NotDeployed {
        /// Why.
        why: String,
    },
}

/// To a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToWorker {
    /// A clock of its host changes, or changed, its course.
    Clock {
        /// Which.
        clock: ClockName,
        /// From here on.
        segment: ClockSegment,
    },
    /// The cluster is in service: the work may begin.
    InService,
}

/// One value as a line.
pub(super) fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}
