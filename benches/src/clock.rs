//! Time and tasks: measurements run on the real ones.

use std::{
    fs,
    future::Future,
    io,
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

/// Time on a processor of all threads of a process (a number, or `self`), to the nanosecond. Linux only.
///
/// # Errors
///
/// When the system does not say.
pub fn processor_time(process: &str) -> io::Result<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = statistics.split(' ').next().map(str::parse::<u64>);
        total += first
            .and_then(Result::ok)
            .ok_or(io::ErrorKind::Unsupported)?;
    }
    Ok(Duration::from_nanos(total))
}
