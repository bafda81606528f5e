//! The arguments of the failure test, and what all its runs have in common.

use std::{path::PathBuf, time::Duration};

/// How many nodes there are.
pub(super) const NODES: usize = 5;
/// How many of them are a majority.
pub(super) const QUORUM: usize = NODES / 2 + 1;
/// How many resources are contended for.
pub(super) const RESOURCES: usize = 3;
/// How many wishes a worker pursues at a time.
pub(super) const HANDS: usize = 2;
/// The TTL of leases: short, so that pauses past it are many.
pub(super) const TTL: Duration = Duration::from_millis(1000);
/// The longest TTL of the cluster, and so the quarantine of a node that may have forgotten. The last leases have it: what
/// they left behind would still be there when the nodes are looked at.
pub(super) const MAX_TTL: Duration = Duration::from_millis(2500);
/// The longest time without an acquisition that a quorum of voting nodes may show.
pub(super) const PATIENCE: Duration = Duration::from_millis(3000);
/// From the end of the last fault to the end of the run: the last quarantine ends, and so does what dead workers left.
pub(super) const SETTLE: Duration = Duration::from_millis(3500);
/// When the nodes must be free of keys after the last release: the node deadline and a second.
pub(super) const LEFT_BEHIND: Duration = Duration::from_millis(1050);

/// A mistake that is planted to see whether it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Plant {
    /// Each worker asks one node only, and takes its grant for the cluster's.
    QuorumOfOne,
    /// Each worker's nodes answer acquire calls with a grant, and are not asked.
    GrantWithoutAsking,
    /// Nodes that forgot what they granted vote at once. It takes a run of half a minute to be found.
    NoRestartGuard,
}

impl Plant {
    /// The name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::QuorumOfOne => "quorum-of-one",
            Self::GrantWithoutAsking => "grant-without-asking",
            Self::NoRestartGuard => "no-restart-guard",
        }
    }
}

/// What a failure test is run with.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long to run, in seconds; faults end a few seconds earlier.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(6..=604_800))]
    pub seconds: u32,
    /// Decides which faults come when, and what the workers do.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many worker processes contend.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(4..=32))]
    pub workers: u32,
    /// Plant a mistake: the run is expected to find it, and to end with code 1.
    #[arg(long, value_enum)]
    pub(super) plant: Option<Plant>,
    /// Print one JSON object at the end, and nothing else.
    #[arg(long)]
    pub json: bool,
    /// Write everything that happens to this file, one JSON value per line.
    #[arg(long)]
    pub history: Option<PathBuf>,
}

impl Options {
    pub(super) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        usize::try_from(self.workers).unwrap_or(usize::MAX)
    }
}
