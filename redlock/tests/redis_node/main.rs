//! The Redis node against real servers, of the oldest version supported and of the system's.
#![cfg(unix)]

mod broken;
mod guard;
mod packs;
mod preflight;
mod refused;
mod rows;
mod scripts;
mod support;
mod verbs;
