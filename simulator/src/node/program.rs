//! The process that serves a node.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    io,
    rc::Rc,
    time::Duration,
};

use redlock::Runtime as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use super::{PORT, record::Translator, replica, sentinel};
use crate::{
    clock::{ClockName, Clocks},
    history::{EventKind, HostName, NodeChange, Removal},
    host::{Host, Process, Program},
    network::Stream,
    redis::{Config, ConnectionId, Master, MasterLink, MaxmemoryPolicy, Now, Received, Server},
    time::TrueTime,
};

/// How often the server looks after its keys and its disk by itself, as Redis' `hz 10` does.
const CRON: Duration = Duration::from_millis(100);

/// A Redis server and its host. Clones share it.
#[derive(Clone)]
pub struct RedisNode {
    node: Rc<RefCell<Node>>,
}

struct Node {
    server: Server,
    translator: Translator,
    /// Told when another connection ended (CLIENT KILL) or resumed (CLIENT UNPAUSE) one.
    connections: BTreeMap<ConnectionId, Rc<Connection>>,
    /// The limit that it had before its memory was full, while it is.
    maxmemory: Option<u64>,
    /// Told when the server follows somebody else.
    turned: Rc<Notify>,
    turns: u64,
    /// The old masters that are to become replicas of this one, and who is told when there is one.
    to_demote: VecDeque<Master>,
    promoted: Rc<Notify>,
}

#[derive(Default)]
struct Connection {
    /// A replica is to be told something.
    telling: Notify,
    resumed: Notify,
    killed: Notify,
}

/// What the clocks of a node's host show, as Redis reads them.
fn now_on(clocks: &Clocks, at: TrueTime) -> Now {
    let micros = |clock| u64::try_from(clocks.show(clock, at).as_micros()).unwrap_or(u64::MAX);
    Now {
        wall_us: micros(ClockName::Wall),
        monotonic_us: micros(ClockName::Monotonic),
    }
}

fn now_in(process: &Process) -> Now {
    let at = process.true_time();
    process.host().clocks(|clocks| now_on(clocks, at))
}

impl RedisNode {
    /// A server that starts as the world begins, on `host`. `prefix` is what lock keys begin with.
    pub fn new(host: &Host, config: Config, prefix: &str) -> Self {
        Self::with(host, config, prefix, true)
    }

    /// The same for clients without the restart guard, to whom it votes whenever it runs.
    pub fn unguarded(host: &Host, config: Config, prefix: &str) -> Self {
        Self::with(host, config, prefix, false)
    }

    fn with(host: &Host, config: Config, prefix: &str, guarded: bool) -> Self {
        let now = host.clocks(|clocks| now_on(clocks, TrueTime::ZERO));
        let node = Self {
            node: Rc::new(RefCell::new(Node {
                server: Server::new(config, now),
                translator: Translator::new(prefix, guarded),
                connections: BTreeMap::new(),
                maxmemory: None,
                turned: Rc::default(),
                turns: 0,
                to_demote: VecDeque::new(),
                promoted: Rc::default(),
            })),
        };
        node.record(host, TrueTime::ZERO, None);
        node
    }

    /// The server, for whoever watches.
    pub fn server<R>(&self, look: impl FnOnce(&Server) -> R) -> R {
        look(&self.node.borrow().server)
    }

    /// Whether a key of the server holds `owner`.
    pub fn holds(&self, owner: &str) -> bool {
        self.node.borrow().translator.holds(owner)
    }

    /// Whether it gives votes: not when it was never admitted, restarted, or is in quarantine.
    pub fn votes(&self) -> bool {
        self.node.borrow().translator.has_vote()
    }

    /// The server's process died. What it had not written to the disk, or with `power_lost` what had not been flushed,
    /// is gone; with `data_lost` all of it.
    pub fn crashed(&self, host: &Host, at: TrueTime, power_lost: bool, data_lost: bool) {
        {
            let node = &mut *self.node.borrow_mut();
            node.connections.clear();
            // Whatever its timers had due was done before.
            let now = host.clocks(|clocks| now_on(clocks, at));
            node.server.advance(now);
            if power_lost {
                node.server.power_loss(now);
            } else {
                node.server.crash(now);
            }
            if data_lost {
                node.server.wipe();
            }
        }
        self.record(host, at, None);
    }

    /// The server becomes a replica, which refuses writes, or a master again.
    pub fn set_replica(&self, replica: bool) {
        self.node.borrow_mut().server.set_replica(replica);
    }

    /// The server's memory is full, or no longer is. A server that evicts is left as much as it uses, so that every write
    /// costs it a key; one that does not is left nothing, and refuses writes throughout.
    pub fn set_full(&self, full: bool) {
        let node = &mut *self.node.borrow_mut();
        let config = node.server.config();
        if full {
            let (policy, before) = (config.maxmemory_policy, config.maxmemory);
            node.maxmemory.get_or_insert(before);
            let left = match policy {
                MaxmemoryPolicy::Noeviction => 1,
                _ => node.server.used_memory().saturating_sub(1).max(1),
            };
            node.server.set_maxmemory(left);
        } else if let Some(before) = node.maxmemory.take() {
            node.server.set_maxmemory(before);
        }
    }

    /// Ends a CLIENT PAUSE.
    pub fn end_pause(&self) {
        let node = &mut *self.node.borrow_mut();
        let received = node.server.end_pause();
        node.pass_on(&received);
    }

    /// Runs `command` on the server, as an operator on its host would.
    pub fn operate(&self, host: &Host, at: TrueTime, command: &str) {
        {
            let node = &mut *self.node.borrow_mut();
            if !node.server.is_running() {
                return;
            }
            let now = host.clocks(|clocks| now_on(clocks, at));
            let connection = node.server.connect(now);
            let received =
                node.server
                    .receive(connection, format!("{command}\r\n").as_bytes(), now);
            node.server.disconnect(connection);
            node.pass_on(&received);
        }
        self.record(host, at, None);
    }

    /// What a Sentinel does with a replica when it chose it: it becomes master. With `repoint` its master becomes its replica, as
    /// soon as the two reach each other. Nothing happens to a server that is down, or master already.
    pub fn promote(&self, host: &Host, at: TrueTime, repoint: bool) {
        let old = self.server(|server| server.master().cloned().filter(|_| server.is_running()));
        let Some(old) = old else { return };
        for command in [
            "REPLICAOF NO ONE",
            "CONFIG REWRITE",
            "CLIENT KILL TYPE normal",
        ] {
            self.operate(host, at, command);
        }
        if repoint {
            let node = &mut *self.node.borrow_mut();
            node.to_demote.push_back(old);
            node.promoted.notify_one();
        }
    }

    /// Whom it has to demote next; nobody any more once it is a replica itself.
    pub(super) fn to_demote(&self) -> Option<Master> {
        let node = &mut *self.node.borrow_mut();
        if node.server.master().is_some() {
            node.to_demote.clear();
        }
        node.to_demote.front().cloned()
    }

    pub(super) fn demoted(&self, old: &Master) {
        self.node
            .borrow_mut()
            .to_demote
            .retain(|other| other != old);
    }

    pub(super) fn promoted(&self) -> Rc<Notify> {
        self.node.borrow().promoted.clone()
    }

    pub(super) fn turned(&self) -> Rc<Notify> {
        self.node.borrow().turned.clone()
    }

    /// How far the connection to the master has come.
    pub(super) fn link(&self, process: &Process, link: MasterLink) {
        let now = now_in(process);
        self.node.borrow_mut().server.set_master_link(link, now);
    }

    pub(super) fn is_master_silent(&self, process: &Process) -> bool {
        self.server(|server| server.is_master_silent(now_in(process)))
    }

    /// The master's copy is here.
    pub(super) fn take_copy(
        &self,
        process: &Process,
        id: &str,
        offset: u64,
        copy: &[u8],
    ) -> io::Result<()> {
        let now = now_in(process);
        let taken = self
            .node
            .borrow_mut()
            .server
            .take_copy(id, offset, copy, now);
        self.record(process.host(), process.true_time(), None);
        taken.map_err(io::Error::other)
    }

    /// Something of the master's stream is here.
    pub(super) fn take_stream(&self, process: &Process, bytes: &[u8]) -> io::Result<()> {
        let now = now_in(process);
        let taken = self.node.borrow_mut().server.take_stream(bytes, now);
        self.record(process.host(), process.true_time(), None);
        taken.map_err(io::Error::other)
    }

    /// What the server does by itself.
    fn beat(&self, now: Now) {
        let node = &mut *self.node.borrow_mut();
        node.server.advance(now);
        let closed = node.server.drain_closed();
        node.pass_on(&closed);
    }

    /// The program of the node's host.
    pub fn program(&self) -> Program {
        let node = self.clone();
        Rc::new(move |process| Box::pin(node.clone().serve(process)))
    }

    #[expect(clippy::expect_used, reason = "a fresh process finds its port free")]
    async fn serve(self, process: Process) {
        if process.incarnation() > 0 {
            let now = process
                .host()
                .clocks(|clocks| now_on(clocks, process.true_time()));
            self.node.borrow_mut().server.restart(now);
            self.record(process.host(), process.true_time(), None);
        }
        let (node, cron) = (self.clone(), process.clone());
        process.spawn(async move {
            loop {
                cron.runtime().sleep(CRON).await;
                let now = cron
                    .host()
                    .clocks(|clocks| now_on(clocks, cron.true_time()));
                node.beat(now);
                node.record(cron.host(), cron.true_time(), None);
            }
        });
        process.spawn(replica::follow(self.clone(), process.clone()));
        process.spawn(sentinel::watch(self.clone(), process.clone()));
        let listener = process.listen(PORT).expect("the port is free");
        loop {
            let stream = listener.accept().await;
            let (node, own) = (self.clone(), process.clone());
            process.spawn(async move {
                // A connection that breaks is its client's business.
                let _ = node.serve_connection(&own, stream).await;
            });
        }
    }

    async fn serve_connection(&self, process: &Process, mut stream: Stream) -> io::Result<()> {
        let client = stream.peer();
        let connection: Rc<Connection> = Rc::default();
        let now = || {
            process
                .host()
                .clocks(|clocks| now_on(clocks, process.true_time()))
        };
        let id = self.node.borrow_mut().server.connect(now());
        self.node
            .borrow_mut()
            .connections
            .insert(id, connection.clone());
        let _open = Open { node: self, id };
        let mut room = [0; 4096];
        let mut held_until = None;
        loop {
            let held = held_for(held_until, now());
            let read = tokio::select! {
                biased;
                () = connection.killed.notified() => return Ok(()),
                () = connection.telling.notified() => {
                    let output = self.node.borrow_mut().server.take_output(id);
                    stream.write_all(&output).await?;
                    continue;
                }
                () = connection.resumed.notified() => 0,
                () = process.runtime().sleep(held.unwrap_or_default()), if held.is_some() => 0,
                read = stream.read(&mut room) => match read? {
                    0 => return Ok(()),
                    read => read,
                },
            };
            let received = {
                let node = &mut *self.node.borrow_mut();
                let received = node.server.receive(id, &room[..read], now());
                node.pass_on(&received);
                received
            };
            self.record(process.host(), process.true_time(), Some(&client));
            stream.write_all(&received.reply).await?;
            if received.close {
                return Ok(());
            }
            held_until = received.held_until_us;
        }
    }

    /// Takes down what changed since the last time.
    fn record(&self, host: &Host, at: TrueTime, by: Option<&HostName>) {
        let node = &mut *self.node.borrow_mut();
        node.tell_replication();
        let changes = node.server.drain_changes();
        for change in node.translator.translate(&node.server, changes) {
            host.record(
                at,
                EventKind::Node {
                    by: whose(&change, by),
                    change,
                },
            );
        }
    }
}

/// Expiry is nobody's doing, whoever noticed it.
fn whose(change: &NodeChange, by: Option<&HostName>) -> Option<HostName> {
    match change {
        NodeChange::Removed {
            why: Removal::Expired,
            ..
        }
        | NodeChange::Votes { .. } => None,
        _ => by.cloned(),
    }
}

/// How long requests that CLIENT PAUSE holds wait still: a moment longer, so that the pause is over then.
fn held_for(until_us: Option<u64>, now: Now) -> Option<Duration> {
    until_us.map(|until| {
        Duration::from_micros(until.saturating_sub(now.wall_us)) + Duration::from_millis(1)
    })
}

impl Node {
    /// Tells those who carry replication's bytes what there is to do.
    fn tell_replication(&mut self) {
        let turns = self.server.master_turns();
        if std::mem::replace(&mut self.turns, turns) != turns {
            self.turned.notify_one();
        }
        for id in self.server.replicas_to_tell() {
            if let Some(connection) = self.connections.get(&id) {
                connection.telling.notify_one();
            }
        }
    }

    fn pass_on(&self, received: &Received) {
        let told = |ids: &[ConnectionId], tell: fn(&Connection)| {
            ids.iter()
                .filter_map(|id| self.connections.get(id))
                .for_each(|connection| tell(connection));
        };
        told(&received.closed, |connection| {
            connection.killed.notify_one()
        });
        told(&received.resumed, |connection| {
            connection.resumed.notify_one()
        });
    }
}

/// Takes a connection off the server when its task ends.
struct Open<'a> {
    node: &'a RedisNode,
    id: ConnectionId,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // A world that is taken down in the middle of a command has it borrowed.
        if let Ok(mut node) = self.node.node.try_borrow_mut()
            && node.connections.remove(&self.id).is_some()
        {
            node.server.disconnect(self.id);
        }
    }
}
