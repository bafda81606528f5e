//! How many of the configured nodes must agree.

use std::fmt;

/// The number of configured nodes and how many of them must agree.
///
/// A quorum always counts the *configured* nodes, never the reachable ones: two clients that each
/// reach their own half of the nodes would otherwise both hold the lock (Redis "Distributed
/// Locks", step 3: "more than N/2 instances").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    nodes: usize,
    needed: usize,
}

impl Quorum {
    /// The largest number of nodes that a cluster may have: masks of nodes are 64 bits wide.
    pub const MAX_NODES: usize = 63;

    /// The smallest majority of `nodes`: ⌊N/2⌋ + 1.
    pub fn majority(nodes: usize) -> Self {
        let half = nodes / 2;
        let needed = if planted!(QuorumOfHalf) && half > 0 {
            half
        } else {
            half + 1
        };
        Self { nodes, needed }
    }

    /// `needed` of `nodes`, or `None` when that is not a majority or more than there are.
    ///
    /// A quorum above the majority tolerates `f` nodes that forgot everything when
    /// `2·needed − nodes ≥ f + 1`.
    pub const fn new(nodes: usize, needed: usize) -> Option<Self> {
        if nodes == 0 || nodes > Self::MAX_NODES || needed > nodes || needed < nodes / 2 + 1 {
            None
        } else {
            Some(Self { nodes, needed })
        }
    }

    /// Any number, a majority or not.
    #[cfg(feature = "planted-bugs")]
    pub(super) const fn planted(nodes: usize, needed: usize) -> Self {
        Self { nodes, needed }
    }

    /// The number of configured nodes, N.
    pub const fn nodes(self) -> usize {
        self.nodes
    }

    /// How many of them must agree, q.
    pub const fn needed(self) -> usize {
        self.needed
    }

    /// How many may fail while the rest still reach the quorum: N − q.
    pub const fn spare(self) -> usize {
        self.nodes - self.needed
    }

    /// Whether `agreeing` nodes are enough.
    pub const fn reached(self, agreeing: usize) -> bool {
        agreeing >= self.needed
    }

    /// Whether the quorum can no longer be reached once `disagreeing` nodes cannot agree. The
    /// refusal that decides is number N − q + 1, for even N too.
    pub const fn out_of_reach(self, disagreeing: usize) -> bool {
        disagreeing > self.spare()
    }
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.needed, self.nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_majorities_are_quorums() {
        for nodes in 0..=9 {
            for needed in 0..=10 {
                let expected = nodes > 0 && needed <= nodes && 2 * needed > nodes;
                assert_eq!(
                    Quorum::new(nodes, needed).is_some(),
                    expected,
                    "{needed} of {nodes}"
                );
            }
        }
        assert!(Quorum::new(64, 33).is_none());
    }

    #[test]
    fn any_two_quorums_share_a_node_and_a_lost_one_is_known_at_the_deciding_refusal() {
        for nodes in 1..=Quorum::MAX_NODES {
            let quorum = Quorum::majority(nodes);
            assert!(2 * quorum.needed() > nodes);
            assert!(!quorum.out_of_reach(quorum.spare()));
            assert!(quorum.out_of_reach(quorum.spare() + 1));
        }
    }
}
