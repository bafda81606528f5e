//! Where nothing has gone wrong yet.

use std::collections::BTreeMap;

use crate::{
    history::{EventKind, History},
    time::TrueTime,
};

/// When something first happened to each host. Until then it does at once what it has to do; afterwards a lost connection or a
/// long queue may keep it, for as long as no rule bounds.
pub(super) struct Calm<'h> {
    touched: BTreeMap<&'h str, TrueTime>,
    end: TrueTime,
}

impl<'h> Calm<'h> {
    pub(super) fn of(history: &'h History) -> Self {
        let mut touched = BTreeMap::new();
        for event in history.events() {
            match &event.kind {
                EventKind::FaultBegan { hosts, .. } => {
                    for host in hosts {
                        touched.entry(&**host).or_insert(event.at);
                    }
                }
                EventKind::Paused | EventKind::Crashed { .. } => {
                    touched.entry(&*event.host).or_insert(event.at);
                }
                _ => {}
            }
        }
        Self {
            touched,
            end: history.end(),
        }
    }

    /// Whether none of the hosts was touched up to then, and the history goes on as long.
    pub(super) fn lasts(&self, hosts: &[&str], until: TrueTime) -> bool {
        let untouched = |host: &&str| self.touched.get(host).is_none_or(|at| *at > until);
        until <= self.end && hosts.iter().all(untouched)
    }
}
