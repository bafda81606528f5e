//! Traces of a run, on simulated time.
//!
//! The client's spans and events (`tracing`) work in the simulated world as they do in production. A subscriber that uses
//! [`TrueTimer`] prints them with the world's time, and every line is in a span `host` that names whose it is:
//!
//! ```
//! use simulator::{plan::Plan, trace::TrueTimer, world::{World, WorldConfig}};
//!
//! let subscriber = tracing_subscriber::fmt().with_timer(TrueTimer).with_writer(std::io::sink).finish();
//! let config = WorldConfig { safety_ms: 500, liveness_ms: 0, ..WorldConfig::default() };
//! tracing::subscriber::with_default(subscriber, || World::new(config, Plan::default(), 1).run());
//! ```

use std::fmt;

use tracing_subscriber::fmt::{format::Writer, time::FormatTime};

use crate::network;

/// Prints the world's time; `-` outside of hosts.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrueTimer;

impl FormatTime for TrueTimer {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        match network::try_now() {
            Some(now) => write!(writer, "{now}"),
            None => writer.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::{
        network::lock,
        plan::Plan,
        world::{World, WorldConfig},
    };

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_run_is_traced_on_its_own_time_and_by_host() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_timer(TrueTimer)
            .with_ansi(false)
            .with_env_filter("turmoil=off,info,redlock=debug")
            .with_writer(move || writer.clone())
            .finish();
        let config = WorldConfig {
            safety_ms: 1_000,
            liveness_ms: 0,
            ..WorldConfig::default()
        };
        tracing::subscriber::with_default(subscriber, || {
            World::new(config, Plan::default(), 7).run()
        });
        let bytes = lock(&lines.0).clone();
        let text = String::from_utf8_lossy(&bytes);
        let answered: Vec<_> = text
            .lines()
            .filter(|line| line.contains("answered") && line.contains("granted"))
            .collect();
        assert!(!answered.is_empty(), "{text}");
        assert!(
            answered.iter().all(|line| line.starts_with("0.")),
            "{answered:?}"
        );
        assert!(
            answered.iter().any(|line| line.contains("client-1")),
            "{answered:?}"
        );
    }
}
