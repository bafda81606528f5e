//! What a node said about its configuration.

use std::{fmt, time::Duration};

/// What a node said about its configuration. What it did not say, or was not permitted to, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probe {
    /// The server's version.
    pub version: Option<String>,
    /// Names the running process: two nodes with one `run_id` are one server.
    pub run_id: Option<String>,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: Option<String>,
    /// `master` or `slave`.
    pub role: Option<String>,
    /// How many replicas are connected.
    pub replicas: Option<u64>,
    /// What the server does when memory runs out.
    pub eviction_policy: Option<String>,
    /// What survives a restart.
    pub persistence: Option<Persistence>,
    /// How far the server's clock is from ours.
    pub clock: Option<ClockOffset>,
    /// The shortest of a few round trips.
    pub round_trip: Option<Duration>,
    /// The commands that the client needs and that this user may not run.
    pub forbidden: Vec<Forbidden>,
}

/// What a server keeps when it loses its memory. What matters here is whether that is *everything*:
/// only then do fencing tokens stay in order without any assumption about clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Persistence {
    /// No append-only file: at most a snapshot, which is older than the loss.
    None,
    /// An append-only file that is forced to disk before each reply.
    Always,
    /// An append-only file that is forced to disk later: the last seconds may be lost.
    Later,
    /// An append-only file; when it is forced to disk is not known, because this user may not run
    /// CONFIG GET.
    Unknown,
}

impl Persistence {
    /// Whether no acknowledged write is lost.
    pub const fn keeps_everything(self) -> bool {
        matches!(self, Self::Always)
    }
}

/// A server's clock compared with ours. Uncertain by half a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockOffset {
    /// It shows a later time than ours, by this much.
    Ahead(Duration),
    /// It shows an earlier time than ours, by this much.
    Behind(Duration),
}

impl ClockOffset {
    /// The offset of a clock that shows `theirs` when ours shows `ours`, both in microseconds.
    pub const fn between(theirs: u64, ours: u64) -> Self {
        if theirs >= ours {
            Self::Ahead(Duration::from_micros(theirs - ours))
        } else {
            Self::Behind(Duration::from_micros(ours - theirs))
        }
    }

    /// How far, in either direction.
    pub const fn size(self) -> Duration {
        match self {
            Self::Ahead(by) | Self::Behind(by) => by,
        }
    }
}

/// A command that the client needs and that this user may not run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forbidden {
    /// As ACL rules name it: `hset`, `client|kill`.
    pub command: String,
    /// Whether locks work without it.
    pub is_optional: bool,
}

impl Forbidden {
    /// A command that this user may not run.
    pub const fn new(command: String, is_optional: bool) -> Self {
        Self {
            command,
            is_optional,
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        let mut item = |f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>| {
            write!(f, "{separator}{text}")?;
            separator = "; ";
            Ok(())
        };
        if let Some(role) = &self.role {
            item(f, format_args!("{role}"))?;
        }
        if let Some(replicas) = self.replicas {
            item(f, format_args!("{replicas} replicas"))?;
        }
        if let Some(policy) = &self.eviction_policy {
            item(f, format_args!("{policy}"))?;
        }
        if let Some(round_trip) = self.round_trip {
            item(f, format_args!("round trip {} µs", round_trip.as_micros()))?;
        }
        if let Some(clock) = self.clock {
            item(f, format_args!("{clock}"))?;
        }
        if let Some(persistence) = self.persistence {
            item(f, format_args!("{persistence}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, side) = match self {
            Self::Ahead(by) => (by, "ahead of"),
            Self::Behind(by) => (by, "behind"),
        };
        write!(f, "clock {} ms {side} ours", by.as_millis())
    }
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self {
            Self::None => "no append-only file",
            Self::Always => "appendfsync always",
            Self::Later => "append-only file forced to disk later",
            Self::Unknown => "append-only file, CONFIG GET appendfsync is not permitted",
        };
        let rests = if self.keeps_everything() {
            "fencing tokens stay in order after a loss of memory"
        } else {
            "after a loss of memory the order of fencing tokens rests on the nodes' clocks"
        };
        write!(f, "{how} ({rests})")
    }
}
