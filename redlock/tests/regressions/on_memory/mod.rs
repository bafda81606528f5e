//! Rows on in-memory nodes and virtual time.

mod decision;
mod lease;
mod release;
mod scope;
mod support;
mod tokens;
