//! Which owner held which key of which node, and when.
//!
//! A key that is set is held until it is removed, and only while the node's wall clock has not passed its expiry
//! ([`ExpiryRule`](crate::redis::ExpiryRule)). Redis compares the two whenever it looks at the key; expiry has no memory. So a
//! backward step of the clock gives a key back that had expired and that nobody looked at since: it is held again, a
//! GET finds it and a SET NX fails. A key that the server did remove, because a command touched it or
//! because the active expiry cycle came by, stays gone: that is the `removed` event, and nothing after it counts. The
//! holding is therefore a set of intervals, `[set, removed) ∩ {t : wall(t) < expiry}`, with one interval in
//! all but strange runs, and it ends at the instant of expiry, not when the server noticed.
//!
//! Of a node that died, the key counts as held while the node is down, if its disk kept it: it will be there when the
//! node is back, and until then the node votes for nobody. A disk that was lost takes all keys along at the crash; what
//! else is missing after a restart is a `removed` event with the reason `lost`.

use std::collections::BTreeMap;

use super::{Facts, Hosts, Interval, Intervals};
use crate::{
    clock::ClockName,
    history::{Event, EventKind, History, NodeChange},
    time::TrueTime,
};

/// One owner's hold on one key of one node, from one `set` event to the next change.
#[derive(Clone, Debug)]
pub struct Tenure<'h> {
    /// The node.
    pub node: &'h str,
    /// The key.
    pub key: &'h str,
    /// The owner token in it.
    pub owner: &'h str,
    /// What set it, or moved its expiry.
    pub set: &'h Event,
    /// The node's wall clock at expiry, in milliseconds since 1970; `None` never.
    pub expires_wall_ms: Option<i64>,
    /// When it was held.
    pub held: Vec<Interval>,
}

/// All tenures of a run.
#[derive(Debug, Default)]
pub struct Keys<'h> {
    tenures: Vec<Tenure<'h>>,
    by_owner: BTreeMap<&'h str, Vec<usize>>,
}

impl<'h> Keys<'h> {
    /// Reads them from a history.
    pub fn new(history: &'h History, facts: &Facts, hosts: &Hosts) -> Self {
        let mut open: BTreeMap<(&str, &str), Tenure<'h>> = BTreeMap::new();
        let mut keys = Self::default();
        for event in history.events() {
            let node: &str = &event.host;
            match &event.kind {
                EventKind::Node {
                    change:
                        NodeChange::Set {
                            key,
                            owner,
                            expires_wall_ms,
                        },
                    ..
                } => {
                    let tenure = Tenure {
                        node,
                        key,
                        owner,
                        set: event,
                        expires_wall_ms: *expires_wall_ms,
                        held: Vec::new(),
                    };
                    if let Some(before) = open.insert((node, key), tenure) {
                        keys.close(before, event.at, facts, hosts);
                    }
                }
                EventKind::Node {
                    change: NodeChange::Removed { key, owner, .. },
                    ..
                } => {
                    let place = (node, key.as_str());
                    // An overwritten key may be reported after the one that replaced it.
                    if open.get(&place).is_some_and(|now| now.owner == owner)
                        && let Some(tenure) = open.remove(&place)
                    {
                        keys.close(tenure, event.at, facts, hosts);
                    }
                }
                EventKind::Crashed {
                    data_lost: true, ..
                } => {
                    let (lost, kept) = open.into_iter().partition(|((at, _), _)| *at == node);
                    open = kept;
                    let lost: BTreeMap<_, _> = lost;
                    for tenure in lost.into_values() {
                        keys.close(tenure, event.at, facts, hosts);
                    }
                }
                _ => {}
            }
        }
        for tenure in open.into_values() {
            keys.close(tenure, TrueTime::MAX, facts, hosts);
        }
        keys.index();
        keys
    }

    /// All, in the order in which they began.
    pub fn tenures(&self) -> &[Tenure<'h>] {
        &self.tenures
    }

    /// Those of one owner token, in the order in which they began; with `key`, only of that key.
    pub fn of_owner<'a>(
        &'a self,
        owner: &str,
        key: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Tenure<'h>> {
        let found = self.by_owner.get(owner).map_or(&[][..], Vec::as_slice);
        found
            .iter()
            .map(|index| &self.tenures[*index])
            .filter(move |tenure| key.is_none_or(|key| key == tenure.key))
    }

    fn close(&mut self, mut tenure: Tenure<'h>, until: TrueTime, facts: &Facts, hosts: &Hosts) {
        let span = Interval::new(tenure.set.at, until);
        tenure.held = match tenure.expires_wall_ms {
            None => vec![span],
            Some(when) => {
                hosts
                    .host(tenure.node)
                    .below(ClockName::Wall, facts.expiry.gone_from(when), span)
            }
        };
        self.tenures.push(tenure);
    }

    fn index(&mut self) {
        self.tenures.sort_by_key(|tenure| {
            let set = tenure.set;
            (set.at, &set.host, set.sequence)
        });
        for (index, tenure) in self.tenures.iter().enumerate() {
            self.by_owner.entry(tenure.owner).or_default().push(index);
        }
    }
}

/// When the keys of one owner kept everybody else from a quorum, and when they were a quorum.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Fewer than q nodes could have voted for another owner: the others held this owner's key, unexpired, were down,
    /// or did not vote. A key of another owner on a node is no protection: that node voted already.
    pub protection: Intervals,
    /// At least q nodes held this owner's key, unexpired.
    pub quorum: Intervals,
}

impl Hold {
    /// That of `owner`.
    pub fn of(
        owner: &str,
        key: Option<&str>,
        keys: &Keys<'_>,
        facts: &Facts,
        hosts: &Hosts,
    ) -> Self {
        let mut held: Vec<Vec<Interval>> = vec![Vec::new(); facts.nodes.len()];
        for tenure in keys.of_owner(owner, key) {
            if let Some(node) = facts.nodes.iter().position(|node| **node == *tenure.node) {
                held[node].extend(&tenure.held);
            }
        }
        let blocked: Vec<_> = facts
            .nodes
            .iter()
            .zip(&held)
            .map(|(node, held)| {
                let voteless = hosts.host(node).voteless.as_slice();
                Intervals::union(held.iter().chain(voteless).copied())
            })
            .collect();
        let held: Vec<_> = held.into_iter().map(Intervals::union).collect();
        Self {
            protection: Intervals::at_least(facts.blocking(), &blocked),
            quorum: Intervals::at_least(facts.quorum, &held),
        }
    }
}
