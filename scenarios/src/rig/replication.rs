//! A master and its replica: real replication over a link of its own, and a failover as a Sentinel does it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use simulator::{history::HostName, network::Network};
use tokio::sync::watch;

use super::{
    link::{Links, Route},
    node::Node,
    watch::Watch,
};
use crate::live::Error;

/// How often it is looked whether a replica follows, or an old master can be told.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// The two nodes of a lock that has a replica.
#[derive(Debug)]
pub(super) struct Pair {
    /// For each of them the port at which it reaches the other, over a link that plans can hit.
    ways: BTreeMap<HostName, u16>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    replica: Option<HostName>,
    /// The old master, until it is told that it is one no longer.
    to_demote: Option<HostName>,
}

impl Pair {
    /// Makes the second of two nodes the replica of the first, and returns once it is: before `watch` has less than `lead` left until it
    /// begins.
    pub(super) async fn begin(
        links: &Arc<Links>,
        nodes: &BTreeMap<HostName, Node>,
        watch: Watch,
        lead: Duration,
    ) -> Result<Self, Error> {
        let mut each = nodes.iter();
        let (Some((first, master)), Some((second, replica))) = (each.next(), each.next()) else {
            return Err(Error::Server("a replica needs a master".to_owned()));
        };
        let mut ways = BTreeMap::new();
        for (name, from, to) in [(first, master, replica), (second, replica, master)] {
            let route = Route {
                client: from.host.id(),
                server: to.host.clone(),
                port: to.port(),
                gate: watch::Sender::new(true).subscribe(),
                greets: false,
            };
            let port = links.listen(route).await;
            let port = port.map_err(Error::system("beginning a link between nodes"))?;
            ways.insert(name.clone(), port);
        }
        replica.follow(ways.get(second).copied());
        while !replica.is_synchronised().await {
            if watch.lead() < lead {
                return Err(Error::Server(format!(
                    "{second} did not become a replica of {first} in time"
                )));
            }
            pause().await;
        }
        let state = Mutex::new(State {
            replica: Some(second.clone()),
            to_demote: None,
        });
        Ok(Self { ways, state })
    }

    /// Promotes this node, if it is the replica and up. With `repoint` the old master becomes its replica as soon as the two reach each
    /// other.
    pub(super) fn promote(&self, nodes: &BTreeMap<HostName, Node>, name: &HostName, repoint: bool) {
        let mut state = self.state();
        let Some(node) = nodes.get(name).filter(|node| node.host.is_up()) else {
            return;
        };
        if state.replica.as_ref() != Some(name) {
            return;
        }
        state.replica = None;
        node.follow(None);
        let old = self.ways.keys().find(|other| *other != name);
        state.to_demote = old.filter(|_| repoint).cloned();
    }

    /// Whether an old master has yet to be told.
    pub(super) fn is_waiting(&self) -> bool {
        self.state().to_demote.is_some()
    }

    /// Tells an old master whose replica it is, if the two reach each other.
    pub(super) fn demote(&self, nodes: &BTreeMap<HostName, Node>, network: &Network, watch: Watch) {
        let mut state = self.state();
        let old = state
            .to_demote
            .as_ref()
            .and_then(|it| nodes.get_key_value(it));
        let Some((name, old)) = old else { return };
        let others = nodes.iter().filter(|(other, _)| *other != name);
        let now = watch.now();
        let reaches = |one: &Node, other: &Node| {
            !network.is_blocked(now, one.host.id(), other.host.id())
                && !network.is_blocked(now, other.host.id(), one.host.id())
        };
        let up = |node: &Node| node.host.is_up() && !node.host.is_paused();
        if up(old)
            && others
                .into_iter()
                .all(|(_, new)| up(new) && reaches(old, new))
        {
            old.follow(self.ways.get(name).copied());
            state.replica = state.to_demote.take();
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "live runs are on real time")]
async fn pause() {
    tokio::time::sleep(TICK).await;
}
