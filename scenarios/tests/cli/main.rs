//! The command line as people use it: the built program, its messages, its files and its exit codes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod errors;
mod hunt;
mod lab;
mod others;
mod replay;
mod scenarios;
mod signals;
