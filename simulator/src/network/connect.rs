//! Connection requests and who answers them.

use std::{
    future::poll_fn,
    io,
    sync::{Arc, Mutex},
    task::{Poll, ready},
};

use futures::FutureExt as _;
use tokio::{sync::oneshot, task::coop::poll_proceed};

use super::{
    carrier::{self, Carrier},
    connection::{Connection, End, Side},
    link::Crossing,
    segment::Segment,
    state::{HostId, Network, lock},
    stream::Stream,
};
use crate::time::TrueTime;

/// Opens a connection from `client` to `port` of the host named `server`.
///
/// # Errors
///
/// `NotFound` when there is no such host, `ConnectionRefused` when no process listens there. While something keeps
/// the request or its answer from crossing, and while the host has no power, nothing happens, for as long as
/// anybody waits.
///
/// # Cancellation
///
/// The server may see a connection that was reset.
pub(crate) async fn connect(
    network: &Arc<Network>,
    client: HostId,
    server: &str,
    port: u16,
) -> io::Result<Stream> {
    let Some(host) = network.find(server) else {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("no host is named {server}"),
        ));
    };
    let (id, connection) = network.open(client, host, port);
    let opening = Opening {
        network,
        id,
        connection: Some(connection.clone()),
    };
    let number = lock(&connection).number;

    let sent = carrier::now();
    let request = Segment::handshake(
        number,
        sent,
        network.send(sent, (client, host), number, 0, 0),
    );
    let arrived = crossed(network, client, host, request).await;
    let latency = network.send(arrived, (host, client), number, 0, 0);
    if !network.listens(host, port) {
        crossed(
            network,
            host,
            client,
            Segment::reset(number, 0, arrived, latency),
        )
        .await;
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            format!("{server} does not listen on {port}"),
        ));
    }

    let (sender, carrier) = oneshot::channel();
    let name = network.name(host).to_string();
    let task = carrier::connect(name, id.to_le_bytes()).map(|carrier| {
        // Whoever asked may have given up.
        let _ = sender.send(carrier);
    });
    network.run_in_kernel(client, task.boxed());
    let carrier = carrier
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))??;
    crossed(
        network,
        host,
        client,
        Segment::handshake(number, arrived, latency),
    )
    .await;
    opening.done();
    Ok(Stream::new(
        network.clone(),
        connection,
        Side::Client,
        carrier,
    ))
}

/// Waits until `segment` has crossed; returns when it did.
async fn crossed(network: &Network, from: HostId, to: HostId, segment: Segment) -> TrueTime {
    loop {
        match network.crossing(carrier::now(), from, to, &segment) {
            Crossing::At(at) if at <= carrier::now() => return at,
            Crossing::At(at) | Crossing::SentAgain(at) => carrier::sleep_until(at).await,
            Crossing::Blocked => changed(network).await,
            Crossing::Never => std::future::pending().await,
        }
    }
}

async fn changed(network: &Network) {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        network.wait_for_change(cx.waker());
        Poll::Pending
    })
    .await;
}

/// A request that nobody waits for any more resets the connection.
struct Opening<'a> {
    network: &'a Network,
    id: u64,
    connection: Option<Arc<Mutex<Connection>>>,
}

impl Opening<'_> {
    fn done(mut self) {
        self.connection = None;
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.network.opened(self.id);
            let mut connection = lock(&connection);
            connection.set_end(Side::Client, End::Closed);
            connection.reset_at = Some(TrueTime::ZERO);
            connection.wake_both();
        }
    }
}

/// A process that accepts connections on a port of its host. Dropping it closes the port, and the connections that
/// nobody accepted.
#[derive(Debug)]
pub struct Listener {
    network: Arc<Network>,
    host: HostId,
    port: u16,
}

impl Listener {
    /// # Errors
    ///
    /// `AddrInUse` when the port is taken.
    pub(crate) fn bind(network: &Arc<Network>, host: HostId, port: u16) -> io::Result<Self> {
        if !network.listen(host, port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(Self {
            network: network.clone(),
            host,
            port,
        })
    }

    /// The next connection, in the order in which the host's kernel took them.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost.
    pub async fn accept(&self) -> Stream {
        poll_fn(|cx| {
            let turn = ready!(poll_proceed(cx));
            let accepted = self.network.poll_accept(self.host, self.port, cx);
            if accepted.is_ready() {
                turn.made_progress();
            }
            accepted
        })
        .await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.network.stop_listening(self.host, self.port);
    }
}

/// The kernel of `host` accepts for its processes, whatever they do.
pub(crate) async fn accept(network: Arc<Network>, host: HostId) -> io::Result<()> {
    carrier::accept(|carrier, preamble| {
        let network = &network;
        async move { accepted(network, host, carrier, u64::from_le_bytes(preamble)) }
    })
    .await
}

fn accepted(network: &Arc<Network>, host: HostId, carrier: Carrier, id: u64) {
    let Some(connection) = network.opened(id) else {
        return;
    };
    let port = lock(&connection).port;
    let stream = Stream::new(network.clone(), connection, Side::Server, carrier);
    // A stream that nobody takes is dropped, and closed by that.
    drop(network.hand_over(host, port, stream));
}
