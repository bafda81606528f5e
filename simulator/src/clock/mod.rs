//! The clocks of a host, as exact functions of true time.
//!
//! Each host has four ([`ClockName`]). Each is piecewise linear in true time ([`ClockMap`]) and keeps its whole
//! past, so that checkers can ask when a clock *will have* shown a time instead of sampling it. Faults
//! change them through [`Clocks`]: steps, drifts and freezes, overlapping as they like.

mod clocks;
mod map;

pub use self::{
    clocks::{ClockName, Clocks, Disturbance},
    map::{ClockMap, ClockSegment, LocalTime, Ppm},
};
