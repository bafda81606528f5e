//! The nemesis: carries out a plan.
//!
//! Between two ticks of the world it does what the plan has due, to hosts and links, and records it. Roles are
//! resolved as a window begins. Everything that it starts it ends: at the latest when the world heals.
//!
//! How a fault is done is up to [`Targets`]: simulated hosts, or processes of a machine.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    clock::{ClockName, Disturbance},
    history::{EventKind, HostName, Recorder},
    host::Host,
    network::{Block, HostId, Network, Trouble},
    node::RedisNode,
    plan::{
        ClockFault, DirectedLink, Edge, EdgeKind, Hosts, LinkFault, NodeFault, Plan, ProcessFault,
        ResolvedFault, Role, resolve,
    },
    time::TrueTime,
    workload::Activity,
};

/// What a nemesis acts upon: who plays a part, and how things are done to them.
pub trait Targets {
    /// The hosts that play a part at this moment.
    fn playing(&self, role: Role) -> Vec<HostName>;

    /// Begins a fault, or does what happens at once. It is to end at `until`, if that is known: there are servers that have
    /// to be told in advance.
    fn apply(&self, now: TrueTime, fault: &ResolvedFault, until: Option<TrueTime>);

    /// Ends a fault that was begun.
    fn undo(&self, now: TrueTime, fault: &ResolvedFault);

    /// Starts every process that is down.
    fn start_all(&self, now: TrueTime);
}

/// The hosts of a simulated world.
#[derive(Clone)]
pub(crate) struct Victims {
    pub(crate) names: Hosts,
    pub(crate) hosts: BTreeMap<HostName, Arc<Host>>,
    pub(crate) nodes: BTreeMap<HostName, RedisNode>,
    pub(crate) network: Arc<Network>,
    pub(crate) activity: Activity,
}

/// Carries out one plan.
pub struct Nemesis<T> {
    plan: Plan,
    /// Reversed: the next is last.
    edges: Vec<Edge>,
    active: BTreeMap<usize, ResolvedFault>,
    targets: T,
    recorder: Recorder,
    world: HostName,
}

/// The kernel of a machine that sleeps.
const SUSPENDED: [ClockName; 2] = [ClockName::Monotonic, ClockName::Raw];

impl<T: Targets> Nemesis<T> {
    /// One that does everything that `plan` has due before the world heals at `heal`, and records it.
    pub fn new(plan: Plan, heal: Duration, targets: T, recorder: Recorder) -> Self {
        let mut edges = plan.edges(heal);
        edges.reverse();
        Self {
            plan,
            edges,
            active: BTreeMap::new(),
            targets,
            recorder,
            world: "world".into(),
        }
    }

    /// When there is something to do again.
    pub fn next_due(&self) -> Option<TrueTime> {
        self.edges.last().map(|edge| edge.at)
    }

    /// Does what is due at `now`.
    pub fn act(&mut self, now: TrueTime) {
        while let Some(edge) = self.edges.pop_if(|edge| edge.at <= now) {
            match edge.kind {
                EdgeKind::Begin | EdgeKind::Once => self.begin(now, edge),
                EdgeKind::End => self.end(now, edge.window),
                EdgeKind::Mend => self.with(edge.window, |targets, fault| targets.undo(now, fault)),
                EdgeKind::CutAgain => self.with(edge.window, |targets, fault| {
                    targets.apply(now, fault, None)
                }),
            }
        }
    }

    fn with(&self, window: usize, act: impl FnOnce(&T, &ResolvedFault)) {
        if let Some(fault) = self.active.get(&window) {
            act(&self.targets, fault);
        }
    }

    fn record(&self, now: TrueTime, kind: EventKind) {
        self.recorder.record(now, &self.world, kind);
    }

    fn begin(&mut self, now: TrueTime, edge: Edge) {
        let window = &self.plan.windows[edge.window];
        let fault = resolve(&window.fault, &|role| self.targets.playing(role));
        self.record(
            now,
            EventKind::FaultBegan {
                window: edge.window,
                fault: window.fault.to_string(),
                hosts: fault.hosts(),
            },
        );
        let mut later = self.edges.iter().rev();
        let end = later.find(|later| later.window == edge.window && later.kind == EdgeKind::End);
        self.targets.apply(now, &fault, end.map(|end| end.at));
        if edge.kind == EdgeKind::Begin {
            self.active.insert(edge.window, fault);
        } else {
            self.record(
                now,
                EventKind::FaultEnded {
                    window: edge.window,
                },
            );
        }
    }

    fn end(&mut self, now: TrueTime, window: usize) {
        if let Some(mut fault) = self.active.remove(&window) {
            self.keep(&mut fault);
            self.targets.undo(now, &fault);
            self.record(now, EventKind::FaultEnded { window });
        }
    }

    /// What two windows do to a host ends when both are over, where it is not something that adds up: being down, and
    /// what is set on a server. Roles may lead both to one host.
    fn keep(&self, ending: &mut ResolvedFault) {
        let kept: Vec<HostName> = self
            .active
            .values()
            .filter(|other| is_one_state(other, ending))
            .flat_map(ResolvedFault::hosts)
            .collect();
        if let ResolvedFault::Process { hosts, .. } | ResolvedFault::Nodes { hosts, .. } = ending {
            hosts.retain(|host| !kept.contains(host));
        }
    }

    /// The world heals: nothing of the plan goes on.
    pub fn heal(&mut self, now: TrueTime) {
        self.end_all(now);
        self.record(now, EventKind::Healed);
    }

    /// Ends everything that goes on, and starts what is down. That the world healed is for the caller to record, where it
    /// takes until later that everything is up.
    pub fn end_all(&mut self, now: TrueTime) {
        self.act(now);
        let open: Vec<_> = self.active.keys().copied().collect();
        for window in open {
            self.end(now, window);
        }
        self.targets.start_all(now);
    }
}

impl Targets for Victims {
    fn playing(&self, role: Role) -> Vec<HostName> {
        self.activity.playing(role, &self.names, || self.holding())
    }

    fn apply(&self, now: TrueTime, fault: &ResolvedFault, _until: Option<TrueTime>) {
        match fault {
            ResolvedFault::Links { links, fault } => {
                for (from, to) in links.iter().filter_map(|link| self.ends(link)) {
                    match trouble(*fault) {
                        Some(trouble) => self.network.begin(now, from, to, trouble),
                        None => self.network.reset(now, from, to),
                    }
                }
            }
            ResolvedFault::Process { hosts, fault } => {
                for host in self.hosts(hosts) {
                    self.strike(now, host, *fault);
                }
            }
            ResolvedFault::Clocks {
                hosts,
                clocks,
                fault,
            } => {
                for (host, clock) in self
                    .hosts(hosts)
                    .flat_map(|host| clocks.iter().map(move |clock| (host, *clock)))
                {
                    match fault {
                        ClockFault::Step { by_micros } => {
                            host.step_clock(now, clock, by_micros.saturating_mul(1_000))
                        }
                        ClockFault::Drift { rate_error_ppm } => {
                            host.disturb_clock(now, clock, Disturbance::Drift(*rate_error_ppm));
                        }
                        ClockFault::Freeze => host.disturb_clock(now, clock, Disturbance::Freeze),
                    }
                }
            }
            ResolvedFault::Nodes { hosts, fault } => match fault {
                NodeFault::FlushAll => self.operate(now, hosts, "FLUSHALL"),
                NodeFault::ScriptFlush => self.operate(now, hosts, "SCRIPT FLUSH"),
                // Ended by the window, not by the server.
                NodeFault::ClientPause => self.operate(now, hosts, "CLIENT PAUSE 1000000000 ALL"),
                NodeFault::ReadOnly => self.on_nodes(hosts, |node| node.set_replica(true)),
                NodeFault::MemoryFull => self.on_nodes(hosts, |node| node.set_full(true)),
                NodeFault::Failover { repoint } => self.promote(now, hosts, *repoint),
            },
        }
    }

    fn undo(&self, now: TrueTime, fault: &ResolvedFault) {
        match fault {
            ResolvedFault::Links { links, fault } => {
                for (from, to) in links.iter().filter_map(|link| self.ends(link)) {
                    if let Some(trouble) = trouble(*fault) {
                        self.network.end(now, from, to, trouble);
                    }
                }
            }
            ResolvedFault::Process { hosts, fault } => {
                for host in self.hosts(hosts) {
                    relieve(now, host, *fault);
                }
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
                for (host, clock) in self
                    .hosts(hosts)
                    .flat_map(|host| clocks.iter().map(move |clock| (host, *clock)))
                {
                    host.calm_clock(now, clock, disturbance);
                }
            }
            ResolvedFault::Nodes { hosts, fault } => match fault {
                NodeFault::FlushAll | NodeFault::ScriptFlush | NodeFault::Failover { .. } => {}
                NodeFault::ClientPause => self.on_nodes(hosts, RedisNode::end_pause),
                NodeFault::ReadOnly => self.on_nodes(hosts, |node| node.set_replica(false)),
                NodeFault::MemoryFull => self.on_nodes(hosts, |node| node.set_full(false)),
            },
        }
    }

    fn start_all(&self, now: TrueTime) {
        for host in self.hosts.values() {
            host.start(now);
        }
    }
}

impl Victims {
    /// The nodes that hold the holder's owner token.
    fn holding(&self) -> Vec<HostName> {
        let Some((_, Some(owner))) = self.activity.holder() else {
            return Vec::new();
        };
        let holds = |node: &RedisNode| node.holds(&owner);
        self.nodes
            .iter()
            .filter(|(_, node)| holds(node))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn hosts<'a>(&'a self, names: &'a [HostName]) -> impl Iterator<Item = &'a Arc<Host>> {
        names.iter().filter_map(|name| self.hosts.get(name))
    }

    fn ends(&self, link: &DirectedLink) -> Option<(HostId, HostId)> {
        Some((
            self.hosts.get(&link.from)?.id(),
            self.hosts.get(&link.to)?.id(),
        ))
    }

    fn operate(&self, now: TrueTime, hosts: &[HostName], command: &str) {
        for name in hosts {
            if let (Some(node), Some(host)) = (self.nodes.get(name), self.hosts.get(name)) {
                node.operate(host, now, command);
            }
        }
    }

    fn promote(&self, now: TrueTime, hosts: &[HostName], repoint: bool) {
        for name in hosts {
            if let (Some(node), Some(host)) = (self.nodes.get(name), self.hosts.get(name)) {
                node.promote(host, now, repoint);
            }
        }
    }

    fn on_nodes(&self, hosts: &[HostName], act: impl Fn(&RedisNode)) {
        hosts
            .iter()
            .filter_map(|name| self.nodes.get(name))
            .for_each(act);
    }

    fn strike(&self, now: TrueTime, host: &Arc<Host>, fault: ProcessFault) {
        match fault {
            ProcessFault::Pause => host.pause(now),
            ProcessFault::Suspend => freeze(now, host, &SUSPENDED),
            ProcessFault::StopMachine => freeze(now, host, &ClockName::ALL),
            ProcessFault::Crash { lose_data } => self.crash(now, host, false, lose_data),
            ProcessFault::PowerLoss { lose_data } => self.crash(now, host, true, lose_data),
        }
    }

    fn crash(&self, now: TrueTime, host: &Arc<Host>, power_lost: bool, data_lost: bool) {
        // Of a host that is down already, the machine may still lose its power, and its disk.
        host.crash(now, power_lost, data_lost);
        if let Some(node) = self.nodes.get(host.name()) {
            node.crashed(host, now, power_lost, data_lost);
        }
    }
}

/// Whether two faults put hosts into one and the same state, which a host is in or is not.
fn is_one_state(one: &ResolvedFault, other: &ResolvedFault) -> bool {
    match (one, other) {
        (
            ResolvedFault::Process { fault: one, .. },
            ResolvedFault::Process { fault: other, .. },
        ) => takes_down(*one) && takes_down(*other),
        (ResolvedFault::Nodes { fault: one, .. }, ResolvedFault::Nodes { fault: other, .. }) => {
            one == other
        }
        _ => false,
    }
}

const fn takes_down(fault: ProcessFault) -> bool {
    matches!(
        fault,
        ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. }
    )
}

fn freeze(now: TrueTime, host: &Host, clocks: &[ClockName]) {
    host.pause(now);
    for clock in clocks {
        host.disturb_clock(now, *clock, Disturbance::Freeze);
    }
}

fn thaw(now: TrueTime, host: &Host, clocks: &[ClockName]) {
    for clock in clocks {
        host.calm_clock(now, *clock, Disturbance::Freeze);
    }
    host.resume(now);
}

fn relieve(now: TrueTime, host: &Host, fault: ProcessFault) {
    match fault {
        ProcessFault::Pause => host.resume(now),
        ProcessFault::Suspend => thaw(now, host, &SUSPENDED),
        ProcessFault::StopMachine => thaw(now, host, &ClockName::ALL),
        ProcessFault::Crash { .. } | ProcessFault::PowerLoss { .. } => host.start(now),
    }
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
