//! Which nodes must be told, and what they said.
//!
//! A release goes to every node that is not known to have refused: a call that was not answered may
//! have been applied, or may yet be (Redis "Distributed Locks": unlock all instances, also those
//! believed not to be locked). It compares the owner token on the node, so sending it too often is
//! harmless, and it is queued behind the calls before it on the same connection, so it cannot
//! overtake them.

use super::{answer::Answer, quorum::Quorum};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Debt {
    /// Asked to acquire and not known to have refused.
    MayHold,
    /// A release is on its way.
    Sent,
    /// The acquire call was refused: nothing of ours is there.
    Nothing,
    /// The release was answered, or given up.
    Answered(Answer),
}

impl Debt {
    const fn is_free(&self) -> bool {
        matches!(
            self,
            Self::Nothing | Self::Answered(Answer::Released | Answer::NotOwner { .. })
        )
    }
}

/// What each node still owes us an answer about.
#[derive(Clone, Debug)]
pub struct Release {
    quorum: Quorum,
    debts: Vec<Debt>,
}

impl Release {
    /// All nodes were asked to acquire.
    pub fn new(quorum: Quorum) -> Self {
        Self {
            quorum,
            debts: vec![Debt::MayHold; quorum.nodes()],
        }
    }

    /// The node answered its acquire call: a refusal leaves nothing to release.
    pub fn handle_acquire_answer(&mut self, node: usize, answer: &Answer) {
        if answer.leaves_nothing()
            && let Some(debt @ Debt::MayHold) = self.debts.get_mut(node)
        {
            *debt = Debt::Nothing;
        }
    }

    /// Whether `node` is to be sent a release now; it then counts as sent.
    pub fn send_to(&mut self, node: usize) -> bool {
        match self.debts.get_mut(node) {
            Some(debt @ Debt::MayHold) => {
                *debt = Debt::Sent;
                true
            }
            _ => false,
        }
    }

    /// Whether a release was sent to the node: a grant that arrives from it later counts no more.
    pub fn is_sent_to(&self, node: usize) -> bool {
        !matches!(self.debts.get(node), None | Some(Debt::MayHold))
    }

    /// The node answered its release, or the node's task gave up on it.
    pub fn handle_answer(&mut self, node: usize, answer: Answer) {
        if let Some(debt @ Debt::Sent) = self.debts.get_mut(node) {
            *debt = Debt::Answered(answer);
        }
    }

    /// What the node answered to its release; `None` while that is outstanding, or when none was
    /// needed.
    pub fn answer(&self, node: usize) -> Option<&Answer> {
        match self.debts.get(node) {
            Some(Debt::Answered(answer)) => Some(answer),
            _ => None,
        }
    }

    /// Whether so many nodes are free of our key that somebody else could acquire: what awaiting a
    /// release waits for.
    pub fn is_free(&self) -> bool {
        self.quorum
            .reached(self.debts.iter().filter(|debt| debt.is_free()).count())
    }

    /// Whether no node owes an answer to a release any more.
    pub fn is_settled(&self) -> bool {
        !self.debts.contains(&Debt::Sent)
    }

    /// The nodes whose release is on its way, or was never delivered.
    pub fn undelivered(&self) -> impl Iterator<Item = usize> + '_ {
        self.debts
            .iter()
            .enumerate()
            .filter_map(|(node, debt)| match debt {
                Debt::Sent => Some(node),
                Debt::Answered(_) if !debt.is_free() => Some(node),
                _ => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_need_no_release_and_everything_else_does_once() {
        let mut release = Release::new(Quorum::majority(3));
        release.handle_acquire_answer(0, &Answer::Contended { remaining: None });
        release.handle_acquire_answer(1, &Answer::Granted { counter: 1 });
        assert!(!release.send_to(0));
        assert!(release.send_to(1) && !release.send_to(1));
        assert!(
            release.send_to(2),
            "a node that never answered may hold the key"
        );
        assert!(!release.is_settled() && !release.is_free());
        release.handle_answer(1, Answer::Released);
        assert!(release.is_free(), "two of three are free of the key");
        release.handle_answer(2, Answer::Refused(super::super::Reason::Expired));
        assert!(release.is_settled());
        assert_eq!(release.undelivered().collect::<Vec<_>>(), [2]);
    }
}
