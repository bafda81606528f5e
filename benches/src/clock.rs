//! Time and tasks: measurements run on the real ones.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

/// Now.
#[expect(clippy::disallowed_methods, reason = "measures real time")]
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "measures on real time")]
pub async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs a task on tokio.
#[expect(clippy::disallowed_methods, reason = "measures on tokio itself")]
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}
