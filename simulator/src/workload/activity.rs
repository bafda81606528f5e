//! Who waits for what, and who holds what, at the moment.

use std::{cell::RefCell, collections::BTreeMap, fmt::Write as _, rc::Rc};

use crate::{
    history::{HostName, LeaseId, Operation, OperationId},
    time::TrueTime,
};

/// The operations that go on and the leases that are held, of all clients. Clones share it. Faults that hit
/// roles ask it, and a run that gets stuck is explained by it.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    entries: Rc<RefCell<BTreeMap<(TrueTime, OperationId), Entry>>>,
}

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

/// Takes an entry off when dropped: also when its process dies.
#[must_use]
pub(super) struct Entered {
    activity: Activity,
    key: (TrueTime, OperationId),
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.activity.entries.borrow_mut().remove(&self.key);
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
        self.enter(at, host, id, What::Lease { resource, owner })
    }

    fn enter(&self, at: TrueTime, host: &HostName, id: &OperationId, what: What) -> Entered {
        let key = (at, id.clone());
        self.entries.borrow_mut().insert(
            key.clone(),
            Entry {
                host: host.clone(),
                what,
            },
        );
        Entered {
            activity: self.clone(),
            key,
        }
    }

    /// The host with the oldest lease, and that lease's owner token.
    pub fn holder(&self) -> Option<(HostName, Option<String>)> {
        self.entries
            .borrow()
            .values()
            .find_map(|entry| match &entry.what {
                What::Lease { owner, .. } => Some((entry.host.clone(), owner.clone())),
                What::Operation(_) => None,
            })
    }

    /// The host that has waited longest to acquire, other than the holder.
    pub fn next_waiter(&self) -> Option<HostName> {
        let holder = self.holder().map(|(host, _)| host);
        self.entries
            .borrow()
            .values()
            .find_map(|entry| match &entry.what {
                What::Operation(Operation::Acquire { .. })
                    if Some(&entry.host) != holder.as_ref() =>
                {
                    Some(entry.host.clone())
                }
                _ => None,
            })
    }

    /// Whether an operation goes on.
    pub fn is_waiting(&self) -> bool {
        let entries = self.entries.borrow();
        entries
            .values()
            .any(|entry| matches!(entry.what, What::Operation(_)))
    }

    /// Who waits for what since when, a line each.
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for ((since, id), entry) in &*self.entries.borrow() {
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
