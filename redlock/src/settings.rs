//! The cluster's settings: what all clients of one set of nodes must agree on.

use std::{fmt, time::Duration};

use crate::protocol::Quorum;

/// What every client of a cluster must agree on. Each node stores it in its guard record; a client
/// with other settings is refused by name, because one client that disagrees breaks the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// N and q.
    pub quorum: Quorum,
    /// No lease has a longer TTL, so a node that forgot its keys may vote again after this.
    pub max_ttl: Duration,
    /// What stands before all keys.
    pub prefix: String,
    /// Number of fencing counters.
    pub stripes: u32,
    /// Whether nodes count fencing tokens.
    pub fencing: bool,
    /// Whether nodes that may have forgotten keys are quarantined.
    pub restart_guard: bool,
    /// Whether every acquisition reads the node's identity anew, so that a failover there and back is
    /// noticed on a connection that outlives it.
    pub strict_identity: bool,
}

impl Settings {
    /// Whether nodes keep a guard record at all.
    pub const fn keeps_record(&self) -> bool {
        self.fencing || self.restart_guard
    }

    /// Whether a node with replicas can take part: a failover there and back must not lose keys
    /// unnoticed.
    pub const fn allows_replicas(&self) -> bool {
        !self.restart_guard || self.strict_identity
    }

    /// How far a proposal for a fencing counter may be from the node's own time: `max_ttl`/4.
    pub fn proposal_window(&self) -> Duration {
        self.max_ttl / 4
    }

    /// The settings that differ, by name, from those that a node stored.
    pub fn differences(&self, stored: &str) -> String {
        let ours = self.to_string();
        let theirs: Vec<&str> = stored.split(' ').collect();
        let differing: Vec<String> = ours
            .split(' ')
            .filter(|setting| !theirs.contains(setting))
            .map(|setting| {
                let name = setting.split('=').next().unwrap_or_default();
                let other = theirs
                    .iter()
                    .find(|their| their.split('=').next() == Some(name))
                    .map_or("nothing", |their| {
                        their.split('=').nth(1).unwrap_or_default()
                    });
                let value = setting.split('=').nth(1).unwrap_or_default();
                format!("{name} is {value} here and {other} on the node")
            })
            .collect();
        if differing.is_empty() {
            format!("the node stores settings that this version does not know: {stored:?}")
        } else {
            differing.join(", ")
        }
    }
}

/// One line that nodes store and compare byte for byte.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let switch = |on: bool| if on { "on" } else { "off" };
        write!(
            f,
            "format=1 nodes={} quorum={} max_ttl_ms={} prefix={} stripes={} fencing={} guard={} strict={}",
            self.quorum.nodes(),
            self.quorum.needed(),
            self.max_ttl.as_millis(),
            self.prefix,
            self.stripes,
            switch(self.fencing),
            switch(self.restart_guard),
            switch(self.strict_identity),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            quorum: Quorum::majority(5),
            max_ttl: Duration::from_secs(30),
            prefix: "redlock".into(),
            stripes: 256,
            fencing: true,
            restart_guard: true,
            strict_identity: false,
        }
    }

    #[test]
    fn settings_that_differ_are_named() {
        let stored = Settings {
            max_ttl: Duration::from_secs(60),
            stripes: 64,
            ..settings()
        }
        .to_string();
        assert_eq!(
            settings().differences(&stored),
            "max_ttl_ms is 30000 here and 60000 on the node, stripes is 256 here and 64 on the node",
        );
        assert!(
            settings()
                .differences("format=2")
                .starts_with("format is 1 here and 2 on the node")
        );
        assert!(settings().differences("").contains("nothing on the node"));
    }
}
