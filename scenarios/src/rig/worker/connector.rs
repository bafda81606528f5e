//! The way to servers: through the links of the run.

use std::{collections::BTreeMap, io, net::Ipv4Addr};

use redlock::{Address, BoxFuture, ConnectError, Connector, NodeStream};
use simulator::history::HostName;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// Connects to hosts by the names that plans give them: to the port at which the link to that host begins.
#[derive(Clone, Debug)]
pub(super) struct LiveConnector {
    routes: BTreeMap<HostName, u16>,
}

impl LiveConnector {
    pub(super) const fn new(routes: BTreeMap<HostName, u16>) -> Self {
        Self { routes }
    }

    /// Opens a connection to `host`. A kernel accepts at once whatever the link is like, so the link says with a byte of its
    /// own when the other end has answered.
    pub(super) async fn open(&self, host: &str) -> io::Result<Box<dyn NodeStream>> {
        let port = self.routes.get(host).ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await?;
        stream.set_nodelay(true)?;
        match stream.read_u8().await {
            Ok(_) => Ok(Box::new(stream)),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl Connector for LiveConnector {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        Box::pin(async move {
            match address {
                Address::Tcp { host, .. } => Ok(self.open(host).await?),
                _ => Err(ConnectError::Tls("live runs have only TCP".to_owned())),
            }
        })
    }
}
