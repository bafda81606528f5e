//! The arguments of the demonstration.

use std::time::Duration;

/// No TTL of a demonstration is longer: nobody likes to watch longer pauses.
const LONGEST_TTL: Duration = Duration::from_secs(2);
/// The script's faults are repeated about this often.
const ROUND: Duration = Duration::from_secs(20);

/// What a demonstration is run with.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// How long to run, in seconds. Below 20, everything happens proportionally faster.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(6..=3600))]
    pub seconds: u32,
    /// How many workers contend.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=16))]
    pub workers: u32,
    /// Decides which nodes are hit, when, and how long the work takes.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print plain lines, also on a terminal.
    #[arg(long)]
    pub plain: bool,
}

impl Options {
    pub(super) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// How many times the script of faults is run through.
    pub(super) fn rounds(&self) -> u32 {
        (self.seconds / u32::try_from(ROUND.as_secs()).unwrap_or(u32::MAX)).max(1)
    }

    /// The TTL of leases: a tenth of a round, so that a pause past it always fits.
    pub(super) fn ttl(&self) -> Duration {
        (self.length() / self.rounds() / 10).min(LONGEST_TTL)
    }

    /// The longest TTL the cluster allows, and so the quarantine of a node that lost its memory.
    pub(super) fn max_ttl(&self) -> Duration {
        self.ttl() * 3 / 2
    }

    /// How long a holder is stopped: past its TTL by half of it.
    pub(super) fn pause(&self) -> Duration {
        self.ttl() * 3 / 2
    }

    /// The longest time without an acquisition that a running quorum may show.
    pub(super) fn patience(&self) -> Duration {
        self.ttl() + Duration::from_secs(2)
    }
}
