//! Leases on N independent Redis nodes.

mod client;
mod config;
pub mod connector;
pub mod error;
pub mod node;
pub mod protocol;
pub mod redis;
pub mod report;
pub mod runtime;
pub mod settings;

pub use client::{
    Builder, Lease, NodeFactory, OnLoss, Preflight, PreflightNode, Redlock, Request,
    ShutdownReport, Undelivered,
};
pub use connector::{Address, ConnectError, Connector, NodeStream, SystemConnector};
pub use error::{
    AcquireError, AdmitError, BuildError, ExtendError, ResourceError, TtlError, WithError,
};
pub use node::{GuardState, Node, NodeFacts};
pub use protocol::{Answer, Drift, FencingToken, OwnerToken, Ppm, Reason};
pub use report::{NodeReport, ReleaseReport, Report};
pub use runtime::{BoxFuture, NoRuntime, Runtime, TokioRuntime};
pub use settings::Settings;
