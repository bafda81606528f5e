//! How the faults of a plan are done to real processes, links and clocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use simulator::{
    TrueTime,
    clock::{ClockName, Disturbance},
    history::{EventKind, HostName, NodeChange, Recorder},
    host::Host,
    nemesis::Targets,
    network::{Block, HostId, Network, Trouble},
    plan::{
        ClockFault, DirectedLink, Hosts, LinkFault, NodeFault, ProcessFault, ResolvedFault, Role,
    },
    workload::Activity,
};
use tokio::sync::watch;

use super::{
    clocks::Change,
    crew::Client,
    faketime,
    link::Links,
    node::{Deed, Node},
    notes::Notes,
    replication::{self, Pair},
    watch::Watch,
};
use crate::live::Error;

/// How long a node may take to say whose token it holds: one that is stopped says nothing.
const LOOK: Duration = Duration::from_millis(40);
/// The clocks that stand still while a machine sleeps.
const SUSPENDED: [ClockName; 2] = [ClockName::Monotonic, ClockName::Raw];

/// Everything that a plan can hit. Shared by all who work on a run.
pub(super) struct Field {
    pub(super) names: Hosts,
    pub(super) clients: BTreeMap<HostName, Client>,
    pub(super) nodes: BTreeMap<HostName, Node>,
    /// The nodes again, where one is the replica of the other.
    pub(super) pair: Option<Pair>,
    pub(super) store: Storehouse,
    pub(super) network: Arc<Network>,
    pub(super) links: Arc<Links>,
    pub(super) activity: Activity,
    /// The keys of the locks.
    pub(super) keys: Vec<String>,
    pub(super) watch: Watch,
    pub(super) notes: Notes,
}

/// The store's host. The store itself is with the supervisor: that its process stands still or is dead is made by the links
/// that lead to it. Its data outlives its process anyway.
pub(super) struct Storehouse {
    pub(super) host: Arc<Host>,
    pub(super) gate: watch::Sender<bool>,
}

impl Storehouse {
    fn open_or_close(&self) {
        self.gate
            .send_replace(self.host.is_up() && !self.host.is_paused());
    }
}

impl Field {
    pub(super) fn host(&self, name: &HostName) -> Option<&Arc<Host>> {
        let client = self.clients.get(name).map(|client| &client.host);
        let node = || self.nodes.get(name).map(|node| &node.host);
        client
            .or_else(node)
            .or_else(|| (*name == self.names.store).then_some(&self.store.host))
    }

    /// How often [`Field::tick`] is due; never when nothing has to be looked after.
    pub(super) fn ticks(&self) -> Option<Duration> {
        let clocks = self.nodes.values().any(Node::has_a_clock);
        let waits = self.pair.as_ref().is_some_and(Pair::is_waiting);
        let replication = waits.then_some(replication::TICK);
        clocks
            .then_some(faketime::TICK)
            .into_iter()
            .chain(replication)
            .min()
    }

    /// Looks after clocks of nodes, and an old master that is to be a replica.
    pub(super) fn tick(&self) {
        self.nodes.values().for_each(Node::set_clock);
        if let Some(pair) = &self.pair {
            pair.demote(&self.nodes, &self.network, self.watch);
        }
    }

    fn ends(&self, link: &DirectedLink) -> Option<(HostId, HostId)> {
        Some((self.host(&link.from)?.id(), self.host(&link.to)?.id()))
    }

    /// That a worker is gone is found out elsewhere too; what was to be done to it was not.
    fn note(&self, host: &HostName, done: Result<(), Error>) {
        if let Err(error) = done {
            self.notes.not_made(format!("{host}: {error}"));
        }
    }

    /// The nodes that hold the holder's owner token, as far as they say so right now.
    fn holding(&self) -> Vec<HostName> {
        let Some((_, Some(owner))) = self.activity.holder() else {
            return Vec::new();
        };
        let (found, silent) = self.ask_all(move |port, key| {
            let held = ask(port, &["GET", key])?;
            Ok(held.filter(|held| held == owner.as_bytes()).map(drop))
        });
        let names: BTreeSet<HostName> = found.into_iter().map(|(name, _, ())| name).collect();
        self.note_silent(&silent, names.is_empty());
        names.into_iter().collect()
    }

    /// Of nodes that should answer it is not known whether they hold the key. Where that leaves nobody to be hit, nobody was.
    fn note_silent(&self, silent: &[HostName], is_nobody_hit: bool) {
        let answers = |name: &&HostName| {
            let host = self.host(name);
            host.is_some_and(|host| host.is_up() && !host.is_paused())
        };
        let silent: Vec<&str> = silent.iter().filter(answers).map(|name| &**name).collect();
        if silent.is_empty() {
            return;
        }
        let limit = LOOK.as_millis();
        let note = format!(
            "which nodes hold the holder's key was not told by {} in {limit} ms",
            silent.join(", ")
        );
        match is_nobody_hit {
            true => self.notes.not_made(note),
            false => self.notes.nearly(note),
        }
    }

    /// Records the lock keys without an end that are on the nodes as the run ends: of all that happens there, what is still to
    /// be seen.
    pub(super) fn look_for_endless_keys(&self, recorder: &Recorder) {
        let (mut found, _) = self.ask_all(|port, key| {
            // Minus one: there is a key, and it has no end.
            match ask(port, &["PTTL", key])? {
                Some(left) if left == b"-1" => ask(port, &["GET", key]),
                _ => Ok(None),
            }
        });
        found.sort();
        let now = self.watch.now();
        for (node, key, owner) in found {
            let change = NodeChange::Set {
                key,
                owner: String::from_utf8_lossy(&owner).into_owned(),
                expires_wall_ms: None,
            };
            recorder.record(now, &node, EventKind::Node { by: None, change });
        }
    }

    /// Asks every node about every key at the same time: what they say, and who did not answer at once.
    fn ask_all<T: Send + 'static>(
        &self,
        ask: impl Fn(u16, &str) -> io::Result<Option<T>> + Clone + Send + 'static,
    ) -> (Vec<(HostName, String, T)>, Vec<HostName>) {
        let (tell, told) = mpsc::channel();
        for (name, node) in &self.nodes {
            let (tell, name, port) = (tell.clone(), name.clone(), node.port());
            let (keys, ask) = (self.keys.clone(), ask.clone());
            thread::spawn(move || {
                let said = keys.into_iter().map(|key| Ok((ask(port, &key)?, key)));
                if let Ok(said) = said.collect::<io::Result<Vec<_>>>() {
                    // Whoever asked waits no longer when this comes too late.
                    let _ = tell.send((name, said));
                }
            });
        }
        drop(tell);
        let until = self.watch.now() + LOOK;
        let mut found = Vec::new();
        let mut silent: BTreeSet<HostName> = self.nodes.keys().cloned().collect();
        while let Ok((name, said)) = told.recv_timeout(self.watch.until(until)) {
            silent.remove(&name);
            let said = said.into_iter();
            found.extend(said.filter_map(|(answer, key)| Some((name.clone(), key, answer?))));
        }
        (found, silent.into_iter().collect())
    }

    fn on_links(&self, now: TrueTime, links: &[DirectedLink], fault: LinkFault, begins: bool) {
        for (from, to) in links.iter().filter_map(|link| self.ends(link)) {
            match (trouble(fault), begins) {
                (Some(trouble), true) => self.network.begin(now, from, to, trouble),
                (Some(trouble), false) => self.network.end(now, from, to, trouble),
                (None, true) => self.links.reset(from, to),
                (None, false) => {}
            }
        }
    }

    fn strike(&self, name: &HostName, fault: ProcessFault) {
        if let Some(client) = self.clients.get(name) {
            let done = match fault {
                ProcessFault::Pause | ProcessFault::Suspend | ProcessFault::StopMachine => {
                    client.pause(frozen(fault))
                }
                ProcessFault::Crash { lose_data } => {
                    client.crash(false, lose_data);
                    Ok(())
                }
                ProcessFault::PowerLoss { lose_data } => {
                    self.links.silence(client.host.id());
                    client.crash(true, lose_data);
                    Ok(())
                }
            };
            self.note(name, done);
        } else if let Some(node) = self.nodes.get(name) {
            match fault {
                ProcessFault::Crash { lose_data } => node.does(Deed::Crash {
                    power_lost: false,
                    data_lost: lose_data,
                }),
                ProcessFault::PowerLoss { lose_data } => {
                    self.network.power_off(self.watch.now(), node.host.id());
                    self.links.silence(node.host.id());
                    node.does(Deed::Crash {
                        power_lost: true,
                        data_lost: lose_data,
                    });
                }
                _ => node.does(Deed::Pause(frozen(fault))),
            }
        } else if *name == self.names.store {
            self.strike_store(fault);
        }
    }

    fn strike_store(&self, fault: ProcessFault) {
        let (host, now) = (&self.store.host, self.watch.now());
        match fault {
            ProcessFault::Pause | ProcessFault::Suspend | ProcessFault::StopMachine => {
                freeze(host, now, frozen(fault));
            }
            ProcessFault::Crash { lose_data } => {
                self.links.reset_all_to(host.id());
                host.crash(now, false, lose_data);
            }
            ProcessFault::PowerLoss { lose_data } => {
                self.links.silence(host.id());
                host.crash(now, true, lose_data);
            }
        }
        self.store.open_or_close();
    }

    fn relieve(&self, name: &HostName, fault: ProcessFault) {
        if let Some(client) = self.clients.get(name) {
            let done = match fault {
                ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. } => client.start(),
                _ => client.resume(frozen(fault)),
            };
            self.note(name, done);
        } else if let Some(node) = self.nodes.get(name) {
            node.does(if takes_down(fault) {
                Deed::Start
            } else {
                Deed::Resume(frozen(fault))
            });
        } else if *name == self.names.store {
            let (host, now) = (&self.store.host, self.watch.now());
            match fault {
                ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. } => host.start(now),
                _ => thaw(host, now, frozen(fault)),
            }
            self.store.open_or_close();
        }
    }

    fn on_clocks(&self, hosts: &[HostName], clocks: &[ClockName], change: Change) {
        for name in hosts {
            if let Some(client) = self.clients.get(name) {
                self.note(name, client.change_clocks(clocks, change));
            } else if let Some(node) = self.nodes.get(name) {
                node.does(Deed::Clocks(clocks.to_vec(), change));
            } else if *name == self.names.store {
                change.make(&self.store.host, self.watch.now(), clocks);
            }
        }
    }

    fn on_nodes(&self, hosts: &[HostName], act: impl Fn(&Node)) {
        hosts
            .iter()
            .filter_map(|name| self.nodes.get(name))
            .for_each(act);
    }
}

/// The run's own clock is read again for what is recorded: what is done takes time.
impl Targets for &Field {
    fn playing(&self, role: Role) -> Vec<HostName> {
        self.activity.playing(role, &self.names, || self.holding())
    }

    fn apply(&self, _now: TrueTime, fault: &ResolvedFault, until: Option<TrueTime>) {
        let watch = self.watch;
        match fault {
            ResolvedFault::Links { links, fault } => {
                self.on_links(watch.now(), links, *fault, true);
            }
            ResolvedFault::Process { hosts, fault } => {
                hosts.iter().for_each(|host| self.strike(host, *fault));
            }
            ResolvedFault::Clocks {
                hosts,
                clocks,
                fault,
            } => {
                let change = match fault {
                    ClockFault::Step { by_micros } => Change::Step(*by_micros),
                    ClockFault::Drift { rate_error_ppm } => {
                        Change::Disturb(Disturbance::Drift(*rate_error_ppm))
                    }
                    ClockFault::Freeze => Change::Disturb(Disturbance::Freeze),
                };
                self.on_clocks(hosts, clocks, change);
            }
            ResolvedFault::Nodes {
                hosts,
                fault: NodeFault::Failover { repoint },
            } => {
                let pair = self.pair.iter();
                for (pair, name) in pair.flat_map(|pair| hosts.iter().map(move |name| (pair, name)))
                {
                    pair.promote(&self.nodes, name, *repoint);
                }
            }
            ResolvedFault::Nodes { hosts, fault } => self.on_nodes(hosts, |node| match fault {
                NodeFault::FlushAll => node.command(&["FLUSHALL"]),
                // Done above: it concerns two of them.
                NodeFault::Failover { .. } => {}
                NodeFault::ScriptFlush => node.command(&["SCRIPT", "FLUSH"]),
                NodeFault::ClientPause => node.pause_clients(until.unwrap_or(watch.now())),
                NodeFault::ReadOnly => node.set_read_only(true),
                NodeFault::MemoryFull => node.set_full(true),
            }),
        }
    }

    fn undo(&self, _now: TrueTime, fault: &ResolvedFault) {
        let watch = self.watch;
        match fault {
            ResolvedFault::Links { links, fault } => {
                self.on_links(watch.now(), links, *fault, false);
            }
            ResolvedFault::Process { hosts, fault } => {
                hosts.iter().for_each(|host| self.relieve(host, *fault));
            }
            ResolvedFault::Clocks {
                hosts,
                clocks,
                fault,
            } => {
                let disturbance = match fault {
                    ClockFault::Step { .. } => return,
                    ClockFault::Drift { rate_error_ppm } => Disturbance::Drift(*rate_error_ppm),
                    ClockFault::Freeze => Disturbance::Freeze,
                };
                self.on_clocks(hosts, clocks, Change::Calm(disturbance));
            }
            ResolvedFault::Nodes { hosts, fault } => self.on_nodes(hosts, |node| match fault {
                // A pause of clients ends by itself.
                NodeFault::FlushAll
                | NodeFault::ScriptFlush
                | NodeFault::ClientPause
                | NodeFault::Failover { .. } => {}
                NodeFault::ReadOnly => node.set_read_only(false),
                NodeFault::MemoryFull => node.set_full(false),
            }),
        }
    }

    fn start_all(&self, _now: TrueTime) {
        for (name, client) in &self.clients {
            self.note(name, client.start());
        }
        for node in self.nodes.values() {
            node.does(Deed::Start);
        }
        self.store.host.start(self.watch.now());
        self.store.open_or_close();
    }
}

/// The clocks that stand still during a fault.
const fn frozen(fault: ProcessFault) -> &'static [ClockName] {
    match fault {
        ProcessFault::Suspend => &SUSPENDED,
        ProcessFault::StopMachine => &ClockName::ALL,
        _ => &[],
    }
}

const fn takes_down(fault: ProcessFault) -> bool {
    matches!(
        fault,
        ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. }
    )
}

fn freeze(host: &Host, now: TrueTime, clocks: &[ClockName]) {
    host.pause(now);
    Change::Disturb(Disturbance::Freeze).make(host, now, clocks);
}

fn thaw(host: &Host, now: TrueTime, clocks: &[ClockName]) {
    Change::Calm(Disturbance::Freeze).make(host, now, clocks);
    host.resume(now);
}

/// `None`: at once, and over.
const fn trouble(fault: LinkFault) -> Option<Trouble> {
    Some(match fault {
        LinkFault::Hold => Trouble::Blocked(Block::Hold),
        LinkFault::Cut => Trouble::Blocked(Block::Cut),
        LinkFault::Slow {
            extra_min,
            extra_max,
        } => Trouble::Slow {
            min: extra_min,
            max: extra_max,
        },
        LinkFault::Lose { loss_ppm } => Trouble::Lossy(loss_ppm),
        LinkFault::Reset => return None,
    })
}

/// What the server on this port answers, if it is a text or a number.
///
/// # Errors
///
/// When it does not answer at once.
fn ask(port: u16, words: &[&str]) -> io::Result<Option<Vec<u8>>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, LOOK)?;
    stream.set_read_timeout(Some(LOOK))?;
    stream.set_write_timeout(Some(LOOK))?;
    let line = format!("{}\r\nQUIT\r\n", words.join(" "));
    stream.write_all(line.as_bytes())?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    Ok(value(&said))
}

/// A text or a number, as the protocol has it, before the answer to QUIT.
fn value(said: &[u8]) -> Option<Vec<u8>> {
    let text = said.strip_suffix(b"+OK\r\n")?.strip_suffix(b"\r\n")?;
    let (kind, rest) = text.split_first()?;
    match kind {
        b':' => Some(rest.to_vec()),
        b'$' => {
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            Some(rest[end + 2..].to_vec())
        }
        _ => None,
    }
}
