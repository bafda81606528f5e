//! The search for violations: draw plans, run them, judge them, and make what fails small.
//!
//! A [`Case`] is all that a run depends on: world, plan, seed. [`hunt`] draws cases from a [`Profile`], within the lock's
//! assumptions or just beyond one of them, runs them on as many threads as it is given, and keeps what violates; the
//! same profiles serve for finding bugs and for showing that there are none. [`Case::shrink`] removes what a violation
//! does not need. What remains is told in words ([`Found::story`]) and saved as a file that anyone can replay
//! ([`Case::to_toml`]).
//!
//! [`Profile`]: crate::plan::draw::Profile

mod case;
mod planted;
mod save;
mod search;
mod setting;
mod tally;

pub use self::{
    case::{Case, Judged, ShrunkCase},
    planted::{Planted, Sown},
    search::{BATCH, Found, Hunt, Hunted, Pool, Where, hunt},
    setting::setting,
    tally::Tally,
};
