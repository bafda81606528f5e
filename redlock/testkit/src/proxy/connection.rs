//! One connection through a proxy: two sockets, and between them two queues of messages.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::frame::Frames;
use super::state::{Shared, Ticket};
use super::{Cut, Fate, Way};

/// Carries messages until both sides have ended. The sides end on their own: a client that goes away leaves what it has sent
/// on the way, as a network does, and the server may still get it much later.
pub(super) async fn carry(shared: Arc<Shared>, client: TcpStream, target: u16) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        // The client's connection exists already, so a reset is as near to a refusal as it gets.
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (connection, client_cut, server_cut) = shared.update(super::state::State::connect);
    let (request, requests) = unbounded_channel();
    let (reply, replies) = unbounded_channel();
    let inbound = Inbound {
        shared: Arc::clone(&shared),
        connection,
        way: Way::Request,
        queue: request,
    };
    let outbound = Inbound {
        shared: Arc::clone(&shared),
        connection,
        way: Way::Reply,
        queue: reply,
    };
    tokio::join!(
        side(client, inbound, replies, client_cut),
        side(server, outbound, requests, server_cut)
    );
    shared.update(|state| state.open.remove(&connection));
}

/// What is read from one side, and where it goes.
struct Inbound {
    shared: Arc<Shared>,
    connection: u64,
    way: Way,
    queue: UnboundedSender<Ticket>,
}

/// Serves one socket until it has ended in both directions or is cut.
async fn side(
    mut stream: TcpStream,
    inbound: Inbound,
    queue: UnboundedReceiver<Ticket>,
    mut cut: watch::Receiver<Option<Cut>>,
) {
    let how = {
        let (reader, writer) = stream.split();
        let serve = async { tokio::join!(read(reader, inbound), write(writer, queue)) };
        tokio::select! {
            biased;
            how = cut.wait_for(Option::is_some) => how.ok().and_then(|how| *how),
            _ = serve => None,
        }
    };
    match how {
        Some(Cut::Reset) => drop(stream.set_zero_linger()),
        Some(Cut::Fin) => drop(stream.shutdown().await),
        None => {}
    }
}

/// Reads until the peer ends, also when nobody wants the messages any more: a full socket would block the peer.
async fn read(mut reader: ReadHalf<'_>, inbound: Inbound) {
    let Inbound {
        shared,
        connection,
        way,
        queue,
    } = inbound;
    let mut frames = Frames::default();
    while matches!(reader.read_buf(&mut frames.buffer).await, Ok(1..)) {
        while let Some(message) = frames.take() {
            let _ = queue.send(shared.arrive(connection, way, message));
        }
    }
}

/// Writes messages in order, each when it may go. After one was swallowed nothing follows, not even the end of the
/// connection: a stream with a hole in it would be a fault that no network has.
async fn write(mut writer: WriteHalf<'_>, mut queue: UnboundedReceiver<Ticket>) {
    while let Some(ticket) = queue.recv().await {
        if !ticket.cleared().await {
            ticket.settle(Fate::Swallowed);
            while let Some(ticket) = queue.recv().await {
                ticket.settle(Fate::Swallowed);
            }
            return;
        }
        if writer.write_all(&ticket.departing()).await.is_err() {
            return;
        }
        ticket.settle(Fate::Forwarded);
    }
    let _ = writer.shutdown().await;
}
