//! The manual: what the lock promises, what it does not, and why each default is what it is.
//!
//! It holds no code. In reading order:
//!
//! - [`safety`]: what is promised under which assumption, and what Redlock is not safe for.
//! - [`hazards`]: every known way to break a lock like this, and what the client does about it.
//! - [`fencing`]: how tokens are made, why they can be trusted, and what the protected store must do.
//! - [`timing`]: the validity formula, drift, steps, and the clocks of each platform.
//! - [`operation`]: the first deployment, restarts, permissions, and what to do at 2 a.m.
//! - [`speed`]: what an acquisition costs, beside other clients, and what limits it.

pub mod fencing;
pub mod hazards;
pub mod operation;
pub mod safety;
pub mod speed;
pub mod timing;
