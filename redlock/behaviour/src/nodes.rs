//! What a kind of node offers to the suite.

use std::{sync::Arc, time::Duration};

use redlock::{Builder, Runtime};

/// The cluster that a behaviour wants to run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    /// How many nodes it has.
    pub nodes: usize,
    /// Whether the way to the nodes can be disturbed: [`Nodes::hold_requests`], [`Nodes::lose_replies`].
    pub troubled_network: bool,
    /// Whether nodes write everything to a disk before they answer, and start with it again.
    pub disks: bool,
}

impl Setup {
    /// So many nodes, and nothing else.
    pub const fn nodes(nodes: usize) -> Self {
        Self {
            nodes,
            troubled_network: false,
            disks: false,
        }
    }

    /// The way to the nodes can be disturbed.
    #[must_use]
    pub const fn on_a_troubled_network(self) -> Self {
        Self {
            troubled_network: true,
            ..self
        }
    }

    /// Nodes keep what they wrote.
    #[must_use]
    pub const fn with_disks(self) -> Self {
        Self {
            disks: true,
            ..self
        }
    }
}

/// A cluster of one kind of node that was never admitted, and what can be done to its nodes.
///
/// Nodes are counted from zero. Every method takes effect before it returns, as far as the kind knows such a
/// moment: a node that is to start may take a while until it answers.
pub trait Nodes {
    /// How many there are.
    fn count(&self) -> usize;

    /// What reports call the node.
    fn name(&self, node: usize) -> String;

    /// A client's configuration: nodes, runtime and connector, all else as it comes.
    fn builder(&self) -> Builder;

    /// The clock and the timers of everything in a behaviour.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// A TTL that can be waited out a few times, and that calls do not use up however busy the machine is.
    fn short_ttl(&self) -> Duration;

    /// How late what is due may be noticed: a millisecond on virtual time, more on a machine that is busy.
    fn lateness(&self) -> Duration;

    /// The node hangs: it accepts connections and requests, and does nothing.
    fn stop(&self, node: usize);

    /// Ends [`Nodes::stop`]: what was accepted meanwhile is executed now.
    fn resume(&self, node: usize);

    /// The node's process dies. Nothing listens any more, and its peers notice.
    fn kill(&self, node: usize);

    /// Starts a node that was killed: with all that it had acknowledged where the setup has disks, with nothing otherwise.
    fn start(&self, node: usize);

    /// FLUSHALL: the node forgets everything, and keeps its connections and its identity.
    fn flush(&self, node: usize);

    /// SCRIPT FLUSH: the node forgets the scripts that clients have loaded.
    fn flush_scripts(&self, node: usize);

    /// The node becomes a replica, which refuses writes.
    fn make_read_only(&self, node: usize);

    /// What clients send to the node waits in the network until [`Nodes::mend`].
    fn hold_requests(&self, node: usize);

    /// The node gets what clients send; what it answers is lost until [`Nodes::mend`].
    fn lose_replies(&self, node: usize);

    /// Ends [`Nodes::hold_requests`] and [`Nodes::lose_replies`]; the latter by breaking the connections.
    fn mend(&self, node: usize);

    /// Who holds the lock on `resource` at this node. Not to be asked while the node is stopped or dead.
    fn owner_of(&self, node: usize, resource: &str) -> Option<String>;

    /// What is left of the key's TTL at this node. Not to be asked while the node is stopped or dead.
    fn ttl_of(&self, node: usize, resource: &str) -> Option<Duration>;

    /// Deletes the lock on `resource` at this node, by hand.
    fn delete(&self, node: usize, resource: &str);

    /// Writes something without a TTL, and not by any client of the lock, to the key of `resource` at this node.
    fn plant_foreign_key(&self, node: usize, resource: &str);

    /// Whether that is still there.
    fn has_foreign_key(&self, node: usize, resource: &str) -> bool;
}
