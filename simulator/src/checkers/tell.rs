//! How evidence speaks of leases.

use std::time::Duration;

use crate::{
    time::TrueTime,
    truth::{Lease, WindowEnd},
};

/// `client-1's lease client-1/4`, with its fencing token.
pub(super) fn lease(lease: &Lease<'_>) -> String {
    match lease.token {
        Some(token) => format!("{}'s lease {} (token {token})", lease.client, lease.id),
        None => format!("{}'s lease {}", lease.client, lease.id),
    }
}

/// Why and when the window ended.
pub(super) fn end(lease: &Lease<'_>) -> String {
    let at = lease.window.end;
    match lease.ended {
        WindowEnd::Released(_) => format!("until it released it at {at}"),
        WindowEnd::Lost(_) => format!("until it was told of its loss at {at}"),
        WindowEnd::Deadline(_) => format!("until {at} by its own clocks"),
        WindowEnd::Crashed => format!("until it crashed at {at}"),
        WindowEnd::Open => "to the end of the run".to_owned(),
    }
}

/// A length of time with the digits that it needs.
pub(super) fn length(time: Duration) -> String {
    TrueTime::from(time).to_string()
}
