//! Plans just beyond an assumption break the rule that rests on it, and the verdict names the assumption.
//!
//! For each [`Assumption`] the generator draws plans that break it by a little and nothing else. Among the first few there are
//! some that violate the rule; the evidence names that assumption and no other; and the same plan, pulled back to the bound,
//! violates nothing.
//!
//! A little is not always enough: validity leaves some room besides what it allows clocks for. A plan
//! shows when it gains more than
//!
//! ```text
//! g + r + e + a + b
//! ```
//!
//! with g the granularity of expiry and r the rounding that [`redlock::Drift`] allows for (1 ms each), e the rest of the last
//! millisecond through which Redis up to 7.4 keeps a key (up to 1 ms), a the way of the acquire call to the node (`t1` is read before
//! it leaves), and b what a waiter takes to notice that the lock is free, and to get it. A rate that is wrong by x more gains
//! x · TTL, a step or a stop of x more gains x. With a latency of 0.5 ms and a tick of 1 ms these are about 8 ms ([`lab::SLACK`]), so
//! leases and bounds are large here: a tenth more of 5% is 25 ms in 5 s.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod clocks;
mod effects;
mod lab;
mod memory;

#[cfg(doc)]
use simulator::plan::Assumption;
