//! The first thing an operator runs: looks at every node of a cluster and says what stands in the way.

use std::{io::Write as _, time::Duration};

use clap::Args;
use redlock::{Redlock, preflight::Severity};

use crate::live::Error;

/// The nodes, and the settings that the service's clients use.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// URLs of all nodes: redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:///path.
    #[arg(required = true, value_name = "URL")]
    nodes: Vec<String>,
    /// How many nodes have to agree; a majority by default.
    #[arg(long)]
    quorum: Option<usize>,
    /// TTL of the service's leases, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000)]
    ttl_ms: u64,
    /// The longest TTL that any client asks for, in milliseconds; three TTLs by default.
    #[arg(long, value_name = "MS")]
    max_ttl_ms: Option<u64>,
    /// What stands before all keys.
    #[arg(long, default_value = "redlock")]
    prefix: String,
    /// Number of fencing counters.
    #[arg(long, default_value_t = 256)]
    stripes: u32,
    /// The clients do not fence.
    #[arg(long)]
    no_fencing: bool,
    /// The clients do not guard against nodes that restart.
    #[arg(long)]
    no_restart_guard: bool,
    /// The clients read the nodes' identity on every call.
    #[arg(long)]
    strict_identity: bool,
    /// Admit the nodes of a cluster that never held a lock, instead of waiting out their quarantine.
    #[arg(long)]
    admit_new_cluster: bool,
}

impl Options {
    fn client(&self) -> Result<Redlock, Error> {
        let mut builder = Redlock::builder()
            .nodes(self.nodes.iter().cloned())
            .ttl(Duration::from_millis(self.ttl_ms))
            .prefix(&self.prefix)
            .stripes(self.stripes)
            .fencing(!self.no_fencing)
            .restart_guard(!self.no_restart_guard)
            .strict_identity(self.strict_identity);
        if let Some(quorum) = self.quorum {
            builder = builder.quorum(quorum);
        }
        if let Some(max_ttl) = self.max_ttl_ms {
            builder = builder.max_ttl(Duration::from_millis(max_ttl));
        }
        builder
            .build()
            .map_err(|error| Error::Client(error.to_string()))
    }
}

/// Prints the report. Returns the exit code: 0 when a quorum votes and nothing is refused, 2 otherwise.
///
/// # Errors
///
/// When the client cannot be configured so, or the cluster was to be admitted and cannot be.
pub fn run(options: &Options) -> Result<u8, Error> {
    let client = options.client()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("starting a runtime"))?;
    runtime.block_on(async {
        if options.admit_new_cluster {
            let admitted = client.admit_new_cluster().await;
            admitted.map_err(|error| Error::Client(error.to_string()))?;
        }
        let report = client.preflight().await;
        // Not `println!`, which panics when nobody reads any more.
        writeln!(std::io::stdout(), "{report}").map_err(Error::system("printing the report"))?;
        let refused = report
            .findings()
            .any(|(_, finding)| finding.severity == Severity::Refusal);
        Ok(if report.is_ready() && !refused { 0 } else { 2 })
    })
}
