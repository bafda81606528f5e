//! Bugs that other lock clients shipped, each as a test of its name: none of them may live here.
//!
//! [`on_memory`] runs against in-memory nodes on virtual time, where every delay and every lost reply is
//! exact; [`on_redis`] against redis-server processes, for what only a real server shows; [`guard`] holds the rows about
//! nodes that forget. Rows that the
//! protocol core decides alone are tests beside it, under the same names.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test says what it expects by failing, on real time where servers are real"
)]

mod guard;
mod on_memory;
mod on_redis;
