//! Fault windows drawn one by one.

use std::time::Duration;

use super::{
    profile::{Bounds, Odds, Pick, Profile},
    stream::{Stream, micros},
};
use crate::{
    clock::ClockName,
    plan::{Family, Fault, FaultWindow, Hosts, Links, Role, Target},
};

/// The windows of one kind, from that kind's own stream; none when the coin says so.
pub(super) fn of_family(stream: &mut Stream, odds: &Odds, profile: &Profile) -> Vec<FaultWindow> {
    let is_on = stream.one_in(2);
    let count = stream.range(odds.count.least, odds.count.most);
    if !is_on {
        return Vec::new();
    }
    let hosts = profile.shape.hosts();
    let mut draw = Draw {
        stream,
        profile,
        hosts: &hosts,
        odds,
    };
    (0..count).filter_map(|_| draw.window()).collect()
}

pub(super) struct Draw<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) profile: &'a Profile,
    pub(super) hosts: &'a Hosts,
    pub(super) odds: &'a Odds,
}

impl Draw<'_> {
    fn window(&mut self) -> Option<FaultWindow> {
        let family = self.odds.family;
        let last = micros(self.profile.heal()).saturating_sub(1);
        let start = Duration::from_micros(self.stream.range(0, last));
        let fault = self.fault(family)?;
        let duration = self.duration();
        Some(FaultWindow {
            start,
            duration: (!family.is_instant()).then_some(duration),
            fault,
        })
    }

    fn ttl_permille(&self, permille: u64) -> Duration {
        let micros = micros(self.profile.shape.ttl).saturating_mul(permille) / 1_000;
        Duration::from_micros(micros.max(1))
    }

    fn duration(&mut self) -> Duration {
        let Bounds { least, most } = self.odds.duration_permille;
        let about_ttl = self.stream.one_in(4) && least <= 900 && most >= 1_100;
        let (least, most) = if about_ttl {
            (900, 1_100)
        } else {
            (least, most)
        };
        let (least, most) = (self.ttl_permille(least), self.ttl_permille(most));
        self.stream.duration(least, most)
    }

    fn size(&mut self) -> u64 {
        self.stream
            .scaled(self.odds.size.least, self.odds.size.most)
    }

    fn ttl_share(&mut self) -> Duration {
        let Bounds { least, most } = self.odds.size;
        let (least, most) = (self.ttl_permille(least), self.ttl_permille(most));
        self.stream.duration(least, most)
    }

    fn fault(&mut self, family: Family) -> Option<Fault> {
        Some(match family {
            Family::Hold => Fault::Hold {
                links: self.links()?,
            },
            Family::Cut => Fault::Cut {
                links: self.links()?,
            },
            Family::Reset => Fault::Reset {
                links: self.links()?,
            },
            Family::Slow => {
                let most = self.ttl_share();
                Fault::Slow {
                    links: self.links()?,
                    extra_min: Duration::from_micros(self.stream.range(0, micros(most))),
                    extra_max: most,
                }
            }
            Family::Lose => Fault::Lose {
                loss_ppm: u32::try_from(self.size()).ok()?.min(1_000_000),
                links: self.links()?,
            },
            Family::Flap => Fault::Flap {
                down: self.ttl_share(),
                up: self.ttl_share(),
                links: self.links()?,
            },
            Family::Ring => self.ring(),
            Family::Bridge => self.bridge(),
            Family::ClockStep | Family::ClockDrift | Family::ClockFreeze => {
                self.clock_fault(family)?
            }
            _ => self.host_fault(family)?,
        })
    }

    fn host_fault(&mut self, family: Family) -> Option<Fault> {
        let target = if family.is_of_nodes() {
            self.node()?
        } else {
            self.host()?
        };
        let lose_data = self.stream.range(1, 100) <= self.odds.size.most;
        Some(match family {
            Family::Pause => Fault::Pause { target },
            Family::Suspend => Fault::Suspend { target },
            Family::StopMachine => Fault::StopMachine { target },
            Family::Crash => Fault::Crash { target, lose_data },
            Family::PowerLoss => Fault::PowerLoss { target, lose_data },
            Family::FlushAll => Fault::FlushAll { target },
            Family::ScriptFlush => Fault::ScriptFlush { target },
            Family::ClientPause => Fault::ClientPause { target },
            Family::ReadOnly => Fault::ReadOnly { target },
            Family::MemoryFull => Fault::MemoryFull { target },
            _ => return None,
        })
    }

    fn clock_fault(&mut self, family: Family) -> Option<Fault> {
        let target = self.host()?;
        // One clock, or all by which something is measured: the rest of the subsets add little.
        let clocks = if self.stream.one_in(2) {
            vec![*self.stream.pick(&ClockName::ALL)?]
        } else {
            ClockName::ALL.to_vec()
        };
        let sign = if self.stream.one_in(2) { -1 } else { 1 };
        Some(match family {
            Family::ClockStep => Fault::ClockStep {
                by_micros: sign * i64::try_from(micros(self.ttl_share())).ok()?,
                target,
                clocks,
            },
            Family::ClockDrift => Fault::ClockDrift {
                rate_error_ppm: sign * i64::try_from(self.size()).ok()?,
                target,
                clocks,
            },
            _ => Fault::ClockFreeze { target, clocks },
        })
    }

    /// Clients on one side, nodes on the other (or the store, now and then), in one or both directions.
    fn links(&mut self) -> Option<Links> {
        let clients = vec![self.client()?];
        let others = if self.stream.one_in(8) {
            vec![Target::Role(Role::Store)]
        } else {
            self.nodes()?
        };
        Some(match self.stream.range(0, 2) {
            0 => Links {
                from: clients,
                to: others,
                one_way: false,
            },
            1 => Links {
                from: clients,
                to: others,
                one_way: true,
            },
            _ => Links {
                from: others,
                to: clients,
                one_way: true,
            },
        })
    }

    fn everybody(&mut self) -> Vec<Target> {
        let named = self.hosts.nodes.iter().chain(&self.hosts.clients);
        let all: Vec<Target> = named.map(|name| Target::Host(name.to_string())).collect();
        self.stream.some(&all, all.len())
    }

    fn ring(&mut self) -> Fault {
        let mut hosts = self.everybody();
        // Of three, each is everybody's neighbour.
        let least = 4.min(hosts.len());
        let count = self.stream.range(to_u64(least), to_u64(hosts.len()));
        hosts.truncate(usize::try_from(count).unwrap_or(least));
        Fault::Ring { hosts }
    }

    fn bridge(&mut self) -> Fault {
        let mut left = self.everybody();
        let last = to_u64(left.len()).saturating_sub(2).max(1);
        let middle = usize::try_from(self.stream.range(1, last)).unwrap_or(1);
        let mut right = left.split_off(middle);
        let bridge = right.split_off(right.len().saturating_sub(1));
        Fault::Bridge {
            left,
            right,
            bridge,
        }
    }

    /// A client or a node, as often one as the other.
    fn host(&mut self) -> Option<Target> {
        if self.stream.one_in(2) {
            self.client()
        } else {
            self.node()
        }
    }

    fn client(&mut self) -> Option<Target> {
        let pick = *self.stream.pick(&self.profile.clients)?;
        self.picked(pick, 1)?.pop()
    }

    fn node(&mut self) -> Option<Target> {
        let pick = *self.stream.pick(&self.profile.nodes)?;
        self.picked(pick, 1)?.pop()
    }

    fn nodes(&mut self) -> Option<Vec<Target>> {
        let pick = *self.stream.pick(&self.profile.nodes)?;
        let most = to_u64(self.hosts.nodes.len());
        let count = usize::try_from(self.stream.range(1, most)).ok()?;
        self.picked(pick, count)
    }

    fn picked(&mut self, pick: Pick, count: usize) -> Option<Vec<Target>> {
        let (from, count) = match pick {
            Pick::Role(role) => return Some(vec![role.into()]),
            Pick::OneNode => (&self.hosts.nodes, 1),
            Pick::SomeNodes => (&self.hosts.nodes, count),
            Pick::OneClient => (&self.hosts.clients, 1),
        };
        let some = self.stream.some(from, count);
        let targets: Vec<Target> = some
            .iter()
            .map(|name| Target::Host(name.to_string()))
            .collect();
        (!targets.is_empty()).then_some(targets)
    }
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
