//! A scenario and a contender make a world and a plan.

use std::time::Duration;

use simulator::{
    clock::ClockName,
    contender::{RedlockSettings, SingleSettings},
    network::Latency,
    plan::{self, FaultWindow, Hosts, Plan, Target},
    redis,
    store::Fencing,
    truth::{Facts, Goal, Progress},
    workload::{self, Workload},
    world::{ClockErrors, Replay, WorldConfig},
};

use super::{
    contender::Contender,
    fault::{self, Clock, Direction, Fault, Kind, Many, Who},
    file::{Client, Head, MaxmemoryPolicy, Persistence, Scenario},
    outcome::Outcome,
    ttls::{Span, Ttls},
};

/// How long the cluster has to go into service before anything in a scenario begins.
const LEAD: Ttls = Ttls::new(0.1);

/// A scenario as one contender sees it.
pub(super) struct Resolved {
    pub(super) config: WorldConfig,
    /// Its faults, each with its place in the scenario's list, in the order in which they begin.
    pub(super) windows: Vec<(usize, FaultWindow)>,
}

impl Scenario {
    /// The world, the plan and the seed of one run, at the scenario's own TTL.
    pub fn case(&self, contender: Contender, seed: u64) -> Replay {
        self.case_at(contender, seed, Duration::from_millis(self.head.ttl_ms))
    }

    /// The same with another TTL: all times of the scenario scale with it.
    pub fn case_at(&self, contender: Contender, seed: u64, ttl: Duration) -> Replay {
        let Resolved { config, windows } = self.resolve_at(contender, ttl);
        let windows = windows.into_iter().map(|(_, window)| window);
        Replay {
            config,
            plan: Plan {
                windows: windows.collect(),
            },
            seed,
        }
    }

    /// A fault as `contender` meets it; `None` if there is nobody whom it could hit.
    pub fn window(&self, fault: &Fault, contender: Contender) -> Option<FaultWindow> {
        let ttl = Duration::from_millis(self.head.ttl_ms);
        let hosts = self.head.config(contender, ttl).hosts();
        fault.window(ttl, &hosts)
    }

    pub(super) fn resolve(&self, contender: Contender) -> Resolved {
        self.resolve_at(contender, Duration::from_millis(self.head.ttl_ms))
    }

    fn resolve_at(&self, contender: Contender, ttl: Duration) -> Resolved {
        let config = self.head.config(contender, ttl);
        let hosts = config.hosts();
        let faults = self.faults.iter().enumerate();
        let faults = faults.filter(|(_, fault)| fault.is_for(contender));
        let mut windows: Vec<_> = faults
            .filter_map(|(place, fault)| Some((place, fault.window(ttl, &hosts)?)))
            .collect();
        windows.sort_by_key(|(_, window)| window.start);
        Resolved { config, windows }
    }

    /// What checkers must know of a run of `case`, which is one of this scenario's: what is known of where it ran, and what the scenario
    /// asks for.
    pub fn facts(&self, contender: Contender, case: &Replay, known: Facts) -> Facts {
        let mut facts = known;
        facts.goals = self.goals(contender).collect();
        // Whoever has not got the lock after most of the second phase was not going to get it.
        let liveness = case.config.liveness_ms;
        facts.progress = Progress {
            acquire_within_ms: liveness * 3 / 4,
            wait_at_most_ms: liveness.max(case.config.safety_ms + liveness),
            // A hazard may leave keys behind.
            gone_within_ms: None,
        };
        facts
    }

    /// What a live run is expected to come to.
    pub fn expected_live(&self, contender: Contender) -> Option<Outcome> {
        let live = self.head.live.verdicts.get(&contender);
        live.or(self.head.verdicts.get(&contender)).copied()
    }

    fn goals(&self, contender: Contender) -> impl Iterator<Item = Goal> {
        let own = self.head.sometimes_of.get(&contender);
        let all = self.head.sometimes.iter();
        all.chain(own.into_iter().flatten()).copied()
    }
}

impl Head {
    fn config(&self, contender: Contender, ttl: Duration) -> WorldConfig {
        let cluster = &self.cluster;
        let clients = self
            .clients
            .iter()
            .flat_map(|client| std::iter::repeat_n(client, client.count));
        let mut parts: Vec<_> = clients.map(|client| client.workload(ttl)).collect();
        if contender == Contender::RedlockDeaf {
            for part in &mut parts {
                part.looks = false;
            }
        }
        WorldConfig {
            nodes: match contender {
                Contender::RedisReplicated => 2,
                single if single.is_single() => 1,
                Contender::RedlockN1 => 1,
                Contender::RedlockN3 => 3,
                Contender::RedlockN7 => 7,
                _ => cluster.nodes,
            },
            clients: parts.len(),
            latency: Latency {
                min_us: cluster.latency_ttls.least.micros(ttl),
                max_us: cluster.latency_ttls.most.micros(ttl),
                tail_ppm: 0,
                tail_max_us: 0,
            },
            server: redis::Config {
                persistence: match cluster.persistence {
                    Persistence::None => redis::Persistence::None,
                    Persistence::AofEverysec => redis::Persistence::AofEverysec,
                    Persistence::AofAlways => redis::Persistence::AofAlways,
                },
                maxmemory_policy: match cluster.maxmemory_policy {
                    MaxmemoryPolicy::Noeviction => redis::MaxmemoryPolicy::Noeviction,
                    MaxmemoryPolicy::AllkeysLru => redis::MaxmemoryPolicy::AllkeysLru,
                    MaxmemoryPolicy::VolatileLru => redis::MaxmemoryPolicy::VolatileLru,
                },
                ..redis::Config::default()
            },
            clocks: ClockErrors {
                rate_error_ppm: cluster.rate_error_ppm,
                wall_offset_us: u32::try_from(cluster.wall_offset_ttls.micros(ttl))
                    .unwrap_or(u32::MAX),
                ..ClockErrors::default()
            },
            redlock: self.redlock(contender, ttl),
            single: self.single(contender, ttl),
            fencing: fencing(contender),
            parts,
            safety_ms: self.length_ttls.millis(ttl) + LEAD.millis(ttl),
            liveness_ms: self.liveness_ttls.millis(ttl),
            ..WorldConfig::default()
        }
    }

    fn single(&self, contender: Contender, ttl: Duration) -> Option<SingleSettings> {
        let lock = &self.lock;
        Some(SingleSettings {
            rule: contender.rule()?,
            ttl_ms: lock.ttl_ttls.millis(ttl),
            poll_ms: lock.poll_ttls.millis(ttl).max(1),
            // As drivers have it: long.
            node_timeout_ms: lock.connect_timeout_ttls.millis(ttl).max(1),
            replica: contender == Contender::RedisReplicated,
        })
    }

    fn redlock(&self, contender: Contender, ttl: Duration) -> RedlockSettings {
        let lock = &self.lock;
        let no_drift = contender == Contender::RedlockNoDrift;
        RedlockSettings {
            ttl_ms: lock.ttl_ttls.millis(ttl),
            max_ttl_ms: lock.max_ttl_ttls.millis(ttl),
            quorum: lock.quorum,
            node_timeout_ms: lock.node_timeout_ttls.millis(ttl),
            connect_timeout_ms: lock.connect_timeout_ttls.millis(ttl),
            rate_error_ppm: if no_drift {
                Some(0)
            } else {
                lock.rate_error_ppm
            },
            client_step_us: 0,
            instant_clock: no_drift,
            node_step_us: if no_drift {
                0
            } else {
                lock.node_step_ttls.micros(ttl)
            },
            // A resource that checks no token rests on holders that act soon after they looked.
            effect_delay_ms: (fencing(contender) == Fencing::Off)
                .then(|| lock.node_timeout_ttls.millis(ttl)),
            fencing: contender != Contender::RedlockNoFencing,
            restart_guard: contender != Contender::RedlockNoGuard,
            strict_identity: lock.strict_identity,
            backoff_ms: (
                lock.backoff_ttls.least.millis(ttl).max(1),
                lock.backoff_ttls.most.millis(ttl).max(1),
            ),
        }
    }
}

/// What the resource checks.
const fn fencing(contender: Contender) -> Fencing {
    match contender {
        Contender::RedlockFenced => Fencing::ReadsAndWrites,
        Contender::RedlockFencedWrites => Fencing::Writes,
        _ => Fencing::Off,
    }
}

impl Client {
    fn workload(&self, ttl: Duration) -> Workload {
        let range = |span: Span| workload::Range(span.least.millis(ttl), span.most.millis(ttl));
        Workload {
            start_ms: self.start_ttls.millis(ttl) + LEAD.millis(ttl),
            cycles: self.cycles,
            workers: self.workers,
            think_ms: range(self.think_ttls.unwrap_or(match self.cycles {
                Some(1) => Span::always(0.0),
                _ => Span::always(0.1),
            })),
            accesses: self.accesses,
            work_ms: range(self.work_ttls),
            looks: self.looks,
            hesitates_ms: range(self.hesitates_ttls),
            renews: self.renews,
            extends_to_ms: self.extends_to_ttls.map(range),
            within_ms: self.waits_ttls.millis(ttl),
            store_patience_ms: self.store_patience_ttls.millis(ttl),
            nodes: self.nodes,
            generator: self.generator,
            ..Workload::default()
        }
    }
}

impl Fault {
    fn window(&self, ttl: Duration, hosts: &Hosts) -> Option<FaultWindow> {
        Some(FaultWindow {
            start: self.when.start_ttls.of(ttl) + LEAD.of(ttl),
            duration: self.when.duration_ttls.map(|ttls| ttls.of(ttl)),
            fault: self.kind.at(ttl, hosts)?,
        })
    }

    /// Whether `contender` meets it.
    pub fn is_for(&self, contender: Contender) -> bool {
        let only = self.when.only.as_ref();
        only.is_none_or(|only| only.iter().any(|only| only.means(contender)))
    }
}

/// Whoever of `who` there is.
fn targets(who: &Many<Who>, hosts: &Hosts) -> Option<Vec<Target>> {
    let found: Vec<_> = who.0.iter().filter_map(|who| target(who, hosts)).collect();
    (!found.is_empty()).then_some(found)
}

/// Nodes that a cluster does not have are left out; what else does not exist is a mistake.
fn target(who: &Who, hosts: &Hosts) -> Option<Target> {
    let is_missing = match &who.0 {
        Target::Host(name) => {
            name.starts_with("node-") && !hosts.nodes.iter().any(|node| **node == **name)
        }
        Target::Role(role) => hosts
            .playing(*role)
            .is_some_and(|playing| playing.is_empty()),
    };
    (!is_missing).then(|| who.0.clone())
}

fn clocks(names: &Many<Clock>) -> Vec<ClockName> {
    names.0.iter().map(|clock| (*clock).into()).collect()
}

fn links(
    from: &Many<Who>,
    to: &Many<Who>,
    direction: Direction,
    hosts: &Hosts,
) -> Option<plan::Links> {
    Some(plan::Links {
        from: targets(from, hosts)?,
        to: targets(to, hosts)?,
        one_way: direction == Direction::OneWay,
    })
}

impl Kind {
    /// The fault when a TTL is `ttl`; `None` when there is nobody whom it could hit.
    fn at(&self, ttl: Duration, hosts: &Hosts) -> Option<plan::Fault> {
        use plan::Fault as F;
        let of = |it: &fault::Links| links(&it.from, &it.to, it.direction, hosts);
        let on = |it: &fault::On| target(&it.target, hosts);
        Some(match self {
            Self::Hold(it) => F::Hold { links: of(it)? },
            Self::Cut(it) => F::Cut { links: of(it)? },
            Self::Slow(it) => F::Slow {
                links: links(&it.from, &it.to, it.direction, hosts)?,
                extra_min: it.extra_ttls_min.of(ttl),
                extra_max: it.extra_ttls_max.of(ttl),
            },
            Self::Lose(it) => F::Lose {
                links: links(&it.from, &it.to, it.direction, hosts)?,
                loss_ppm: it.loss_ppm,
            },
            Self::Reset(it) => F::Reset { links: of(it)? },
            Self::Flap(it) => F::Flap {
                links: links(&it.from, &it.to, it.direction, hosts)?,
                down: it.down_ttls.of(ttl),
                up: it.up_ttls.of(ttl),
            },
            Self::Ring(it) => F::Ring {
                hosts: targets(&it.hosts, hosts)?,
            },
            Self::Bridge(it) => F::Bridge {
                left: targets(&it.left, hosts)?,
                right: targets(&it.right, hosts)?,
                bridge: targets(&it.bridge, hosts)?,
            },
            Self::Pause(it) => F::Pause { target: on(it)? },
            Self::Suspend(it) => F::Suspend { target: on(it)? },
            Self::StopMachine(it) => F::StopMachine { target: on(it)? },
            Self::Crash(it) => F::Crash {
                target: target(&it.target, hosts)?,
                lose_data: it.lose_data,
            },
            Self::PowerLoss(it) => F::PowerLoss {
                target: target(&it.target, hosts)?,
                lose_data: it.lose_data,
            },
            Self::ClockStep(it) => F::ClockStep {
                target: target(&it.target, hosts)?,
                clocks: clocks(&it.clocks),
                by_micros: signed_micros(it.by_ttls, ttl),
            },
            Self::ClockDrift(it) => F::ClockDrift {
                target: target(&it.target, hosts)?,
                clocks: clocks(&it.clocks),
                rate_error_ppm: it.rate_error_ppm.into(),
            },
            Self::ClockFreeze(it) => F::ClockFreeze {
                target: target(&it.target, hosts)?,
                clocks: clocks(&it.clocks),
            },
            Self::FlushAll(it) => F::FlushAll { target: on(it)? },
            Self::ScriptFlush(it) => F::ScriptFlush { target: on(it)? },
            Self::ClientPause(it) => F::ClientPause { target: on(it)? },
            Self::ReadOnly(it) => F::ReadOnly { target: on(it)? },
            Self::MemoryFull(it) => F::MemoryFull { target: on(it)? },
            Self::Failover(it) => F::Failover {
                target: target(&it.target, hosts)?,
                repoint: it.repoint,
            },
        })
    }
}

fn signed_micros(ttls: f64, ttl: Duration) -> i64 {
    let size = Ttls::new(ttls.abs().min(100_000.0)).micros(ttl);
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if ttls < 0.0 { -size } else { size }
}
