//! TCP, TLS and Unix sockets of the operating system.

use tokio::net::TcpStream;

use super::{Address, ConnectError, Connector, NodeStream};
use crate::runtime::BoxFuture;

/// Opens streams with the operating system's sockets.
///
/// Certificates of TLS servers are checked against the system's trusted ones (the environment
/// variable `SSL_CERT_FILE` names others), unless the address says `#insecure`.
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
                    Ok(Box::new(tcp(host, *port).await?) as Box<dyn NodeStream>)
                }
                #[cfg(feature = "tls")]
                Address::Tls {
                    host,
                    port,
                    insecure,
                } => {
                    let stream = tcp(host, *port).await?;
                    super::tls::wrap(stream, host, *insecure).await
                }
                #[cfg(not(feature = "tls"))]
                Address::Tls { .. } => Err(ConnectError::Tls(
                    "built without the feature `tls` of the crate `redlock`".into(),
                )),
                #[cfg(unix)]
                Address::Unix { path } => {
                    Ok(Box::new(tokio::net::UnixStream::connect(path).await?)
                        as Box<dyn NodeStream>)
                }
                #[cfg(not(unix))]
                Address::Unix { .. } => {
                    Err(ConnectError::Io(std::io::ErrorKind::Unsupported.into()))
                }
            }
        })
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // A call is small and waited for.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl NodeStream for TcpStream {
    fn reset_on_close(&mut self) {
        // On a socket that is broken already there is nothing left to reset.
        let _ = self.set_zero_linger();
    }
}

/// A Unix socket cannot be reset: what was written stays readable for the server until `CLIENT KILL`.
#[cfg(unix)]
impl NodeStream for tokio::net::UnixStream {}
