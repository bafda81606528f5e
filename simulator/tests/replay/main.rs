//! Shows that a run is a function of its configuration, plan and seed: the same three give the same history, byte for byte,
//! also in other processes and beside other runs; and that taking one fault away changes nothing that the fault
//! could not have touched.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod draw;
mod isolation;
mod repeat;
