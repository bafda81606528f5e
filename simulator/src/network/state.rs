//! The network as a whole: hosts, links, listeners, connections being opened.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio::sync::mpsc::UnboundedSender;

use super::{
    connection::{Connection, Side},
    latency::Latency,
    link::{Crossing, Link, Trouble},
    segment::Segment,
    stream::Stream,
};
use crate::{
    history::{EventKind, HostName, Recorder},
    time::TrueTime,
};

/// A host's place in the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) usize);

/// Work for a host's kernel, which no crash or pause of its process touches.
pub(crate) type KernelTask = BoxFuture<'static, ()>;

/// Everything between hosts. One per world.
pub struct Network {
    seed: u64,
    latency: Latency,
    recorder: Recorder,
    records_segments: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: Vec<HostState>,
    links: BTreeMap<(HostId, HostId), Link>,
    /// How many connections were made from one host to another.
    made: BTreeMap<(HostId, HostId), u64>,
    opening: BTreeMap<u64, Arc<Mutex<Connection>>>,
    next_opening: u64,
    connections: Vec<Weak<Mutex<Connection>>>,
    /// Woken whenever a fault begins or ends, or a host comes up.
    waiting: Vec<Waker>,
}

struct HostState {
    name: HostName,
    /// When its machine was without power.
    off: Vec<(TrueTime, Option<TrueTime>)>,
    listeners: BTreeMap<u16, Backlog>,
    kernel: Option<UnboundedSender<KernelTask>>,
}

#[derive(Default)]
struct Backlog {
    streams: VecDeque<Stream>,
    acceptor: Option<Waker>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Network {
    /// An empty network. `records_segments` puts every segment into the history.
    pub fn new(seed: u64, latency: Latency, recorder: Recorder, records_segments: bool) -> Self {
        Self {
            seed,
            latency,
            recorder,
            records_segments,
            state: Mutex::default(),
        }
    }

    /// Adds a host.
    pub fn add_host(&self, name: &HostName) -> HostId {
        let mut state = lock(&self.state);
        state.hosts.push(HostState {
            name: name.clone(),
            off: Vec::new(),
            listeners: BTreeMap::new(),
            kernel: None,
        });
        HostId(state.hosts.len() - 1)
    }

    pub(crate) fn set_kernel(&self, host: HostId, kernel: UnboundedSender<KernelTask>) {
        lock(&self.state).hosts[host.0].kernel = Some(kernel);
    }

    pub(super) fn run_in_kernel(&self, host: HostId, task: KernelTask) {
        if let Some(kernel) = &lock(&self.state).hosts[host.0].kernel {
            // A kernel lives as long as its world.
            let _ = kernel.send(task);
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<HostId> {
        lock(&self.state)
            .hosts
            .iter()
            .position(|host| *host.name == *name)
            .map(HostId)
    }

    pub(super) fn name(&self, host: HostId) -> HostName {
        lock(&self.state).hosts[host.0].name.clone()
    }

    /// Something begins to be wrong on the way from one host to another, in this direction.
    pub fn begin(&self, at: TrueTime, from: HostId, to: HostId, trouble: Trouble) {
        self.change(|state| state.link(self.seed, from, to).begin(at, trouble));
    }

    /// One such trouble ends.
    pub fn end(&self, at: TrueTime, from: HostId, to: HostId, trouble: Trouble) {
        self.change(|state| state.link(self.seed, from, to).end(at, trouble));
    }

    /// Breaks the connections that `from` opened to `to`; both ends are told at once.
    pub fn reset(&self, at: TrueTime, from: HostId, to: HostId) {
        self.change(|state| {
            for connection in state.connections.iter().filter_map(Weak::upgrade) {
                let mut connection = lock(&connection);
                if connection.client == from && connection.server == to {
                    connection.reset_at.get_or_insert(at);
                    connection.wake_both();
                }
            }
        });
    }

    /// The machine loses power: whatever arrives is lost, and its ends of connections go without a word.
    pub fn power_off(&self, at: TrueTime, host: HostId) {
        self.change(|state| {
            let off = &mut state.hosts[host.0].off;
            if !matches!(off.last(), Some((_, None))) {
                off.push((at, None));
            }
        });
    }

    /// The machine boots.
    pub fn power_on(&self, at: TrueTime, host: HostId) {
        self.change(|state| {
            if let Some((_, until @ None)) = state.hosts[host.0].off.last_mut() {
                *until = Some(at);
            }
        });
    }

    /// Whether something keeps segments from crossing in this direction.
    pub fn is_blocked(&self, at: TrueTime, from: HostId, to: HostId) -> bool {
        lock(&self.state)
            .links
            .get(&(from, to))
            .is_some_and(|link| link.is_blocked(at))
    }

    /// Whether the machine is without power.
    pub fn is_off(&self, host: HostId) -> bool {
        matches!(lock(&self.state).hosts[host.0].off.last(), Some((_, None)))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        change(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Has `waker` woken at the next change of faults or hosts. Where threads change them, it is to be called before one
    /// looks.
    pub fn wait_for_change(&self, waker: &Waker) {
        let mut state = lock(&self.state);
        if !state.waiting.iter().any(|waiting| waiting.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
    }

    /// When `segment` crosses in this direction, as far as is known at `now`.
    pub fn crossing(&self, now: TrueTime, from: HostId, to: HostId, segment: &Segment) -> Crossing {
        let mut state = lock(&self.state);
        state.link(self.seed, from, to);
        let off = &state.hosts[to.0].off;
        state.links[&(from, to)].crossing(now, segment, |at| {
            let spell = off
                .iter()
                .find(|(since, until)| *since <= at && until.is_none_or(|until| at < until));
            spell.map(|(_, until)| *until)
        })
    }

    /// The latency of a segment that leaves now, and its place in the history. `sequence` is 0 for the handshake, then counted
    /// up per direction of the connection.
    pub fn send(
        &self,
        now: TrueTime,
        (from, to): (HostId, HostId),
        connection: u64,
        sequence: u64,
        bytes: usize,
    ) -> Duration {
        let mut state = lock(&self.state);
        let link = state.link(self.seed, from, to);
        let latency = self
            .latency
            .draw(self.seed, link.name(), connection, sequence);
        if self.records_segments {
            let (host, to) = (
                state.hosts[from.0].name.clone(),
                state.hosts[to.0].name.clone(),
            );
            let latency_ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            self.recorder.record(
                now,
                &host,
                EventKind::Sent {
                    to,
                    connection,
                    segment: sequence,
                    bytes,
                    latency_ns,
                },
            );
        }
        latency
    }

    pub(super) fn open(
        &self,
        client: HostId,
        server: HostId,
        port: u16,
    ) -> (u64, Arc<Mutex<Connection>>) {
        let mut state = lock(&self.state);
        let made = state.made.entry((client, server)).or_default();
        *made += 1;
        let connection = Arc::new(Mutex::new(Connection::new(*made, client, server, port)));
        let id = state.next_opening;
        state.next_opening += 1;
        state.opening.insert(id, connection.clone());
        state
            .connections
            .retain(|connection| connection.strong_count() > 0);
        state.connections.push(Arc::downgrade(&connection));
        (id, connection)
    }

    /// The connection that was announced as `id`, once.
    pub(super) fn opened(&self, id: u64) -> Option<Arc<Mutex<Connection>>> {
        lock(&self.state).opening.remove(&id)
    }

    pub(super) fn listens(&self, host: HostId, port: u16) -> bool {
        lock(&self.state).hosts[host.0]
            .listeners
            .contains_key(&port)
    }

    pub(super) fn listen(&self, host: HostId, port: u16) -> bool {
        let mut state = lock(&self.state);
        let free = !state.hosts[host.0].listeners.contains_key(&port);
        state.hosts[host.0].listeners.entry(port).or_default();
        free
    }

    /// Returns what was not accepted, so that it is dropped where no lock is held.
    pub(super) fn stop_listening(&self, host: HostId, port: u16) -> VecDeque<Stream> {
        let backlog = lock(&self.state).hosts[host.0].listeners.remove(&port);
        backlog.map(|backlog| backlog.streams).unwrap_or_default()
    }

    /// A stream for a listener; it comes back when nobody listens any more.
    pub(super) fn hand_over(&self, host: HostId, port: u16, stream: Stream) -> Option<Stream> {
        let mut state = lock(&self.state);
        let Some(backlog) = state.hosts[host.0].listeners.get_mut(&port) else {
            return Some(stream);
        };
        backlog.streams.push_back(stream);
        if let Some(acceptor) = backlog.acceptor.take() {
            acceptor.wake();
        }
        None
    }

    pub(super) fn poll_accept(&self, host: HostId, port: u16, cx: &Context<'_>) -> Poll<Stream> {
        let mut state = lock(&self.state);
        let backlog = state.hosts[host.0].listeners.entry(port).or_default();
        match backlog.streams.pop_front() {
            Some(stream) => Poll::Ready(stream),
            None => {
                backlog.acceptor = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl State {
    fn link(&mut self, seed: u64, from: HostId, to: HostId) -> &mut Link {
        let hosts = &self.hosts;
        self.links.entry((from, to)).or_insert_with(|| {
            Link::new(seed, format!("{}>{}", hosts[from.0].name, hosts[to.0].name))
        })
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("seed", &self.seed)
            .field("latency", &self.latency)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// From whom to whom `side` sends.
    pub(super) const fn way(&self, side: Side) -> (HostId, HostId) {
        (self.host(side), self.host(side.peer()))
    }
}
