//! The seam between the client and the network: how a byte stream to a node is opened.

mod system;
#[cfg(feature = "tls")]
mod tls;

use std::{fmt, io, path::PathBuf};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::runtime::BoxFuture;

pub use system::SystemConnector;

/// A byte stream to a node.
pub trait NodeStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Asks that closing the stream throws away what the peer has not received yet, instead of
    /// delivering it later (SO_LINGER 0, a TCP reset). Called just before an abandoned connection is
    /// dropped. The default does nothing.
    fn reset_on_close(&mut self) {}
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// `redis://host:port`
    Tcp {
        /// Name or address of the host.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// `rediss://host:port`
    Tls {
        /// Name or address of the host; the certificate must carry it.
        host: String,
        /// TCP port.
        port: u16,
        /// Whether the certificate is taken unchecked (`#insecure`).
        insecure: bool,
    },
    /// `unix:///path`
    Unix {
        /// Path of the socket.
        path: PathBuf,
    },
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // An IPv6 address has colons of its own.
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Tls { host, port, .. } if host.contains(':') => {
                write!(f, "[{host}]:{port} (TLS)")
            }
            Self::Tls { host, port, .. } => write!(f, "{host}:{port} (TLS)"),
            Self::Unix { path } => write!(f, "{}", path.display()),
        }
    }
}

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address could not be reached.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// TCP connected and the TLS handshake failed.
    #[error("{0}")]
    Tls(String),
}

/// Opens streams to nodes. [`SystemConnector`] is the default: TCP, Unix sockets, and TLS with the
/// `tls` feature.
pub trait Connector: Send + Sync + fmt::Debug + 'static {
    /// Opens a stream to `address`. The caller bounds the time that this takes by dropping the
    /// future.
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>>;
}
