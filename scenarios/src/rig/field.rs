//! How the faults of a plan are done to real processes, links and clocks.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use simulator::{
    TrueTime,
    clock::{ClockName, Disturbance},
    history::HostName,
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
    crew::Client,
    link::Links,
    node::{Deed, Node},
    notes::Notes,
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

    fn ends(&self, link: &DirectedLink) -> Option<(HostId, HostId)> {
        Some((self.host(&link.from)?.id(), self.host(&link.to)?.id()))
    }

    /// What cannot be done to a worker is noted: it is gone, and that is found out elsewhere.
    fn note(&self, host: &HostName, done: Result<(), Error>) {
        if let Err(error) = done {
            self.notes.add(format!("{host}: {error}"));
        }
    }

    /// The nodes that hold the holder's owner token, as far as they say so right now.
    fn holding(&self) -> Vec<HostName> {
        let Some((_, Some(owner))) = self.activity.holder() else {
            return Vec::new();
        };
        let (tell, told) = mpsc::channel();
        for (name, node) in &self.nodes {
            let (tell, name, port) = (tell.clone(), name.clone(), node.port());
            let (keys, owner) = (self.keys.clone(), owner.clone());
            thread::spawn(move || {
                if holds(port, &keys, owner.as_bytes()) {
                    let _ = tell.send(name);
                }
            });
        }
        drop(tell);
        let until = self.watch.now() + LOOK;
        let mut found = Vec::new();
        while let Ok(name) = told.recv_timeout(self.watch.until(until)) {
            found.push(name);
        }
        found.sort();
        found
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
                ProcessFault::Pause => client.pause(),
                ProcessFault::Suspend => client.pause_with(&SUSPENDED),
                ProcessFault::StopMachine => client.pause_with(&ClockName::ALL),
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
                // The clocks of a node that is to be suspended or stopped were looked at before the run.
                _ => node.does(Deed::Pause),
            }
        } else if *name == self.names.store {
            self.strike_store(fault);
        }
    }

    fn strike_store(&self, fault: ProcessFault) {
        let (host, now) = (&self.store.host, self.watch.now());
        match fault {
            ProcessFault::Pause => host.pause(now),
            ProcessFault::Suspend => freeze(host, now, &SUSPENDED),
            ProcessFault::StopMachine => freeze(host, now, &ClockName::ALL),
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
                ProcessFault::Pause => client.resume(),
                ProcessFault::Suspend => client.resume_with(&SUSPENDED),
                ProcessFault::StopMachine => client.resume_with(&ClockName::ALL),
                ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. } => client.start(),
            };
            self.note(name, done);
        } else if let Some(node) = self.nodes.get(name) {
            node.does(if takes_down(fault) {
                Deed::Start
            } else {
                Deed::Resume
            });
        } else if *name == self.names.store {
            let (host, now) = (&self.store.host, self.watch.now());
            match fault {
                ProcessFault::Pause => host.resume(now),
                ProcessFault::Suspend => thaw(host, now, &SUSPENDED),
                ProcessFault::StopMachine => thaw(host, now, &ClockName::ALL),
                ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. } => host.start(now),
            }
            self.store.open_or_close();
        }
    }

    fn on_clocks(&self, hosts: &[HostName], clocks: &[ClockName], act: impl Fn(&Host, ClockName)) {
        for name in hosts {
            if let Some(client) = self.clients.get(name) {
                self.note(name, client.change_clocks(clocks, &act));
            } else if let Some(host) = self.host(name) {
                clocks.iter().for_each(|clock| act(host, *clock));
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
        self.names.playing(role).unwrap_or_else(|| match role {
            Role::Holder => self
                .activity
                .holder()
                .map(|(host, _)| host)
                .into_iter()
                .collect(),
            Role::NextWaiter => self.activity.next_waiter().into_iter().collect(),
            Role::QuorumOfHolder => self.holding(),
            _ => self.holding().into_iter().take(1).collect(),
        })
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
            } => self.on_clocks(hosts, clocks, |host, clock| match fault {
                ClockFault::Step { by_micros } => {
                    host.step_clock(watch.now(), clock, by_micros.saturating_mul(1_000));
                }
                ClockFault::Drift { rate_error_ppm } => {
                    host.disturb_clock(watch.now(), clock, Disturbance::Drift(*rate_error_ppm));
                }
                ClockFault::Freeze => host.disturb_clock(watch.now(), clock, Disturbance::Freeze),
            }),
            ResolvedFault::Nodes { hosts, fault } => self.on_nodes(hosts, |node| match fault {
                NodeFault::FlushAll => node.command(&["FLUSHALL"]),
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
                self.on_clocks(hosts, clocks, |host, clock| {
                    host.calm_clock(watch.now(), clock, disturbance);
                });
            }
            ResolvedFault::Nodes { hosts, fault } => self.on_nodes(hosts, |node| match fault {
                // A pause of clients ends by itself.
                NodeFault::FlushAll | NodeFault::ScriptFlush | NodeFault::ClientPause => {}
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

const fn takes_down(fault: ProcessFault) -> bool {
    matches!(
        fault,
        ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. }
    )
}

fn freeze(host: &Host, now: TrueTime, clocks: &[ClockName]) {
    host.pause(now);
    for clock in clocks {
        host.disturb_clock(now, *clock, Disturbance::Freeze);
    }
}

fn thaw(host: &Host, now: TrueTime, clocks: &[ClockName]) {
    for clock in clocks {
        host.calm_clock(now, *clock, Disturbance::Freeze);
    }
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

/// Whether the server on this port says that one of the keys holds this value. Anything else, and silence, is a no.
fn holds(port: u16, keys: &[String], owner: &[u8]) -> bool {
    let ask = || {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut stream = TcpStream::connect_timeout(&address, LOOK)?;
        stream.set_read_timeout(Some(LOOK))?;
        let mut said = Vec::new();
        for key in keys {
            stream.write_all(format!("GET {key}\r\n").as_bytes())?;
        }
        stream.write_all(b"QUIT\r\n")?;
        stream.read_to_end(&mut said)?;
        Ok::<_, std::io::Error>(said)
    };
    ask().is_ok_and(|said| said.windows(owner.len().max(1)).any(|part| part == owner))
}
