//! How the workers' processes are started.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use clap::ValueEnum;

use super::{error::Error, guard::Guard, member::Member, wire::Style};

/// What all workers are started with.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    pub(super) program: PathBuf,
    pub(super) socket: PathBuf,
    pub(super) nodes: Vec<String>,
    pub(super) ttl: Duration,
    pub(super) max_ttl: Duration,
    pub(super) seed: u64,
}

impl Orders {
    /// Starts the worker at this position.
    pub(super) fn start(&self, position: usize, guard: &Arc<Guard>) -> Result<Member, Error> {
        let style = Style::of(position).to_possible_value();
        let style = style.as_ref().map_or("plain", |style| style.get_name());
        let options: [(&str, OsString); 6] = [
            ("--position", position.to_string().into()),
            ("--style", style.into()),
            ("--ttl-ms", self.ttl.as_millis().to_string().into()),
            ("--max-ttl-ms", self.max_ttl.as_millis().to_string().into()),
            ("--seed", self.seed.to_string().into()),
            ("--socket", self.socket.clone().into()),
        ];
        let options = options
            .into_iter()
            .flat_map(|(name, value)| [OsString::from(name), value]);
        let nodes = self.nodes.iter().map(OsString::from);
        let arguments = std::iter::once("worker".into()).chain(options).chain(nodes);
        Member::start(
            &self.program,
            arguments,
            &format!("worker-{position}.log"),
            guard,
        )
    }
}
