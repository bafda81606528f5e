//! From the first call to a majority that carries one fencing token.
//!
//! All nodes are asked at once. Each that grants answers its fencing counter after the grant; S is
//! the set of nodes whose grant was received, t the largest counter in S. If q nodes of S answered
//! exactly t, the attempt is won in one round trip. Otherwise t is *published* to S ("if the lock is
//! still mine, counter = max(counter, t)") and q nodes *of S* must hold it.
//!
//! Why not the plain maximum of the counters: with no fault at all, the majorities 12, 13, 12, 13, 23
//! would answer 1, 2, 3, 4, 3. Why only nodes of S may confirm, and only while they still hold our
//! key: otherwise two acquisitions can end with the same token. Then any two successful acquisitions
//! A and B share a node that confirmed A's token before it granted to B, so B's counter there, and
//! with it B's token, is larger. No clock enters this argument.

use super::{answer::Answer, quorum::Quorum};

/// What the shell has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Publish this counter to the node.
    Publish {
        /// The node's index.
        node: usize,
        /// The counter that it shall not stay below.
        counter: u64,
    },
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A quorum granted, and a quorum of those holds the token (zero when the cluster does not
    /// fence). Whether the validity still stands is the clock's to say, read after this.
    Won {
        /// The largest counter in S.
        counter: u64,
    },
    /// The quorum can no longer be reached.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    /// Asked, no answer yet.
    Asked,
    /// Refused, unknown or timed out: never counts again.
    Out,
    /// In S. `holds` is the counter it is known to be at, `asked` the largest one published to it
    /// that is still unanswered.
    Granted { holds: u64, asked: Option<u64> },
    /// In S, but it will not confirm a publication.
    Mute { holds: u64 },
}

/// One attempt at the quorum, as the nodes' answers arrive in any order.
#[derive(Clone, Debug)]
pub struct Acquisition {
    quorum: Quorum,
    fencing: bool,
    members: Vec<Member>,
    target: u64,
    publishing: bool,
    outcome: Option<Outcome>,
    steps: Vec<Step>,
    #[cfg(feature = "planted-bugs")]
    unreachable: usize,
    /// Publications that nodes outside of S confirmed.
    #[cfg(feature = "planted-bugs")]
    outside: usize,
}

impl Acquisition {
    /// All nodes have been asked. Without `fencing`, counters are ignored and q grants win.
    pub fn new(quorum: Quorum, fencing: bool) -> Self {
        Self {
            quorum,
            fencing,
            members: vec![Member::Asked; quorum.nodes()],
            target: 0,
            publishing: false,
            outcome: None,
            steps: Vec::new(),
            #[cfg(feature = "planted-bugs")]
            unreachable: 0,
            #[cfg(feature = "planted-bugs")]
            outside: 0,
        }
    }

    /// A node answered its acquire call. Answers to unknown nodes, second answers, and grants that
    /// arrive after the node was given up are ignored.
    pub fn handle_answer(&mut self, node: usize, answer: &Answer) {
        if self.members.get(node) != Some(&Member::Asked) {
            return;
        }
        match answer {
            Answer::Granted { counter } => {
                let holds = if self.fencing { *counter } else { 0 };
                self.members[node] = Member::Granted { holds, asked: None };
                if self.outcome.is_none() {
                    self.target = self.target.max(holds);
                }
            }
            _ => {
                self.members[node] = Member::Out;
                #[cfg(feature = "planted-bugs")]
                if matches!(answer, Answer::Unknown(_) | Answer::Refused(_)) {
                    self.unreachable += 1;
                }
            }
        }
        self.advance();
    }

    /// A node answered the publication of `counter`.
    pub fn handle_publish_answer(&mut self, node: usize, counter: u64, answer: &Answer) {
        let Some(member) = self.members.get_mut(node) else {
            return;
        };
        #[cfg(feature = "planted-bugs")]
        if planted!(PublishOutsideS)
            && matches!(member, Member::Asked | Member::Out)
            && counter == self.target
            && *answer == Answer::Confirmed
        {
            self.outside += 1;
            return self.advance();
        }
        *member = match (*member, answer) {
            // The key there is no longer ours: it never counts again, not even as a grant.
            (Member::Granted { .. } | Member::Mute { .. }, Answer::NotOwner { .. }) => Member::Out,
            (Member::Granted { holds, asked }, Answer::Confirmed) => Member::Granted {
                holds: holds.max(counter),
                asked: asked.filter(|latest| *latest > counter),
            },
            (Member::Granted { holds, .. }, _) => Member::Mute { holds },
            _ => return,
        };
        self.advance();
    }

    /// A node's acquire call passed its decision deadline: it no longer counts.
    pub fn give_up_on(&mut self, node: usize) {
        if let Some(member @ Member::Asked) = self.members.get_mut(node) {
            *member = Member::Out;
            self.advance();
        }
    }

    /// The publications passed their decision deadline: whoever has not confirmed will not.
    pub fn give_up_publishing(&mut self) {
        for member in &mut self.members {
            if let Member::Granted {
                holds,
                asked: Some(_),
            } = *member
            {
                *member = Member::Mute { holds };
            }
        }
        self.advance();
    }

    /// How the attempt ended, once it has; then final.
    pub const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// How many nodes have to hold the lease.
    pub(super) fn quorum(&self) -> Quorum {
        #[cfg(feature = "planted-bugs")]
        if planted!(QuorumOfReachable) {
            let reachable = self.members.len() - self.unreachable;
            return Quorum::planted(self.members.len(), reachable / 2 + 1);
        }
        self.quorum
    }

    /// Whether any node's acquire call is unanswered and still counts.
    pub fn is_asking(&self) -> bool {
        self.members.contains(&Member::Asked)
    }

    /// The nodes in S: granted, and not known to have lost the key since.
    pub fn granted(&self) -> impl Iterator<Item = usize> + '_ {
        self.members
            .iter()
            .enumerate()
            .filter_map(|(node, member)| {
                matches!(member, Member::Granted { .. } | Member::Mute { .. }).then_some(node)
            })
    }

    /// The next thing to do, until there is none. After a win this goes on to publish the token to
    /// late grants in the background.
    pub fn poll_step(&mut self) -> Option<Step> {
        self.steps.pop()
    }

    fn advance(&mut self) {
        if self.outcome == Some(Outcome::Lost) {
            return;
        }
        if self.outcome.is_none() {
            self.outcome = self.decide();
        }
        let grants = self.granted().count();
        if self.fencing && self.outcome != Some(Outcome::Lost) && self.quorum().reached(grants) {
            self.publish();
        }
    }

    fn decide(&self) -> Option<Outcome> {
        let target = self.target;
        let count = |wanted: fn(&Member, u64) -> bool| {
            self.members
                .iter()
                .filter(|member| wanted(member, target))
                .count()
        };
        let carrying = count(|member, target| match *member {
            Member::Granted { holds, .. } | Member::Mute { holds } => {
                holds >= target || planted!(PlainMaximum)
            }
            _ => false,
        });
        #[cfg(feature = "planted-bugs")]
        let carrying = carrying + self.outside;
        if self.quorum().reached(carrying) {
            return Some(Outcome::Won { counter: target });
        }
        // A mute node below the target never will carry it, for the target never falls.
        let never = count(|member, target| match *member {
            Member::Out => true,
            Member::Mute { holds } => holds < target,
            _ => false,
        });
        self.quorum().out_of_reach(never).then_some(Outcome::Lost)
    }

    /// Asks every node of S that is below the target and has not been asked for it yet.
    fn publish(&mut self) {
        let won = matches!(self.outcome, Some(Outcome::Won { .. }));
        if planted!(PlainMaximum) {
            return;
        }
        if !won {
            self.publishing = true;
        } else if planted!(LateGrantUnpublished) {
            return;
        }
        for (node, member) in self.members.iter_mut().enumerate() {
            if planted!(PublishOutsideS) && matches!(member, Member::Asked | Member::Out) && !won {
                let counter = self.target;
                self.steps.push(Step::Publish { node, counter });
            }
            if let Member::Granted { holds, asked } = member
                && *holds < self.target
                && asked.is_none_or(|latest| latest < self.target)
            {
                *asked = Some(self.target);
                self.steps.push(Step::Publish {
                    node,
                    counter: self.target,
                });
            }
        }
    }

    /// Whether the one-round path failed and publications decide.
    pub const fn is_publishing(&self) -> bool {
        self.publishing && self.outcome.is_none()
    }
}

#[cfg(test)]
mod tests;
