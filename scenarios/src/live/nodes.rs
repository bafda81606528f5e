//! What is known about each node: what was done to its process, and what it says of itself.

use std::{fmt, sync::Arc, time::Duration};

use redlock::{GuardState, Preflight, Redlock};
use redlock_testkit::{Error as ServerError, RedisCluster};
use tokio::sync::mpsc;

use super::clock::{self, Moment, now};

/// How often the nodes are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// A look at a node that is stopped takes seconds; the others would have nothing to say meanwhile.
const LONGEST_LOOK: Duration = Duration::from_millis(700);

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Continue,
    /// SIGKILL.
    Kill,
    /// A new process on the same port, without any data.
    RestartEmpty,
}

impl Deed {
    /// Does it; takes milliseconds.
    pub(crate) fn apply(self, cluster: &RedisCluster, node: usize) -> Result<(), ServerError> {
        let server = &cluster[node];
        match self {
            Self::Stop => server.stop(),
            Self::Continue => server.cont(),
            Self::Kill => server.kill(),
            Self::RestartEmpty => return server.restart_empty(),
        }
        Ok(())
    }

    const fn leaves(self) -> Process {
        match self {
            Self::Stop => Process::Stopped,
            Self::Kill => Process::Killed,
            Self::Continue | Self::RestartEmpty => Process::Running,
        }
    }
}

/// What the supervisor did to a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Running,
    Stopped,
    Killed,
}

/// What a node last said about its part in votes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vote {
    /// Nothing yet, or nothing since its process changed.
    Unknown,
    /// It votes.
    Admitted,
    /// It may have forgotten leases, and does not vote before this.
    Quarantined(Moment),
    /// It takes no part, for this reason.
    Out(String),
}

/// One node.
#[derive(Clone, Debug)]
pub(crate) struct NodeView {
    pub(crate) process: Process,
    pub(crate) vote: Vote,
    /// When something was last done to it; what it said before tells nothing any more.
    changed: Moment,
}

/// The answers of all nodes.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    started: Moment,
    votes: Vec<Vote>,
}

/// What a look brought to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The node came back without its memory.
    Quarantined(Duration),
    /// The node's quarantine is over.
    Admitted,
}

impl NodeView {
    /// A node that was just admitted.
    pub(crate) fn new() -> Self {
        Self {
            process: Process::Running,
            vote: Vote::Admitted,
            changed: now(),
        }
    }

    /// Something was done to the node.
    pub(crate) fn did(&mut self, deed: Deed) {
        self.process = deed.leaves();
        self.changed = now();
        if deed == Deed::RestartEmpty {
            self.vote = Vote::Unknown;
        }
    }

    /// Whether the node takes part in votes now.
    pub(crate) fn votes(&self) -> bool {
        self.process == Process::Running && self.vote == Vote::Admitted
    }

    fn saw(&mut self, vote: Vote) -> Option<Change> {
        let change = match (&self.vote, &vote) {
            (Vote::Quarantined(_), Vote::Quarantined(_)) => None,
            (_, Vote::Quarantined(until)) => Some(Change::Quarantined(*until - now())),
            (Vote::Quarantined(_), Vote::Admitted) => Some(Change::Admitted),
            _ => None,
        };
        // A node that failed to answer once is in quarantine all the same.
        if !matches!((&self.vote, &vote), (Vote::Quarantined(_), Vote::Out(_))) {
            self.vote = vote;
        }
        change
    }
}

impl fmt::Display for NodeView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.process, &self.vote) {
            (Process::Stopped, _) => f.write_str("stopped"),
            (Process::Killed, _) => f.write_str("killed"),
            (Process::Running, Vote::Admitted) => f.write_str("votes"),
            (Process::Running, Vote::Unknown) => f.write_str("starting"),
            (Process::Running, Vote::Quarantined(until)) => {
                write!(f, "quarantined {:.1} s", (*until - now()).as_secs_f64())
            }
            (Process::Running, Vote::Out(why)) => f.write_str(why),
        }
    }
}

/// Takes a look into account; what changed, by node.
pub(crate) fn look(nodes: &mut [NodeView], look: Look) -> Vec<(usize, Change)> {
    let mut changes = Vec::new();
    for (position, (node, vote)) in nodes.iter_mut().zip(look.votes).enumerate() {
        if node.process == Process::Running && node.changed < look.started {
            changes.extend(node.saw(vote).map(|change| (position, change)));
        }
    }
    changes
}

/// Looks at the nodes again and again, until nobody listens.
pub(crate) async fn watch<T: From<Look>>(redlock: Arc<Redlock>, tell: mpsc::UnboundedSender<T>) {
    loop {
        let started = now();
        if let Some(found) = clock::within(LONGEST_LOOK, redlock.preflight()).await {
            let votes = votes(&found);
            if tell.send(Look { started, votes }.into()).is_err() {
                return;
            }
        }
        clock::sleep(LOOK).await;
    }
}

fn votes(found: &Preflight) -> Vec<Vote> {
    let vote = |guard: &GuardState| match guard {
        GuardState::Admitted | GuardState::NotUsed => Vote::Admitted,
        GuardState::Quarantined { remaining } => Vote::Quarantined(now() + *remaining),
        GuardState::Absent => Vote::Unknown,
        other => Vote::Out(other.to_string()),
    };
    let of = found.nodes.iter().map(|node| match &node.facts {
        Ok(facts) => vote(&facts.guard),
        Err(_) => Vote::Out("unreachable".into()),
    });
    of.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(started: Moment, vote: &Vote) -> Look {
        Look {
            started,
            votes: vec![vote.clone()],
        }
    }

    #[test]
    fn a_node_that_lost_its_memory_is_quarantined_and_then_admitted() {
        let mut nodes = [NodeView::new()];
        nodes[0].did(Deed::Kill);
        assert_eq!(
            (nodes[0].votes(), nodes[0].to_string()),
            (false, "killed".into())
        );
        nodes[0].did(Deed::RestartEmpty);
        assert!(!nodes[0].votes());
        let later = now() + Duration::from_secs(1);
        let quarantined = Vote::Quarantined(later);
        let changes = look(&mut nodes, at(later, &quarantined));
        assert!(matches!(changes[..], [(0, Change::Quarantined(_))]));
        assert!(look(&mut nodes, at(later, &quarantined)).is_empty());
        assert!(look(&mut nodes, at(later, &Vote::Out("unreachable".into()))).is_empty());
        assert!(!nodes[0].votes());
        assert_eq!(
            look(&mut nodes, at(later, &Vote::Admitted)),
            [(0, Change::Admitted)]
        );
        assert!(nodes[0].votes());
    }

    #[test]
    fn what_a_node_said_before_it_was_hit_does_not_count() {
        let mut nodes = [NodeView::new()];
        let before = now();
        nodes[0].did(Deed::RestartEmpty);
        look(&mut nodes, at(before, &Vote::Admitted));
        assert!(!nodes[0].votes());
        nodes[0].did(Deed::Stop);
        look(
            &mut nodes,
            at(now() + Duration::from_secs(1), &Vote::Admitted),
        );
        assert_eq!(nodes[0].to_string(), "stopped");
    }
}
