//! What can go wrong, where, when and for how long.

use std::time::Duration;

use super::target::Target;
use crate::clock::{ClockName, Ppm};

/// One fault, from `start` for `duration`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    /// True time since the world began.
    pub start: Duration,
    /// How long it lasts; `None` until the world heals. Faults that happen at once (a step, a reset, a flush)
    /// have none.
    pub duration: Option<Duration>,
    /// What happens.
    pub fault: Fault,
}

impl FaultWindow {
    /// When it ends: `start` for what happens at once, `None` when the world heals.
    pub fn end(&self) -> Option<Duration> {
        if self.fault.family().is_instant() {
            return Some(self.start);
        }
        self.duration
            .map(|duration| self.start.saturating_add(duration))
    }
}

/// Directed links between hosts: every pair of one of `from` and one of `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// One end.
    pub from: Vec<Target>,
    /// The other end.
    pub to: Vec<Target>,
    /// Only what travels from `from` to `to` is hit, not what comes back.
    pub one_way: bool,
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Segments wait until the window ends, and then arrive in order.
    Hold {
        /// Where.
        links: Links,
    },
    /// Segments are dropped and retransmitted as TCP does: they arrive with the first retransmission after the
    /// window.
    Cut {
        /// Where.
        links: Links,
    },
    /// Latency is drawn from a range of its own, added to the usual one.
    Slow {
        /// Where.
        links: Links,
        /// The least that is added.
        extra_min: Duration,
        /// The most that is added.
        extra_max: Duration,
    },
    /// Segments are lost with a probability, and retransmitted.
    Lose {
        /// Where.
        links: Links,
        /// Of a million segments, how many.
        loss_ppm: u32,
    },
    /// Connections are reset, once, at `start`.
    Reset {
        /// Where.
        links: Links,
    },
    /// Cut and healed in turn, beginning with cut.
    Flap {
        /// Where.
        links: Links,
        /// How long a cut lasts.
        down: Duration,
        /// How long the link is whole in between.
        up: Duration,
    },
    /// Each host reaches only its two neighbours in the list, which is a ring.
    Ring {
        /// In order.
        hosts: Vec<Target>,
    },
    /// Two sides that do not reach each other, and a bridge that both reach.
    Bridge {
        /// One side.
        left: Vec<Target>,
        /// The other side.
        right: Vec<Target>,
        /// In both.
        bridge: Vec<Target>,
    },
    /// The process is not scheduled: SIGSTOP, a stop-the-world collection. Sockets go on buffering, the kernel
    /// accepts, clocks run, timers fire on resume.
    Pause {
        /// Whom.
        target: Target,
    },
    /// The machine sleeps: a pause in which CLOCK_MONOTONIC and CLOCK_MONOTONIC_RAW stand still.
    Suspend {
        /// Whom.
        target: Target,
    },
    /// The hypervisor stops the machine: a pause in which all four clocks stand still.
    StopMachine {
        /// Whom.
        target: Target,
    },
    /// The process dies (SIGKILL) at `start` and starts again when the window ends. The kernel closes its sockets;
    /// what it wrote to files is kept unless `lose_data`.
    Crash {
        /// Whom.
        target: Target,
        /// The disk is empty when it starts again.
        lose_data: bool,
    },
    /// The machine loses power and boots when the window ends. Nobody is told; peers find out by themselves. What
    /// was not flushed to the disk is gone, and all of it when `lose_data`.
    PowerLoss {
        /// Whom.
        target: Target,
        /// The disk is empty when it starts again.
        lose_data: bool,
    },
    /// Clocks jump once, at `start`.
    ClockStep {
        /// Whose.
        target: Target,
        /// Which.
        clocks: Vec<ClockName>,
        /// Forward, or back when negative.
        by_micros: i64,
    },
    /// Clocks run at a rate that is off by this much more.
    ClockDrift {
        /// Whose.
        target: Target,
        /// Which.
        clocks: Vec<ClockName>,
        /// By how much.
        rate_error_ppm: Ppm,
    },
    /// Clocks stand still.
    ClockFreeze {
        /// Whose.
        target: Target,
        /// Which.
        clocks: Vec<ClockName>,
    },
    /// FLUSHALL, once, at `start`.
    FlushAll {
        /// On which nodes.
        target: Target,
    },
    /// SCRIPT FLUSH, once, at `start`.
    ScriptFlush {
        /// On which nodes.
        target: Target,
    },
    /// CLIENT PAUSE … ALL for the length of the window.
    ClientPause {
        /// On which nodes.
        target: Target,
    },
    /// The node answers writes with READONLY.
    ReadOnly {
        /// Which nodes.
        target: Target,
    },
    /// The node is full: it evicts if its policy says so, and refuses writes if not.
    MemoryFull {
        /// Which nodes.
        target: Target,
    },
    /// A Sentinel promotes the node, once, at `start`: a replica becomes master, and clients of it are disconnected. Nothing
    /// happens to a node that is no replica, or down.
    Failover {
        /// Which replica.
        target: Target,
        /// The old master becomes a replica of the new one, and its clients are disconnected, as soon as the two reach each
        /// other. If not, both stay master.
        repoint: bool,
    },
}

impl Fault {
    /// The links that it hits, unless it hits hosts.
    pub const fn links(&self) -> Option<&Links> {
        match self {
            Self::Hold { links }
            | Self::Cut { links }
            | Self::Slow { links, .. }
            | Self::Lose { links, .. }
            | Self::Reset { links }
            | Self::Flap { links, .. } => Some(links),
            _ => None,
        }
    }

    /// The host that it hits, unless it hits the network.
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Pause { target }
            | Self::Suspend { target }
            | Self::StopMachine { target }
            | Self::Crash { target, .. }
            | Self::PowerLoss { target, .. }
            | Self::ClockStep { target, .. }
            | Self::ClockDrift { target, .. }
            | Self::ClockFreeze { target, .. }
            | Self::FlushAll { target }
            | Self::ScriptFlush { target }
            | Self::ClientPause { target }
            | Self::ReadOnly { target }
            | Self::MemoryFull { target }
            | Self::Failover { target, .. } => Some(target),
            _ => None,
        }
    }

    /// Everybody it names, with the name that files give to that place.
    pub fn targets(&self) -> Vec<(&'static str, &[Target])> {
        match self {
            Self::Ring { hosts } => vec![("hosts", hosts)],
            Self::Bridge {
                left,
                right,
                bridge,
            } => vec![("left", left), ("right", right), ("bridge", bridge)],
            _ => match (self.links(), self.target()) {
                (Some(links), _) => vec![("from", &links.from), ("to", &links.to)],
                (_, Some(target)) => vec![("target", std::slice::from_ref(target))],
                _ => Vec::new(),
            },
        }
    }

    /// The lists of targets, to be changed; faults with a single target have none.
    pub(super) fn target_lists_mut(&mut self) -> Vec<&mut Vec<Target>> {
        match self {
            Self::Hold { links }
            | Self::Cut { links }
            | Self::Slow { links, .. }
            | Self::Lose { links, .. }
            | Self::Reset { links }
            | Self::Flap { links, .. } => vec![&mut links.from, &mut links.to],
            Self::Ring { hosts } => vec![hosts],
            Self::Bridge {
                left,
                right,
                bridge,
            } => vec![left, right, bridge],
            _ => Vec::new(),
        }
    }

    /// The single target, to be changed.
    pub(super) const fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Pause { target }
            | Self::Suspend { target }
            | Self::StopMachine { target }
            | Self::Crash { target, .. }
            | Self::PowerLoss { target, .. }
            | Self::ClockStep { target, .. }
            | Self::ClockDrift { target, .. }
            | Self::ClockFreeze { target, .. }
            | Self::FlushAll { target }
            | Self::ScriptFlush { target }
            | Self::ClientPause { target }
            | Self::ReadOnly { target }
            | Self::MemoryFull { target }
            | Self::Failover { target, .. } => Some(target),
            _ => None,
        }
    }
}
