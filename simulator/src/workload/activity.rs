//! Who waits for what, and who holds what, at the moment.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    history::{EventKind, HostName, LeaseId, Operation, OperationId, Outcome},
    plan::{Hosts, Role},
    time::TrueTime,
};

/// The operations that go on and the leases that are held, of all clients. Clones share it. Faults that hit
/// roles ask it, and a run that gets stuck is explained by it. Sessions keep it; where they are in other processes, whoever hears of
/// their events does ([`Activity::follow`]).
#[derive(Clone, Debug, Default)]
pub struct Activity {
    entries: Arc<Mutex<Entries>>,
    /// When each resource was last acquired.
    acquired: Arc<Mutex<BTreeMap<String, TrueTime>>>,
}

type Entries = BTreeMap<(TrueTime, OperationId), Entry>;

#[derive(Clone, Debug)]
struct Entry {
    host: HostName,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Operation(Operation),
    Lease {
        resource: String,
        owner: Option<String>,
    },
}

impl Entry {
    const fn is_operation(&self) -> bool {
        matches!(self.what, What::Operation(_))
    }
}

/// Takes an entry off when dropped: also when its process dies.
#[must_use]
pub(super) struct Entered {
    activity: Activity,
    key: (TrueTime, OperationId),
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.activity.entries().remove(&self.key);
    }
}

impl Activity {
    pub(super) fn operation(
        &self,
        at: TrueTime,
        host: &HostName,
        id: &OperationId,
        what: Operation,
    ) -> Entered {
        self.enter(at, host, id, What::Operation(what))
    }

    pub(super) fn lease(
        &self,
        at: TrueTime,
        host: &HostName,
        id: &LeaseId,
        resource: String,
        owner: Option<String>,
    ) -> Entered {
        let mut acquired = self.acquired.lock().unwrap_or_else(PoisonError::into_inner);
        acquired.insert(resource.clone(), at);
        drop(acquired);
        self.enter(at, host, id, What::Lease { resource, owner })
    }

    fn enter(&self, at: TrueTime, host: &HostName, id: &OperationId, what: What) -> Entered {
        let key = (at, id.clone());
        let host = host.clone();
        self.entries().insert(key.clone(), Entry { host, what });
        Entered {
            activity: self.clone(),
            key,
        }
    }

    /// A panic while the lock is held cannot leave half an entry behind.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event of a client into account whose session is in another process. A lease is held until its release returns.
    pub fn follow(&self, at: TrueTime, host: &HostName, kind: &EventKind) {
        let mut entries = self.entries();
        let enter = |entries: &mut Entries, id: &OperationId, what| {
            let host = host.clone();
            entries.insert((at, id.clone()), Entry { host, what });
        };
        match kind {
            EventKind::Invoke { operation, what } => {
                enter(&mut entries, operation, What::Operation(what.clone()));
            }
            EventKind::Return { operation, outcome } => {
                let done = entries
                    .iter()
                    .find(|((_, id), entry)| id == operation && entry.is_operation());
                let Some((key, what)) = done.map(|(key, done)| (key.clone(), done.what.clone()))
                else {
                    return;
                };
                entries.remove(&key);
                match (what, outcome) {
                    (
                        What::Operation(Operation::Acquire { resource }),
                        Outcome::Acquired { owner, .. },
                    ) => {
                        let owner = owner.clone();
                        enter(&mut entries, operation, What::Lease { resource, owner });
                    }
                    (What::Operation(Operation::Release { lease }), _) => {
                        entries.retain(|(_, id), entry| *id != lease || entry.is_operation());
                    }
                    _ => {}
                }
            }
            EventKind::Crashed { .. } => entries.retain(|_, entry| entry.host != *host),
            _ => {}
        }
    }

    /// The host with the oldest lease, and that lease's owner token.
    pub fn holder(&self) -> Option<(HostName, Option<String>)> {
        self.entries().values().find_map(|entry| match &entry.what {
            What::Lease { owner, .. } => Some((entry.host.clone(), owner.clone())),
            What::Operation(_) => None,
        })
    }

    /// The host that has waited longest to acquire, other than the holder.
    pub fn next_waiter(&self) -> Option<HostName> {
        let holder = self.holder().map(|(host, _)| host);
        self.entries().values().find_map(|entry| match &entry.what {
            What::Operation(Operation::Acquire { .. }) if Some(&entry.host) != holder.as_ref() => {
                Some(entry.host.clone())
            }
            _ => None,
        })
    }

    /// Who plays a role at the moment. `holding` says which nodes hold the holder's key, in order; it is asked only when that matters.
    pub fn playing(
        &self,
        role: Role,
        hosts: &Hosts,
        holding: impl FnOnce() -> Vec<HostName>,
    ) -> Vec<HostName> {
        hosts.playing(role).unwrap_or_else(|| match role {
            Role::Holder => self.holder().map(|(host, _)| host).into_iter().collect(),
            Role::NextWaiter => self.next_waiter().into_iter().collect(),
            Role::QuorumOfHolder => holding(),
            _ => holding().into_iter().take(1).collect(),
        })
    }

    /// Whether somebody waits for a resource that nobody has acquired since then.
    pub fn waits_in_vain_since(&self, since: TrueTime) -> bool {
        let acquired = self.acquired.lock().unwrap_or_else(PoisonError::into_inner);
        self.entries().values().any(|entry| match &entry.what {
            What::Operation(Operation::Acquire { resource }) => {
                acquired.get(resource).is_none_or(|last| *last < since)
            }
            _ => false,
        })
    }

    /// Whether an operation goes on.
    pub fn is_waiting(&self) -> bool {
        self.entries().values().any(Entry::is_operation)
    }

    /// Who waits for what since when, a line each.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for ((since, id), entry) in &*self.entries() {
            // Writing to a string does not fail.
            let _ = match &entry.what {
                What::Operation(what) => writeln!(
                    text,
                    "{} waits since {since} for {what:?} ({id})",
                    entry.host
                ),
                What::Lease { resource, .. } => {
                    writeln!(text, "{} holds {resource} since {since} ({id})", entry.host)
                }
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_heard_of_says_who_holds_and_who_waits() {
        let activity = Activity::default();
        let (one, two): (HostName, HostName) = ("client-1".into(), "client-2".into());
        let hear =
            |ms, host: &HostName, kind| activity.follow(TrueTime::from_millis(ms), host, &kind);
        let invoke = |id: &str, what| EventKind::Invoke {
            operation: id.into(),
            what,
        };
        let done = |id: &str, outcome| EventKind::Return {
            operation: id.into(),
            outcome,
        };
        let acquire = || Operation::Acquire {
            resource: "r1".into(),
        };
        let acquired = |owner: &str| Outcome::Acquired {
            owner: Some(owner.into()),
            fencing_token: None,
        };
        hear(1, &one, invoke("a", acquire()));
        hear(2, &two, invoke("b", acquire()));
        assert_eq!(
            (activity.holder(), activity.next_waiter()),
            (None, Some(one.clone()))
        );
        hear(3, &one, done("a", acquired("x")));
        assert_eq!(activity.holder(), Some((one.clone(), Some("x".to_owned()))));
        assert_eq!(activity.next_waiter(), Some(two.clone()));
        // A release that has not returned leaves it the holder.
        let release = Operation::Release { lease: "a".into() };
        hear(4, &one, invoke("c", release));
        assert_eq!(activity.holder().map(|(host, _)| host), Some(one.clone()));
        hear(5, &one, done("c", Outcome::Ok { value: None }));
        assert_eq!(activity.holder(), None);
        hear(6, &two, done("b", acquired("y")));
        let crash = EventKind::Crashed {
            power_lost: false,
            data_lost: false,
        };
        hear(7, &two, crash);
        assert_eq!((activity.holder(), activity.is_waiting()), (None, false));
    }
}
