//! What a plan does to clocks.

use simulator::{
    TrueTime,
    clock::{ClockName, Disturbance},
    host::Host,
};

/// A change of the course of clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// They jump by so many microseconds.
    Step(i64),
    /// Something goes on with them from now on.
    Disturb(Disturbance),
    /// No longer.
    Calm(Disturbance),
}

impl Change {
    /// Makes it on a host.
    pub(super) fn make(self, host: &Host, at: TrueTime, clocks: &[ClockName]) {
        for clock in clocks {
            match self {
                Self::Step(micros) => host.step_clock(at, *clock, micros.saturating_mul(1_000)),
                Self::Disturb(disturbance) => host.disturb_clock(at, *clock, disturbance),
                Self::Calm(disturbance) => host.calm_clock(at, *clock, disturbance),
            }
        }
    }
}
