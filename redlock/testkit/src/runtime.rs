//! The thread on which the fault tools run.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// How long a test waits for an event before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// One runtime for all tools of the process, with its own thread and real time: whoever uses a tool may block its own
/// runtime or pause that runtime's clock.
pub(crate) fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("redlock-testkit")
            .enable_io()
            .enable_time()
            .build()
            .expect("a thread for the fault tools")
    };
    RUNTIME.get_or_init(start).handle()
}

/// Waits for a future on the tools' own runtime, where a caller's paused clock does not count. None when it takes too long.
pub(crate) async fn bounded<F>(future: F) -> Option<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let waiting = handle().spawn(async { tokio::time::timeout(PATIENCE, future).await.ok() });
    waiting
        .await
        .expect("the tools' runtime lives as long as the process")
}
