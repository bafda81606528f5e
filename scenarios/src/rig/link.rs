//! The links between clients and servers: a proxy on each, whose rules are those of the simulated network.
//!
//! Every client reaches every server through a port of its own. What is read there becomes segments; when a segment may go on
//! is what [`Network::crossing`] says, as in the simulated world: held, cut and sent again as TCP does, lost, slow, and each
//! direction on its own. Connecting crosses the link there and back, too. Latencies below a millisecond are not made: the
//! machine's own loopback takes as long.

use std::{
    cell::Cell,
    collections::BTreeMap,
    future::poll_fn,
    io,
    net::Ipv4Addr,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use simulator::{
    TrueTime,
    host::Host,
    network::{Crossing, HostId, Network, Segment},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        watch,
    },
    time::Sleep,
};

use super::{notes::Notes, watch::Watch};

/// Timers wake in whole milliseconds: what is due that soon goes on at once.
const SOON: Duration = Duration::from_micros(700);
/// What the link says to a client once the other end has answered.
const CONNECTED: u8 = b'+';

/// All links of a run.
#[derive(Debug)]
pub(super) struct Links {
    network: Arc<Network>,
    watch: Watch,
    notes: Notes,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

/// From a client to a server.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) client: HostId,
    pub(super) server: Arc<Host>,
    /// Where the server listens.
    pub(super) port: u16,
    /// Whether the server's process runs: nothing is handed to one that does not. Real processes see to that themselves.
    pub(super) gate: watch::Receiver<bool>,
    /// Whether the client is told when it is connected: our own clients wait for that, and a server that connects to another does not.
    pub(super) greets: bool,
}

/// What the nemesis may do to an open connection.
#[derive(Debug)]
struct Connection {
    client: HostId,
    server: HostId,
    /// Both ends are reset once this is true.
    broken: watch::Sender<bool>,
    /// The machine of this end lost its power: it says nothing any more.
    client_silent: AtomicBool,
    server_silent: AtomicBool,
}

impl Links {
    pub(super) fn new(network: Arc<Network>, watch: Watch, notes: Notes) -> Arc<Self> {
        Arc::new(Self {
            network,
            watch,
            notes,
            open: Mutex::default(),
            next: AtomicU64::new(0),
        })
    }

    /// Begins a link; clients reach it at the port that is returned. Inside of a task set.
    pub(super) async fn listen(self: &Arc<Self>, route: Route) -> io::Result<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let links = self.clone();
        let made = Rc::new(Cell::new(0));
        super::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((client, _)) => {
                        made.set(made.get() + 1);
                        super::spawn(carry(links.clone(), route.clone(), made.get(), client));
                    }
                    // It hung up before it was heard.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => return links.broke_down(&route, &error),
                }
            }
        });
        Ok(port)
    }

    /// A link is no more what the plan says, but no link at all: this machine cannot make it.
    fn broke_down(&self, route: &Route, error: &io::Error) {
        let server = route.server.name();
        self.notes
            .not_made(format!("a link to {server} broke down: {error}"));
    }

    /// Resets the connections that `client` opened to `server`; both ends are told at once.
    pub(super) fn reset(&self, client: HostId, server: HostId) {
        for connection in self.open().values() {
            if connection.client == client && connection.server == server {
                connection.broken.send_replace(true);
            }
        }
    }

    /// Resets every connection to `server`: its process died.
    pub(super) fn reset_all_to(&self, server: HostId) {
        for connection in self.open().values() {
            if connection.server == server {
                connection.broken.send_replace(true);
            }
        }
    }

    /// The machine of `host` loses its power: its ends of connections go without a word. To be called before its process dies.
    pub(super) fn silence(&self, host: HostId) {
        for connection in self.open().values() {
            if connection.client == host {
                connection.client_silent.store(true, Ordering::SeqCst);
            }
            if connection.server == host {
                connection.server_silent.store(true, Ordering::SeqCst);
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `segment` has crossed; false when it never does. Its sender may give it up meanwhile.
    #[expect(clippy::disallowed_methods, reason = "live runs are on real time")]
    async fn crossed(
        &self,
        (from, to): (HostId, HostId),
        segment: &Segment,
        given_up: &Cell<Option<TrueTime>>,
    ) -> bool {
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            loop {
                // Before looking, so that no change in between is missed.
                self.network.wait_for_change(cx.waker());
                let now = self.watch.now();
                let segment = segment.given_up_at(given_up.get());
                let at = match self.network.crossing(now, from, to, &segment) {
                    Crossing::At(at) if at <= now + SOON => return Poll::Ready(true),
                    Crossing::At(at) | Crossing::SentAgain(at) => at,
                    Crossing::Blocked => return Poll::Pending,
                    Crossing::Never => return Poll::Ready(false),
                };
                let sleep = timer.insert(Box::pin(tokio::time::sleep(at.since(now))));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn enter(&self, connection: Connection) -> Entered<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(connection);
        self.open().insert(number, connection.clone());
        Entered {
            links: self,
            number,
            connection,
        }
    }
}

/// Takes a connection off when dropped.
struct Entered<'a> {
    links: &'a Links,
    number: u64,
    connection: Arc<Connection>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.links.open().remove(&self.number);
    }
}

/// Serves one connection from the request to its end.
async fn carry(links: Arc<Links>, route: Route, number: u64, client: TcpStream) {
    let server = route.server.id();
    let entered = links.enter(Connection {
        client: route.client,
        server,
        broken: watch::Sender::new(false),
        client_silent: AtomicBool::new(false),
        server_silent: AtomicBool::new(false),
    });
    let connection = entered.connection.clone();
    let mut broken = connection.broken.subscribe();
    let opened = {
        let gone = client_gone(&client, &connection, route.greets);
        tokio::select! {
            biased;
            _ = broken.wait_for(|broken| *broken) => None,
            () = gone => return,
            opened = open(&links, &route, number) => opened,
        }
    };
    let Some(upstream) = opened else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (request, requests) = Way::new(&links, (route.client, server), number);
    let (reply, replies) = Way::new(&links, (server, route.client), number);
    // From here on the client may speak.
    if route.greets && client.try_write(&[CONNECTED]).is_err() {
        let _ = upstream.set_zero_linger();
        return;
    }
    let (near, far) = (
        Side {
            silent: &connection.client_silent,
            sends: &request,
            broken: &connection.broken,
            gate: None,
        },
        Side {
            silent: &connection.server_silent,
            sends: &reply,
            broken: &connection.broken,
            gate: Some(route.gate),
        },
    );
    tokio::join!(near.serve(client, replies), far.serve(upstream, requests));
}

/// Resolves when the client hangs up before it is connected. A machine without power does not.
async fn client_gone(client: &TcpStream, connection: &Connection, is_greeted: bool) {
    let mut byte = [0];
    // Who waits to be greeted says nothing before it is connected, so what can be read is the end.
    let read = client.peek(&mut byte).await;
    let speaks = !is_greeted && read.is_ok_and(|read| read > 0);
    if speaks || connection.client_silent.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}

/// The request and its answer cross the link; none when nobody listens there.
async fn open(links: &Links, route: &Route, number: u64) -> Option<TcpStream> {
    let (client, server) = (route.client, route.server.id());
    let sent = links.watch.now();
    let latency = links.network.send(sent, (client, server), number, 0, 0);
    let request = Segment::handshake(number, sent, latency);
    let waits = Cell::new(None);
    if !links.crossed((client, server), &request, &waits).await {
        return std::future::pending().await;
    }
    let upstream = TcpStream::connect((Ipv4Addr::LOCALHOST, route.port)).await;
    if let Err(error) = &upstream
        && !is_refusal(error)
    {
        links.broke_down(route, error);
    }
    let upstream = upstream.ok().filter(|_| route.server.is_up());
    let arrived = links.watch.now();
    let latency = links.network.send(arrived, (server, client), number, 0, 0);
    let answer = match &upstream {
        Some(_) => Segment::handshake(number, arrived, latency),
        None => Segment::reset(number, 0, arrived, latency),
    };
    if !links.crossed((server, client), &answer, &waits).await {
        return std::future::pending().await;
    }
    upstream
}

/// Whether that is what a dead server's machine answers.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionReset | Kind::TimedOut
    )
}

enum Content {
    Bytes(Vec<u8>),
    /// Nothing follows.
    Fin,
    /// The connection was thrown away.
    Reset,
}

struct Parcel {
    segment: Segment,
    content: Content,
}

/// One direction of a connection: what is sent there.
struct Way {
    links: Arc<Links>,
    ends: (HostId, HostId),
    number: u64,
    sequence: Cell<u64>,
    /// When its sender threw the connection away.
    given_up: Rc<Cell<Option<TrueTime>>>,
    queue: UnboundedSender<Parcel>,
}

/// What arrives there, in order.
struct Arrivals {
    links: Arc<Links>,
    ends: (HostId, HostId),
    given_up: Rc<Cell<Option<TrueTime>>>,
    queue: UnboundedReceiver<Parcel>,
}

impl Way {
    fn new(links: &Arc<Links>, ends: (HostId, HostId), number: u64) -> (Self, Arrivals) {
        let (queue, arrivals) = mpsc::unbounded_channel();
        let way = Self {
            links: links.clone(),
            ends,
            number,
            sequence: Cell::new(1),
            given_up: Rc::default(),
            queue,
        };
        let arrivals = Arrivals {
            links: links.clone(),
            ends,
            given_up: way.given_up.clone(),
            queue: arrivals,
        };
        (way, arrivals)
    }

    fn send(&self, content: Content) {
        let (number, sequence) = (self.number, self.sequence.get());
        self.sequence.set(sequence + 1);
        let bytes = match &content {
            Content::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        let sent = self.links.watch.now();
        let network = &self.links.network;
        let latency = network.send(sent, self.ends, number, sequence, bytes);
        let segment = match content {
            Content::Bytes(_) => Segment::data(number, sequence, sent, latency, bytes),
            Content::Fin => Segment::fin(number, sequence, sent, latency),
            Content::Reset => {
                self.given_up.set(Some(sent));
                Segment::reset(number, sequence, sent, latency)
            }
        };
        // The other side is served as long as this one.
        let _ = self.queue.send(Parcel { segment, content });
    }
}

impl Arrivals {
    async fn next(&mut self) -> Option<Content> {
        let mut has_a_hole = false;
        loop {
            let Parcel { segment, content } = self.queue.recv().await?;
            let arrived = self
                .links
                .crossed(self.ends, &segment, &self.given_up)
                .await;
            // Nothing is handed over from behind a hole, but that the connection is no more.
            has_a_hole |= !arrived;
            if arrived && (!has_a_hole || matches!(content, Content::Reset)) {
                return Some(content);
            }
        }
    }
}

/// One end of a connection.
struct Side<'a> {
    silent: &'a AtomicBool,
    /// To the other end.
    sends: &'a Way,
    broken: &'a watch::Sender<bool>,
    gate: Option<watch::Receiver<bool>>,
}

impl Side<'_> {
    /// Until both directions have ended or the connection is broken.
    async fn serve(mut self, mut stream: TcpStream, arrivals: Arrivals) {
        let mut broken = self.broken.subscribe();
        let gate = self.gate.take();
        let was_broken = {
            let (reader, writer) = stream.split();
            let both =
                async { tokio::join!(self.read(reader), self.write(writer, arrivals, gate)) };
            tokio::select! {
                biased;
                _ = broken.wait_for(|broken| *broken) => true,
                _ = both => false,
            }
        };
        if was_broken {
            let _ = stream.set_zero_linger();
        }
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    async fn read(&self, mut reader: ReadHalf<'_>) {
        loop {
            let mut bytes = Vec::with_capacity(4_096);
            let read = reader.read_buf(&mut bytes).await;
            if self.is_silent() {
                return std::future::pending().await;
            }
            match read {
                Ok(0) => return self.sends.send(Content::Fin),
                Ok(_) => self.sends.send(Content::Bytes(bytes)),
                Err(_) => return self.sends.send(Content::Reset),
            }
        }
    }

    async fn write(
        &self,
        mut writer: WriteHalf<'_>,
        mut arrivals: Arrivals,
        mut gate: Option<watch::Receiver<bool>>,
    ) {
        while let Some(content) = arrivals.next().await {
            if let Some(gate) = &mut gate {
                // Without a keeper the run is over.
                let _ = gate.wait_for(|runs| *runs).await;
            }
            let written = match content {
                // The machine is up again, and knows nothing of this connection.
                _ if self.is_silent() => Err(io::ErrorKind::NotConnected.into()),
                Content::Bytes(bytes) => writer.write_all(&bytes).await,
                Content::Fin => {
                    let _ = writer.shutdown().await;
                    return;
                }
                Content::Reset => {
                    self.broken.send_replace(true);
                    return;
                }
            };
            if written.is_err() {
                self.sends.send(Content::Reset);
                return std::future::pending().await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
