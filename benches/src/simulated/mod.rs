//! How fast the simulator is, and whether it keeps what it used.
//!
//! Three measurements: simulated seconds per wall second of one world ([`speed`]), beside a turmoil whose hosts do
//! nothing, because each tick of each host costs turmoil something whatever runs there; whole plans with drawn faults per
//! second ([`plans`]), also on several cores; and the resident memory of one process that runs many worlds ([`memory`]).
//! [`world`] is what all of them run. [`histories`] says whether two builds of the simulator tell the same: nothing that only
//! makes it faster may change a byte of what a seed and a plan bring forth.

pub mod histories;
pub mod memory;
pub mod plans;
pub mod speed;
pub mod world;
