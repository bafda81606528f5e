//! The simulated Redis against real ones: random sequences of commands go to both, and every reply must be the same, byte for
//! byte. Where they differ the real one is right.
//!
//! What cannot be the same is masked, and nothing else: the numbers of clients, the order of keys in KEYS and SCAN, the time.
//! The clock of the real 6.2 is libfaketime's, a file that says what time it is, so that there time stands still within a
//! step and is stepped forth and back in both servers alike; every expiry time and TTL is compared exactly. The real 7.0
//! lives in real time: its TTLs are huge, and compared to within [`compare::TOLERANCE_MS`].
//!
//! In reading order: [`case`] is a sequence and how it is drawn, from [`template`]s; [`bench`] runs it on both, [`compare`] the
//! replies; [`real`] is the real server, [`faketime`] its clock. [`replication`] does
//! the same with a master and a replica, step by step.
//!
//! `REDLOCK_DIFFERENTIAL_CASES`  how many sequences go to each server; 250 unless told
//! `REDLOCK_DIFFERENTIAL_SEED`   a number that other sequences come from; 1 unless told
//! `REDLOCK_LIBFAKETIME`         the library, where it is not found
//! `REDLOCK_SKIP_6_2=1`          no tests on 6.2
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod bench;
mod case;
mod compare;
mod faketime;
mod random;
mod real;
mod replication;
mod template;
