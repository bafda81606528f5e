//! Faults that break one assumption by a little.

use std::time::Duration;

use super::{
    profile::Profile,
    stream::{Stream, micros},
};
use crate::{
    clock::ClockName,
    plan::{
        Assumption, Assumptions, ClusterFacts, Family, Fault, FaultWindow, Links, Role, Target,
    },
};

/// The clocks by which clients measure. All of them have to be wrong.
pub(super) const MEASURING: [ClockName; 3] = [ClockName::Wall, ClockName::Raw, ClockName::Boot];

/// Faults that break `which`; none, or faults that do not, when nothing can.
pub(super) fn windows(
    which: Assumption,
    profile: &Profile,
    assumed: &Assumptions,
    facts: &ClusterFacts,
    stream: &mut Stream,
) -> Vec<FaultWindow> {
    let mut breaking = Breaking {
        profile,
        assumed,
        facts,
        stream,
    };
    match which {
        Assumption::ClientRate => breaking.client_rate(),
        Assumption::ClientStep => breaking.client_step(),
        Assumption::NodeRate => breaking.node_rate(),
        Assumption::NodeStep => breaking.node_step(),
        Assumption::ForgetfulVoters => breaking.forgetful_voters(),
        Assumption::QuarantinedNodes => breaking.quarantined_nodes(),
        Assumption::WallDisagreement => breaking.wall_disagreement(),
        Assumption::EffectDelay => breaking.effect_delay(),
    }
}

/// Whether faults of this kind could make the break larger.
pub(super) const fn adds_to(which: Assumption, family: Family) -> bool {
    let stops_clocks = matches!(family, Family::Suspend | Family::StopMachine);
    let disturbs_clocks = matches!(
        family,
        Family::ClockStep | Family::ClockDrift | Family::ClockFreeze
    );
    let forgets = matches!(
        family,
        Family::Crash | Family::PowerLoss | Family::FlushAll | Family::MemoryFull
    );
    match which {
        Assumption::ClientRate
        | Assumption::ClientStep
        | Assumption::NodeRate
        | Assumption::NodeStep => disturbs_clocks || stops_clocks,
        Assumption::ForgetfulVoters | Assumption::QuarantinedNodes => forgets,
        Assumption::WallDisagreement => disturbs_clocks || stops_clocks || forgets,
        Assumption::EffectDelay => !disturbs_clocks && !forgets,
    }
}

struct Breaking<'a> {
    profile: &'a Profile,
    assumed: &'a Assumptions,
    facts: &'a ClusterFacts,
    stream: &'a mut Stream,
}

impl Breaking<'_> {
    fn client_rate(&mut self) -> Vec<FaultWindow> {
        let by = self.rate(self.assumed.client_rate_ppm);
        let fault = Fault::ClockDrift {
            target: self.client(),
            clocks: MEASURING.to_vec(),
            rate_error_ppm: -by,
        };
        vec![self.for_long(fault)]
    }

    fn node_rate(&mut self) -> Vec<FaultWindow> {
        let by = self.rate(self.assumed.node_rate_ppm);
        let fault = Fault::ClockDrift {
            target: self.node(),
            clocks: vec![ClockName::Wall],
            rate_error_ppm: by,
        };
        vec![self.for_long(fault)]
    }

    fn client_step(&mut self) -> Vec<FaultWindow> {
        let by = self.assumed.client_step + self.a_little();
        let target = self.client();
        let may_stop = self
            .assumed
            .effect_delay
            .is_none_or(|allowed| by <= allowed);
        let (fault, duration) = if self.stream.one_in(2) && may_stop {
            (Fault::StopMachine { target }, Some(by))
        } else {
            let fault = Fault::ClockStep {
                target,
                clocks: MEASURING.to_vec(),
                by_micros: -signed(by),
            };
            (fault, None)
        };
        vec![self.sometime(fault, duration)]
    }

    fn node_step(&mut self) -> Vec<FaultWindow> {
        let by = self.assumed.node_step + self.a_little();
        let fault = Fault::ClockStep {
            target: self.node(),
            clocks: vec![ClockName::Wall],
            by_micros: signed(by),
        };
        vec![self.sometime(fault, None)]
    }

    /// One node more than is tolerated forgets, and comes back at once.
    fn forgetful_voters(&mut self) -> Vec<FaultWindow> {
        let back_after = self.profile.shape.ttl / 100;
        let evicts = self.facts.evicts && self.facts.restart_guard;
        let one_more = self.assumed.forgetful_voters + 1;
        self.forget_together(one_more, |target, _| {
            if evicts {
                (Fault::MemoryFull { target }, Some(back_after))
            } else {
                let lose_data = true;
                (Fault::Crash { target, lose_data }, Some(back_after))
            }
        })
    }

    /// One node more than is tolerated forgets and stays out.
    fn quarantined_nodes(&mut self) -> Vec<FaultWindow> {
        let one_more = self.assumed.quarantined_nodes + 1;
        let facts = self.facts;
        self.forget_together(one_more, |target, stream| forget(target, facts, stream))
    }

    /// The clocks of a quorum are behind from the beginning on, and those of its nodes that every other quorum has, too, forget
    /// together: another quorum's node gave a token that is ahead of all that this one will give for some time. A twentieth of the TTL goes to
    /// noticing, measuring and ending the quarantine, which takes longer than `max_ttl`.
    fn wall_disagreement(&mut self) -> Vec<FaultWindow> {
        let ttl = self.profile.shape.ttl;
        let by = self.assumed.wall_disagreement + ttl / 20 + self.a_little();
        let quorum = self.facts.quorum;
        let shared = (2 * quorum)
            .saturating_sub(self.facts.hosts.nodes.len())
            .max(1);
        // Those that forget, and the last of the others.
        let forgetful = self.some_nodes(shared);
        let others = self.facts.hosts.nodes.iter().rev();
        let others = others.map(|node| Target::Host(node.to_string()));
        let behind = forgetful
            .iter()
            .cloned()
            .chain(others.filter(|node| !forgetful.contains(node)))
            .take(quorum);
        let mut windows: Vec<FaultWindow> = behind
            .map(|target| FaultWindow {
                start: Duration::from_micros(1),
                duration: None,
                fault: Fault::ClockStep {
                    target,
                    clocks: vec![ClockName::Wall],
                    by_micros: -signed(by),
                },
            })
            .collect();
        let start = self.start();
        for target in forgetful {
            let (fault, duration) = forget(target, self.facts, self.stream);
            windows.push(FaultWindow {
                start,
                duration,
                fault,
            });
        }
        windows
    }

    /// Half of the time a client is stopped for too long, half of the time all that it sends to the store is late.
    fn effect_delay(&mut self) -> Vec<FaultWindow> {
        let Some(allowed) = self.assumed.effect_delay else {
            return Vec::new();
        };
        let late = allowed + self.a_little();
        if self.stream.one_in(2) {
            let target = self.client();
            return vec![self.sometime(Fault::Pause { target }, Some(late))];
        }
        // One client: what overtakes must not be late itself.
        let client = self.stream.some(&self.facts.hosts.clients, 1);
        let links = Links {
            from: client
                .iter()
                .map(|name| Target::Host(name.to_string()))
                .collect(),
            to: vec![Role::Store.into()],
            one_way: true,
        };
        vec![self.for_long(Fault::Slow {
            links,
            extra_min: late,
            extra_max: late,
        })]
    }

    fn forget_together(
        &mut self,
        count: usize,
        how: impl Fn(Target, &mut Stream) -> (Fault, Option<Duration>),
    ) -> Vec<FaultWindow> {
        let nodes = self.some_nodes(count);
        if nodes.len() < count {
            return Vec::new();
        }
        let first = self.start();
        let within = micros(self.facts.max_ttl) / 4;
        nodes
            .into_iter()
            .map(|target| {
                let later = Duration::from_micros(self.stream.range(0, within));
                let (fault, duration) = how(target, self.stream);
                FaultWindow {
                    start: first + later,
                    duration,
                    fault,
                }
            })
            .collect()
    }

    /// Beyond the bound by a twentieth to a tenth of it.
    fn rate(&mut self, bound: i64) -> i64 {
        let most = u64::try_from(bound / 10).unwrap_or_default().max(100);
        let more = self.stream.range(most / 2, most);
        bound.saturating_add(i64::try_from(more).unwrap_or(1))
    }

    /// Up to a fiftieth of the TTL. Validity leaves some room for the granularity of expiry and for rounding, and messages take
    /// their time: less than a five-hundredth would seldom show.
    fn a_little(&mut self) -> Duration {
        let ttl = self.profile.shape.ttl;
        self.stream.duration(ttl / 500, ttl / 50)
    }

    /// In the first three quarters of the plan: what follows has to have time to happen.
    fn start(&mut self) -> Duration {
        let last = micros(self.facts.heal) / 4 * 3;
        Duration::from_micros(self.stream.range(0, last))
    }

    fn sometime(&mut self, fault: Fault, duration: Option<Duration>) -> FaultWindow {
        FaultWindow {
            start: self.start(),
            duration,
            fault,
        }
    }

    /// From early on, for several leases.
    fn for_long(&mut self, fault: Fault) -> FaultWindow {
        let last = micros(self.facts.heal) / 4;
        FaultWindow {
            start: Duration::from_micros(self.stream.range(0, last)),
            duration: Some(self.facts.heal / 2),
            fault,
        }
    }

    fn client(&mut self) -> Target {
        let named = self.stream.some(&self.facts.hosts.clients, 1).pop();
        match named {
            Some(name) if self.stream.one_in(2) => Target::Host(name.to_string()),
            _ => Role::Clients.into(),
        }
    }

    fn node(&mut self) -> Target {
        let named = self.some_nodes(1).pop();
        match named {
            Some(name) if self.stream.one_in(2) => name,
            _ => Role::Majority.into(),
        }
    }

    fn some_nodes(&mut self, count: usize) -> Vec<Target> {
        let names = self.stream.some(&self.facts.hosts.nodes, count);
        names
            .iter()
            .map(|name| Target::Host(name.to_string()))
            .collect()
    }
}

/// A node forgets, but does not vote until that no longer matters.
fn forget(target: Target, facts: &ClusterFacts, stream: &mut Stream) -> (Fault, Option<Duration>) {
    if facts.restart_guard && stream.one_in(2) {
        return (Fault::FlushAll { target }, None);
    }
    let lose_data = true;
    let down = if facts.restart_guard {
        facts.max_ttl / 100
    } else {
        facts.max_ttl
    };
    (Fault::Crash { target, lose_data }, Some(down))
}

pub(super) fn signed(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
