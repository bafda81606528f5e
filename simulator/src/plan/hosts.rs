//! The hosts of a world, by name, and which of them play the parts that never change.

use super::target::{Role, Target};
use crate::history::HostName;

/// The hosts that a plan can name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// The nodes of the lock's cluster, in their order: roles such as [`Role::Minority`] count by it.
    pub nodes: Vec<HostName>,
    /// The clients.
    pub clients: Vec<HostName>,
    /// The protected store.
    pub store: HostName,
}

impl Hosts {
    /// `node-1` …, `client-1` … and `store`.
    pub fn numbered(nodes: usize, clients: usize) -> Self {
        let named = |kind: &str, count: usize| {
            (1..=count)
                .map(|number| format!("{kind}-{number}").into())
                .collect()
        };
        Self {
            nodes: named("node", nodes),
            clients: named("client", clients),
            store: "store".into(),
        }
    }

    /// All of them: nodes, clients, store.
    pub fn all(&self) -> impl Iterator<Item = &HostName> {
        self.nodes
            .iter()
            .chain(&self.clients)
            .chain(std::iter::once(&self.store))
    }

    /// Who plays a part that is the same all the time; `None` for the parts that depend on who holds the lock.
    pub fn playing(&self, role: Role) -> Option<Vec<HostName>> {
        let count = self.nodes.len();
        let found = match role {
            Role::Nodes => self.nodes.clone(),
            Role::Clients => self.clients.clone(),
            Role::Minority => self.nodes[..count.saturating_sub(1) / 2].to_vec(),
            Role::Majority => self.nodes[count - (count / 2 + 1).min(count)..].to_vec(),
            Role::Store => vec![self.store.clone()],
            Role::Holder | Role::NextWaiter | Role::QuorumOfHolder | Role::NodeOfHolder => {
                return None;
            }
        };
        Some(found)
    }

    /// Everybody who can turn out to be `target`.
    pub fn possibly(&self, target: &Target) -> Vec<HostName> {
        match target {
            Target::Host(name) => vec![name.as_str().into()],
            Target::Role(role) => self.playing(*role).unwrap_or_else(|| match role {
                Role::Holder | Role::NextWaiter => self.clients.clone(),
                _ => self.nodes.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minority_and_majority_share_no_node_and_are_what_they_say() {
        for nodes in 0..9 {
            let hosts = Hosts::numbered(nodes, 2);
            let minority = hosts.playing(Role::Minority).unwrap();
            let majority = hosts.playing(Role::Majority).unwrap();
            assert!(2 * minority.len() < nodes.max(1), "{nodes}");
            assert!(nodes == 0 || 2 * majority.len() > nodes, "{nodes}");
            assert!(minority.iter().all(|node| !majority.contains(node)));
            assert!(minority.len() + majority.len() <= nodes);
        }
        let five = Hosts::numbered(5, 2);
        assert_eq!(
            five.playing(Role::Minority).unwrap(),
            ["node-1", "node-2"].map(HostName::from)
        );
        assert_eq!(
            five.playing(Role::Majority).unwrap(),
            ["node-3", "node-4", "node-5"].map(HostName::from)
        );
        assert_eq!(five.playing(Role::QuorumOfHolder), None);
        assert_eq!(five.possibly(&Target::Role(Role::NodeOfHolder)).len(), 5);
    }
}
