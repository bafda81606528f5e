//! Rows on real redis-server processes.

mod late;
mod memory_loss;
mod secrets;
mod silent;
mod support;
