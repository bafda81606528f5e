//! The kinds of faults, as files spell them.

use std::fmt;

use super::fault::Fault;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// [`Fault::Hold`]
    Hold,
    /// [`Fault::Cut`]
    Cut,
    /// [`Fault::Slow`]
    Slow,
    /// [`Fault::Lose`]
    Lose,
    /// [`Fault::Reset`]
    Reset,
    /// [`Fault::Flap`]
    Flap,
    /// [`Fault::Ring`]
    Ring,
    /// [`Fault::Bridge`]
    Bridge,
    /// [`Fault::Pause`]
    Pause,
    /// [`Fault::Suspend`]
    Suspend,
    /// [`Fault::StopMachine`]
    StopMachine,
    /// [`Fault::Crash`]
    Crash,
    /// [`Fault::PowerLoss`]
    PowerLoss,
    /// [`Fault::ClockStep`]
    ClockStep,
    /// [`Fault::ClockDrift`]
    ClockDrift,
    /// [`Fault::ClockFreeze`]
    ClockFreeze,
    /// [`Fault::FlushAll`]
    FlushAll,
    /// [`Fault::ScriptFlush`]
    ScriptFlush,
    /// [`Fault::ClientPause`]
    ClientPause,
    /// [`Fault::ReadOnly`]
    ReadOnly,
    /// [`Fault::MemoryFull`]
    MemoryFull,
    /// [`Fault::Failover`]
    Failover,
}

impl Family {
    /// All of them, as files spell them.
    pub const ALL: [(Self, &'static str); 22] = [
        (Self::Hold, "hold"),
        (Self::Cut, "cut"),
        (Self::Slow, "slow"),
        (Self::Lose, "lose"),
        (Self::Reset, "reset"),
        (Self::Flap, "flap"),
        (Self::Ring, "ring"),
        (Self::Bridge, "bridge"),
        (Self::Pause, "pause"),
        (Self::Suspend, "suspend"),
        (Self::StopMachine, "stop_machine"),
        (Self::Crash, "crash"),
        (Self::PowerLoss, "power_loss"),
        (Self::ClockStep, "clock_step"),
        (Self::ClockDrift, "clock_drift"),
        (Self::ClockFreeze, "clock_freeze"),
        (Self::FlushAll, "flush_all"),
        (Self::ScriptFlush, "script_flush"),
        (Self::ClientPause, "client_pause"),
        (Self::ReadOnly, "read_only"),
        (Self::MemoryFull, "memory_full"),
        (Self::Failover, "failover"),
    ];

    /// Whether it happens at once and has no duration.
    pub const fn is_instant(self) -> bool {
        matches!(
            self,
            Self::Reset | Self::ClockStep | Self::FlushAll | Self::ScriptFlush | Self::Failover
        )
    }

    /// Whether it is done to a Redis server, so that its target has to be a node.
    pub const fn is_of_nodes(self) -> bool {
        matches!(
            self,
            Self::FlushAll
                | Self::ScriptFlush
                | Self::ClientPause
                | Self::ReadOnly
                | Self::MemoryFull
                | Self::Failover
        )
    }

    /// Whether it means something only where nodes have replicas.
    pub const fn needs_replicas(self) -> bool {
        matches!(self, Self::Failover)
    }

    /// Its name in files.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(family, _)| *family == self)
            .map_or("", |(_, name)| name)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Fault {
    /// Of which kind it is.
    pub const fn family(&self) -> Family {
        match self {
            Self::Hold { .. } => Family::Hold,
            Self::Cut { .. } => Family::Cut,
            Self::Slow { .. } => Family::Slow,
            Self::Lose { .. } => Family::Lose,
            Self::Reset { .. } => Family::Reset,
            Self::Flap { .. } => Family::Flap,
            Self::Ring { .. } => Family::Ring,
            Self::Bridge { .. } => Family::Bridge,
            Self::Pause { .. } => Family::Pause,
            Self::Suspend { .. } => Family::Suspend,
            Self::StopMachine { .. } => Family::StopMachine,
            Self::Crash { .. } => Family::Crash,
            Self::PowerLoss { .. } => Family::PowerLoss,
            Self::ClockStep { .. } => Family::ClockStep,
            Self::ClockDrift { .. } => Family::ClockDrift,
            Self::ClockFreeze { .. } => Family::ClockFreeze,
            Self::FlushAll { .. } => Family::FlushAll,
            Self::ScriptFlush { .. } => Family::ScriptFlush,
            Self::ClientPause { .. } => Family::ClientPause,
            Self::ReadOnly { .. } => Family::ReadOnly,
            Self::MemoryFull { .. } => Family::MemoryFull,
            Self::Failover { .. } => Family::Failover,
        }
    }
}
