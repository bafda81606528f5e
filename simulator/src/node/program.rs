//! The process that serves a node.

use std::{cell::RefCell, collections::BTreeMap, io, rc::Rc, time::Duration};

use redlock::Runtime as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
};

use super::{PORT, record::Translator};
use crate::{
    clock::{ClockName, Clocks},
    history::{EventKind, HostName, NodeChange, Removal},
    host::{Host, Process, Program},
    network::Stream,
    redis::{Config, ConnectionId, MaxmemoryPolicy, Now, Received, Server},
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
}

#[derive(Default)]
struct Connection {
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
                node.node.borrow_mut().server.advance(now);
                node.record(cron.host(), cron.true_time(), None);
            }
        });
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
