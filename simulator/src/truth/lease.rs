//! What its holder and the nodes thought of a lease.

use super::{Deadlines, Hold, Host, Interval};
use crate::{
    history::{Event, HostName, LeaseId},
    time::TrueTime,
};

/// A lease that somebody acquired.
#[derive(Clone, Debug)]
pub struct Lease<'h> {
    /// Its name: the operation that acquired it.
    pub id: &'h LeaseId,
    /// Its holder.
    pub client: &'h HostName,
    /// What it is on.
    pub resource: &'h str,
    /// The owner token in its keys.
    pub owner: Option<&'h str>,
    /// Its fencing token.
    pub token: Option<u64>,
    /// Its acquisition was invoked.
    pub invoked: &'h Event,
    /// Its acquisition returned.
    pub returned: &'h Event,
    /// Evidence that the attempt that won had started: the first time that a node set its owner token, or, without an
    /// owner token, the invocation.
    ///
    /// Fencing orders two leases when one was acquired before the other's winning attempt started. The attempt starts
    /// when its first message leaves, which no event tells, and is over at the first set at the latest. What
    /// counts for the order of tokens is that nothing of the attempt had *happened* on any node, and that is what the
    /// first set shows. The invocation may be much earlier (attempts before it lost): with it, fewer pairs
    /// are ordered, so a checker may miss something and never accuses wrongly.
    pub started: &'h Event,
    /// From the return of the acquisition to the end that the holder's promise to itself had; empty when that was over
    /// before. Of all intervals the one that must not overlap.
    pub window: Interval,
    /// Why the window ended.
    pub ended: WindowEnd<'h>,
    /// As long as the holder thought it held the lease.
    pub belief: Belief,
    /// What the nodes held; `None` without an owner token, and when nobody looked at the nodes.
    pub hold: Option<Hold>,
}

/// What ended a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowEnd<'h> {
    /// The release was invoked.
    Released(&'h Event),
    /// The holder was told that it lost the lease, or looked.
    Lost(&'h Event),
    /// The deadline passed that this event had announced.
    Deadline(&'h Event),
    /// The holder's process died.
    Crashed,
    /// Nothing did, as far as the history goes.
    Open,
}

/// As long as the holder thought that it held the lease: from the return of the acquisition until it invoked the release,
/// was told of the loss, died, or its deadline passed on its own clocks. A holder that is paused when its deadline
/// passes goes on believing until it resumes, for then it can look. A holder that accesses the store under
/// its lease after that believes still, whatever its clocks say: to act is to believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belief {
    /// All of it.
    pub span: Interval,
    /// The part after the deadline in which the holder was not scheduled and could not have looked. Somebody
    /// else's belief may begin here: no lock with an end can prevent that, and fencing tokens are for it.
    pub unpolled: Option<Interval>,
}

/// What a holder did about its lease, in the order of the history.
#[derive(Clone, Debug, Default)]
pub(super) struct Doings<'h> {
    pub(super) deadline: Option<&'h Event>,
    pub(super) released: Option<&'h Event>,
    pub(super) lost: Option<&'h Event>,
    /// When it accessed the store, last, before either of the above.
    pub(super) acted: Option<TrueTime>,
}

impl<'h> Doings<'h> {
    fn told(&self) -> Option<&'h Event> {
        match (self.released, self.lost) {
            (Some(released), Some(lost)) if lost.at < released.at => Some(lost),
            (released, lost) => released.or(lost),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.released.is_some() || self.lost.is_some()
    }

    /// The window, what ended it, and the belief of a lease acquired at `start` by `holder`.
    ///
    /// Only the last deadline counts. When an earlier one had passed before the holder announced a later one, it
    /// had not looked or did not care, and claims what is in between all the same.
    pub(super) fn judge(
        &self,
        start: TrueTime,
        holder: &Host,
    ) -> (Interval, WindowEnd<'h>, Belief) {
        let deadline = self
            .deadline
            .and_then(|event| Some((Deadlines::of(event)?.passes(holder)?.max(start), event)));
        let crash = holder.crashes.iter().copied().find(|crash| *crash >= start);
        let mut told = (TrueTime::MAX, WindowEnd::Open);
        if let Some(event) = self.told() {
            let released = self.released.is_some_and(|released| released == event);
            let why = if released {
                WindowEnd::Released
            } else {
                WindowEnd::Lost
            };
            told = (event.at, why(event));
        }
        if let Some(crash) = crash.filter(|crash| *crash < told.0) {
            told = (crash, WindowEnd::Crashed);
        }
        let (end, ended) = match deadline {
            Some((passes, event)) if passes < told.0 => (passes, WindowEnd::Deadline(event)),
            _ => told,
        };
        let window = Interval::new(start, end);
        let belief = self.belief(
            window,
            matches!(ended, WindowEnd::Deadline(_)),
            told.0,
            holder,
        );
        (window, ended, belief)
    }

    fn belief(&self, window: Interval, expired: bool, told: TrueTime, holder: &Host) -> Belief {
        if !expired {
            return Belief {
                span: window,
                unpolled: None,
            };
        }
        let looked = holder.paused.end_from(window.end).min(told);
        let unpolled = Interval::new(window.end, looked);
        let acted = self.acted.unwrap_or_default().min(told);
        Belief {
            span: Interval::new(window.start, looked.max(acted)),
            unpolled: (!unpolled.is_empty()).then_some(unpolled),
        }
    }
}
