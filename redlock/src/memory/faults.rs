//! What a server was told to do wrong.

use std::{collections::VecDeque, time::Duration};

use super::log::VerbKind;
use crate::protocol::Answer;

/// The faults of one server.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Connections are refused.
    pub(super) refusing: bool,
    /// Requests stay in the network.
    pub(super) held: bool,
    /// The process is stopped.
    pub(super) paused: bool,
    /// Replies never arrive.
    pub(super) losing: bool,
    pub(super) request_delay: Duration,
    pub(super) reply_delay: Duration,
    scripted: VecDeque<Scripted>,
}

/// An answer out of the script.
#[derive(Debug)]
pub(super) struct Scripted {
    /// Which verb it waits for; any when `None`.
    pub(super) verb: Option<VerbKind>,
    pub(super) answer: Answer,
    /// Whether the call is executed all the same.
    pub(super) applied: bool,
}

impl Faults {
    /// Whether requests that were written reach the server.
    pub(super) const fn delivers(&self) -> bool {
        !self.held && !self.paused
    }

    /// Whether a client that looks at the server is told what it finds.
    pub(super) const fn answers(&self) -> bool {
        !self.refusing && !self.losing && self.delivers()
    }

    pub(super) fn script(&mut self, scripted: Scripted) {
        self.scripted.push_back(scripted);
    }

    /// The scripted answer for a call of this verb, if there is one; it is then used up.
    pub(super) fn take_scripted(&mut self, verb: VerbKind) -> Option<Scripted> {
        let at = self
            .scripted
            .iter()
            .position(|scripted| scripted.verb.is_none_or(|wanted| wanted == verb))?;
        self.scripted.remove(at)
    }
}
