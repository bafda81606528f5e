//! The validity formula, drift, steps, and the clocks of each platform.
//!
//! # The formula
//!
//! ```text
//! V(ttl) = (ttl − g − σ_s)(1 − ρ_c)/(1 + ρ_s) − σ_c − r
//! ```
//!
//! See [`Drift`](crate::Drift) for the terms. A lease may be relied on while less than V has elapsed
//! since `t1`, read before the first byte of its round was sent. The bound is tight: with one
//! microsecond more, schedules exist in which two windows overlap.
//!
//! What is left out of a TTL of 10 s, and what that covers:
//!
//! | allowance | covers | does not cover |
//! |---|---|---|
//! | 4 ms (ρ = 200 ppm) | quartz oscillators | any time daemon that slews |
//! | 102 ms (the default, 1% + 2 ms: ρ = 5,026 ppm) | ntpd's slew of 500 ppm, ten times over | one ntpd step (128 ms or more) |
//! | 198 ms (ρ = 1%) | clocks that are 1% wrong on both sides | |
//! | 1,539 ms (ρ = 8.33%) | chrony's default slew on both sides | |
//!
//! chronyd slews by up to 83,333 ppm unless `maxslewrate` says otherwise: set `maxslewrate 500` on
//! nodes, or allow for it (ρ_s = 83,334 ppm, 7.7%; the client's CLOCK_MONOTONIC_RAW is not slewed).
//! ntpd steps the clock when it is off by more than 128 ms; a step fits into the default allowance
//! only from a TTL of 12.6 s. Steps are configured as `node_step`.
//!
//! # Which clock is used for what
//!
//! | what | clock | why |
//! |---|---|---|
//! | elapsed time of a lease | the largest of CLOCK_BOOTTIME, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME | more elapsed time only shortens a window, so one honest clock is enough |
//! | back-off, deadlines of calls | CLOCK_MONOTONIC | nothing unsafe hangs on it |
//! | expiry on nodes | the node's wall clock | Redis has no other |
//! | proposals for fencing tokens | CLOCK_REALTIME | a wrong one costs a round trip |
//!
//! On Linux and Android all three are read. Elsewhere `std::time::Instant` stands for the first two: it
//! counts sleep on Windows and not on macOS, where the wall clock is what notices. A virtual machine
//! that its hypervisor stops has all its clocks stopped: no client can notice that, only a fencing
//! token helps.
//!
//! When all clocks of a host are stopped together, or the wall clock is left out with
//! [`TokioRuntime::without_wall_clock`](crate::TokioRuntime::without_wall_clock), configure how far as
//! `client_step`.
