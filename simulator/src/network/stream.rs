//! One end of a connection.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
};

use redlock::NodeStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::coop::poll_proceed,
    time::Sleep,
};

use super::{
    carrier::{self, Carrier},
    connection::{Connection, End, Side},
    link::Crossing,
    segment::{Content, Segment},
    state::{Network, lock},
};
use crate::{history::HostName, time::TrueTime};

/// One end of a connection between two hosts.
///
/// What is written leaves at once and in one segment per write; writing never waits. Reading waits for segments to
/// cross the link, and ends with the end of the peer: with nothing more to read when it closed, with
/// `ConnectionReset` when it threw the connection away, and not at all when its machine lost power.
pub struct Stream {
    network: Arc<Network>,
    connection: Arc<Mutex<Connection>>,
    side: Side,
    carrier: Carrier,
    timer: Option<Pin<Box<Sleep>>>,
    reset_on_close: bool,
    eof: bool,
}

/// What a reader finds.
enum Head {
    Bytes(usize),
    End,
    Broken,
    At(TrueTime),
    /// Until a fault ends or a host comes up.
    Change,
    /// Until the peer sends something.
    Peer,
}

impl Stream {
    pub(super) const fn new(
        network: Arc<Network>,
        connection: Arc<Mutex<Connection>>,
        side: Side,
        carrier: Carrier,
    ) -> Self {
        Self {
            network,
            connection,
            side,
            carrier,
            timer: None,
            reset_on_close: false,
            eof: false,
        }
    }

    /// The host at the other end.
    pub fn peer(&self) -> HostName {
        let host = lock(&self.connection).host(self.side.peer());
        self.network.name(host)
    }

    fn head(&self, now: TrueTime, cx: &Context<'_>) -> Head {
        let mut connection = lock(&self.connection);
        if connection.reset_at.is_some_and(|at| at <= now) {
            return Head::Broken;
        }
        let (from, to) = connection.way(self.side.peer());
        let incoming = connection.incoming(self.side);
        incoming.reader = Some(cx.waker().clone());
        let Some(segment) = incoming.segments.front().copied() else {
            return self.silence(&mut connection, now);
        };
        match self.network.crossing(now, from, to, &segment) {
            Crossing::At(at) if at.max(incoming.last_arrival) > now => {
                Head::At(at.max(incoming.last_arrival))
            }
            Crossing::At(at) => {
                incoming.last_arrival = at.max(incoming.last_arrival);
                match segment.content {
                    Content::Data(bytes) => Head::Bytes(bytes),
                    Content::Handshake | Content::Fin => Head::End,
                    Content::Reset => Head::Broken,
                }
            }
            Crossing::SentAgain(at) => Head::At(at),
            Crossing::Blocked => Head::Change,
            // What was lost for good lets nothing behind it through but an RST.
            Crossing::Never => match self.reset_behind(&mut connection, now) {
                Head::Peer => self.silence(&mut connection, now),
                found => found,
            },
        }
    }

    /// The RST of a peer that threw the connection away without sending what was lost again.
    fn reset_behind(&self, connection: &mut Connection, now: TrueTime) -> Head {
        let (from, to) = connection.way(self.side.peer());
        let segments = &connection.incoming(self.side).segments;
        let reset = segments
            .iter()
            .find(|segment| segment.content == Content::Reset);
        match reset.map(|reset| self.network.crossing(now, from, to, reset)) {
            Some(Crossing::At(at)) if at > now => Head::At(at),
            Some(Crossing::At(_)) => Head::Broken,
            Some(Crossing::SentAgain(at)) => Head::At(at),
            Some(Crossing::Blocked) => Head::Change,
            Some(Crossing::Never) | None => Head::Peer,
        }
    }

    /// A peer whose machine lost power says nothing until it is up again and answers what reaches it with RST.
    fn silence(&self, connection: &mut Connection, now: TrueTime) -> Head {
        let End::Silent(since) = connection.end(self.side.peer()) else {
            return Head::Peer;
        };
        let ((from, to), number) = (connection.way(self.side), connection.number);
        let (mut unknown, mut again) = (false, None);
        for segment in &connection.outgoing(self.side).segments {
            match self.network.crossing(now, from, to, segment) {
                Crossing::At(at) if at > since => {
                    let reset =
                        Segment::reset(number, segment.sequence | RESET, at, segment.latency);
                    return match self.network.crossing(now, to, from, &reset) {
                        Crossing::At(at) if at > now => Head::At(at),
                        Crossing::At(_) => Head::Broken,
                        Crossing::SentAgain(at) => Head::At(at),
                        Crossing::Blocked => Head::Change,
                        Crossing::Never => continue,
                    };
                }
                Crossing::SentAgain(at) => again = Some(again.unwrap_or(at).min(at)),
                Crossing::Blocked => unknown = true,
                Crossing::At(_) | Crossing::Never => {}
            }
        }
        match again {
            Some(at) => Head::At(at),
            None if unknown => Head::Change,
            None => Head::Peer,
        }
    }

    fn wait_until(&mut self, at: TrueTime, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.insert(Box::pin(carrier::sleep_until(at)));
        timer.as_mut().poll(cx).is_ready()
    }

    fn taken(&self, bytes: usize) {
        let mut connection = lock(&self.connection);
        let segments = &mut connection.incoming(self.side).segments;
        if let Some(Segment {
            content: Content::Data(left),
            ..
        }) = segments.front_mut()
        {
            *left -= bytes;
            if *left == 0 {
                segments.pop_front();
            }
        }
    }

    fn push(
        &self,
        now: TrueTime,
        make: impl FnOnce(u64, u64, TrueTime, std::time::Duration) -> Segment,
        bytes: usize,
    ) {
        let mut connection = lock(&self.connection);
        let (way, number) = (connection.way(self.side), connection.number);
        let sequence = connection.outgoing(self.side).next_sequence;
        let latency = self.network.send(now, way, number, sequence, bytes);
        let outgoing = connection.outgoing(self.side);
        outgoing.next_sequence += 1;
        outgoing
            .segments
            .push_back(make(number, sequence, now, latency));
        outgoing.wake();
        if matches!(connection.end(self.side.peer()), End::Silent(_)) {
            // What was sent now may bring the answer that nobody is there.
            connection.incoming(self.side).wake();
        }
    }

    fn is_shut(&self) -> bool {
        lock(&self.connection).outgoing(self.side).fin_sent
    }

    fn is_broken(&self, now: TrueTime) -> bool {
        lock(&self.connection).reset_at.is_some_and(|at| at <= now)
    }

    fn shut(&self, now: TrueTime) {
        if !self.is_shut() {
            lock(&self.connection).outgoing(self.side).fin_sent = true;
            self.push(now, Segment::fin, 0);
        }
    }

    /// Whether bytes arrived that nobody read.
    fn has_unread(&self, now: TrueTime) -> bool {
        let mut connection = lock(&self.connection);
        let (from, to) = connection.way(self.side.peer());
        let head = connection.incoming(self.side).segments.front().copied();
        head.is_some_and(|segment| {
            matches!(segment.content, Content::Data(_))
                && matches!(self.network.crossing(now, from, to, &segment), Crossing::At(at) if at <= now)
        })
    }
}

/// Tells the RST that answers a segment from the segments of its own direction.
const RESET: u64 = 1 << 62;

/// The most bytes that one read takes.
const AT_ONCE: usize = 4096;

fn broken<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let turn = ready!(poll_proceed(cx));
        loop {
            match self.head(carrier::now(), cx) {
                Head::Bytes(bytes) => {
                    let most = bytes.min(buf.remaining()).min(AT_ONCE);
                    let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
                    match Pin::new(&mut self.carrier).poll_read(cx, &mut part) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(done) => {
                            let read = part.filled().len();
                            assert!(
                                done.is_ok() && read > 0,
                                "the carrier lost bytes that were sent: {done:?}"
                            );
                            buf.advance(read);
                            self.taken(read);
                            turn.made_progress();
                            return Poll::Ready(Ok(()));
                        }
                    }
                }
                Head::End => {
                    self.eof = true;
                    turn.made_progress();
                    return Poll::Ready(Ok(()));
                }
                Head::Broken => {
                    turn.made_progress();
                    return broken();
                }
                Head::At(at) => {
                    if !self.wait_until(at, cx) {
                        return Poll::Pending;
                    }
                }
                Head::Change => {
                    self.network.wait_for_change(cx.waker());
                    return Poll::Pending;
                }
                Head::Peer => return Poll::Pending,
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let now = carrier::now();
        if self.is_broken(now) {
            return broken();
        }
        if self.eof || self.is_shut() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = match Pin::new(&mut self.carrier).poll_write(cx, bytes) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(written)) => written,
            // The other end is gone. Whoever writes finds that out when the network says so.
            Poll::Ready(Err(_)) => bytes.len(),
        };
        let make = |connection, sequence, sent, latency| {
            Segment::data(connection, sequence, sent, latency, written)
        };
        self.push(now, make, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut(carrier::now());
        Poll::Ready(Ok(()))
    }
}

impl NodeStream for Stream {
    fn reset_on_close(&mut self) {
        self.reset_on_close = true;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let Some(now) = carrier::try_now() else {
            return;
        };
        let host = lock(&self.connection).host(self.side);
        if self.network.is_off(host) {
            let mut connection = lock(&self.connection);
            connection.set_end(self.side, End::Silent(now));
            // What is on its way arrives; nobody is left to send anything again.
            connection.outgoing(self.side).give_up(now);
            connection.wake_both();
            return;
        }
        lock(&self.connection).set_end(self.side, End::Closed);
        if self.reset_on_close {
            lock(&self.connection).outgoing(self.side).give_up(now);
        }
        if self.reset_on_close || self.has_unread(now) {
            self.push(now, Segment::reset, 0);
        } else {
            self.shut(now);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}
