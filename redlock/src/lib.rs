//! Leases on N independent Redis nodes.

pub mod connector;
pub mod node;
pub mod protocol;
pub mod redis;
pub mod runtime;
pub mod settings;

pub use connector::{Address, ConnectError, Connector, NodeStream, SystemConnector};
pub use node::{Node, NodeFacts};
pub use protocol::{Answer, Drift, FencingToken, OwnerToken, Ppm, Reason};
pub use runtime::{Runtime, TokioRuntime};
pub use settings::Settings;
