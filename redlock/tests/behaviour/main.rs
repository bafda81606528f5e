//! The client's behaviours, on in-memory nodes and on redis-server processes.
//!
//! What they are is in `redlock/behaviour`; here is how two kinds of node are broken. Simulated nodes are in
//! `simulator/tests/behaviour`.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod on_memory;
mod on_redis;
