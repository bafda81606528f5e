//! How far a lease was from being unsafe.

use serde::{Deserialize, Serialize};

use super::{Facts, Lease, WindowEnd};
use crate::{
    history::{HostName, LeaseId},
    time::TrueTime,
};

/// The safety margin of one lease: from the end of its window to the end of its protection. Negative is unsafe: the
/// holder still relied on the lease while a quorum was free to grant it to somebody else, whether or
/// not somebody came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Margin {
    /// The lease.
    pub lease: LeaseId,
    /// Its holder.
    pub client: HostName,
    /// What it is on.
    pub resource: String,
    /// True time.
    pub window_start_ns: TrueTime,
    /// True time; never is the largest number.
    pub window_end_ns: TrueTime,
    /// `released`, `lost`, `deadline`, `crashed` or `open`. The margin of a lease that was released is the way
    /// of the release to the nodes; only those that ran to the deadline say how tight validity is.
    pub ended: String,
    /// The first instant in or after the window at which protection was gone; never is the largest number.
    pub protected_until_ns: TrueTime,
    /// The margin, in nanoseconds; `None` when it has no end or the window was empty.
    pub margin_ns: Option<i64>,
    /// The margin, in percent of the TTL.
    pub margin_percent_of_ttl: Option<f64>,
}

impl Margin {
    /// That of `lease`; `None` without an owner token.
    pub fn of(lease: &Lease<'_>, facts: &Facts) -> Option<Self> {
        let protection = &lease.hold.as_ref()?.protection;
        let window = lease.window;
        let until = protection.end_from(window.start);
        let open = window.is_empty() || window.end == TrueTime::MAX || until == TrueTime::MAX;
        let margin_ns = (!open).then(|| signed(until) - signed(window.end));
        let ttl_ms = facts.ttl_ms as f64;
        Some(Self {
            lease: lease.id.clone(),
            client: lease.client.clone(),
            resource: lease.resource.to_owned(),
            window_start_ns: window.start,
            window_end_ns: window.end,
            ended: lease.ended.name().to_owned(),
            protected_until_ns: until,
            margin_ns,
            margin_percent_of_ttl: margin_ns
                .filter(|_| facts.ttl_ms > 0)
                .map(|ns| ns as f64 / (ttl_ms * 10_000.0)),
        })
    }

    /// Whether the window went on after the protection was gone.
    pub fn is_unsafe(&self) -> bool {
        self.window_start_ns < self.window_end_ns && self.protected_until_ns < self.window_end_ns
    }
}

impl WindowEnd<'_> {
    /// One word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Released(_) => "released",
            Self::Lost(_) => "lost",
            Self::Deadline(_) => "deadline",
            Self::Crashed => "crashed",
            Self::Open => "open",
        }
    }
}

fn signed(at: TrueTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}
