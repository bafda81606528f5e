//! What was true in a run, computed from its history and never sampled.
//!
//! [`Truth`] is read from a [`History`] and a few [`Facts`]. It maps deadlines through the holder's clocks and
//! expiries through the nodes' clocks to true time, exactly, and gives each [`Lease`] its intervals:
//!
//! | interval | starts | ends |
//! |---|---|---|
//! | [window](Lease::window) | the acquisition returned | release invoked, loss reported, the holder died, or the deadline on the holder's clocks |
//! | [belief](Belief) | the same | the same; but a paused holder believes until it resumes, and one that acts believes |
//! | [protection](Hold::protection) | fewer than q nodes could vote for another owner | q or more could |
//! | [quorum truth](Hold::quorum) | q nodes hold the owner token, unexpired on their own clocks | fewer do |
//! | [effect](Access) | an access of the store is invoked | it is applied there |
//!
//! The [`Margin`] is what is between the end of the window and the end of the protection.
//!
//! In reading order: [`Interval`] and [`Intervals`]; [`Facts`]; [`Hosts`], who was up, running and voting;
//! [`Keys`], who held what on which node; [`Lease`]; [`Truth`], which puts them together.

mod deadline;
mod facts;
mod hosts;
mod interval;
mod keys;
mod lease;
mod margin;
mod whole;

use self::deadline::Deadlines;
pub use self::{
    facts::{Facts, Goal, Progress},
    hosts::{Host, Hosts},
    interval::{Interval, Intervals},
    keys::{Hold, Keys, Tenure},
    lease::{Belief, Lease, WindowEnd},
    margin::Margin,
    whole::{Access, Acquisition, Truth},
};
#[cfg(doc)]
use crate::history::History;
