//! All of it, put together.

use std::collections::BTreeMap;

use super::{Facts, Hold, Hosts, Interval, Keys, Lease, Margin, lease::Doings};
use crate::{
    history::{
        Event, EventKind, History, HostName, LeaseId, Operation, OperationId, Outcome, StoreAccess,
    },
    time::TrueTime,
};

/// What was true in one run.
#[derive(Debug)]
pub struct Truth<'h> {
    /// What it was read from.
    pub history: &'h History,
    /// What was known besides.
    pub facts: &'h Facts,
    /// The hosts.
    pub hosts: Hosts,
    /// The keys on the nodes.
    pub keys: Keys<'h>,
    /// The leases, in the order in which their acquisitions returned.
    pub leases: Vec<Lease<'h>>,
    /// All acquisitions, in the order of their invocations.
    pub acquisitions: Vec<Acquisition<'h>>,
    /// All accesses of the store, in the order of their invocations.
    pub accesses: Vec<Access<'h>>,
    leases_by_id: BTreeMap<&'h LeaseId, usize>,
    accesses_by_id: BTreeMap<&'h OperationId, usize>,
}

/// An attempt of a client to acquire a resource, won or not.
#[derive(Clone, Debug)]
pub struct Acquisition<'h> {
    /// Its name.
    pub operation: &'h OperationId,
    /// Who.
    pub client: &'h HostName,
    /// What.
    pub resource: &'h str,
    /// When it began.
    pub invoked: &'h Event,
    /// When it returned, if it did.
    pub returned: Option<&'h Event>,
    /// Whether it returned a lease.
    pub won: bool,
}

/// An access of the protected store under a lease.
#[derive(Clone, Debug)]
pub struct Access<'h> {
    /// Its name.
    pub operation: &'h OperationId,
    /// Who.
    pub client: &'h HostName,
    /// Under which lease.
    pub lease: &'h LeaseId,
    /// Of which resource.
    pub resource: &'h str,
    /// Whether it writes.
    pub writes: bool,
    /// It left the client.
    pub invoked: &'h Event,
    /// It reached the store, which answered or applied it, or refused.
    pub arrived: Option<&'h Event>,
}

impl Access<'_> {
    /// Whether the store answered or applied it.
    pub fn is_applied(&self) -> bool {
        self.arrived.is_some_and(|event| {
            !matches!(
                event.kind,
                EventKind::Store {
                    access: StoreAccess::Refused { .. },
                    ..
                }
            )
        })
    }

    /// From leaving the client until it reached the store; it may still be on its way.
    pub fn effect(&self) -> Interval {
        let arrived = self.arrived.map_or(TrueTime::MAX, |event| event.at);
        Interval::new(self.invoked.at, arrived)
    }
}

impl<'h> Truth<'h> {
    /// Computes it. Leases whose invocation is missing from the history are left out.
    pub fn new(history: &'h History, facts: &'h Facts) -> Self {
        let hosts = Hosts::new(history);
        let keys = Keys::new(history, facts, &hosts);
        let mut truth = Self {
            history,
            facts,
            hosts,
            keys,
            leases: Vec::new(),
            acquisitions: Vec::new(),
            accesses: Vec::new(),
            leases_by_id: BTreeMap::new(),
            accesses_by_id: BTreeMap::new(),
        };
        truth.read_operations();
        truth
    }

    /// A lease by its name.
    pub fn lease(&self, id: &LeaseId) -> Option<&Lease<'h>> {
        self.leases_by_id.get(id).map(|index| &self.leases[*index])
    }

    /// An access by the name of its operation.
    pub fn access(&self, id: &OperationId) -> Option<&Access<'h>> {
        self.accesses_by_id
            .get(id)
            .map(|index| &self.accesses[*index])
    }

    /// The safety margins of all leases with an owner token, in the order in which they were acquired.
    pub fn margins(&self) -> Vec<Margin> {
        self.leases
            .iter()
            .filter_map(|lease| Margin::of(lease, self.facts))
            .collect()
    }

    /// The leases on each resource, by its name, in the order in which they were acquired.
    pub fn by_resource(&self) -> BTreeMap<&'h str, Vec<&Lease<'h>>> {
        let mut found: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for lease in &self.leases {
            found.entry(lease.resource).or_default().push(lease);
        }
        found
    }

    fn read_operations(&mut self) {
        let history = self.history;
        let mut acquisitions: BTreeMap<&OperationId, usize> = BTreeMap::new();
        let mut granted = Vec::new();
        let mut doings: BTreeMap<&LeaseId, Doings<'h>> = BTreeMap::new();
        for event in history.events() {
            match &event.kind {
                EventKind::Invoke { operation, what } => {
                    if let Operation::Acquire { resource } = what {
                        acquisitions.insert(operation, self.acquisitions.len());
                        self.acquisitions.push(Acquisition {
                            operation,
                            client: &event.host,
                            resource,
                            invoked: event,
                            returned: None,
                            won: false,
                        });
                    } else {
                        self.take_use(event, operation, what, &mut doings);
                    }
                }
                EventKind::Return { operation, outcome } => {
                    let Some(index) = acquisitions.get(operation) else {
                        continue;
                    };
                    self.acquisitions[*index].returned = Some(event);
                    if let Outcome::Acquired { .. } = outcome {
                        self.acquisitions[*index].won = true;
                        granted.push(*index);
                    }
                }
                EventKind::Deadline { lease, .. } => {
                    let doings = doings.entry(lease).or_default();
                    if !doings.is_over() {
                        doings.deadline = Some(event);
                    }
                }
                EventKind::BeliefEnded { lease, .. } => {
                    doings.entry(lease).or_default().lost.get_or_insert(event);
                }
                EventKind::Store { operation, .. } => {
                    if let Some(index) = self.accesses_by_id.get(operation) {
                        self.accesses[*index].arrived.get_or_insert(event);
                    }
                }
                _ => {}
            }
        }
        for index in granted {
            self.add_lease(index, &doings);
        }
    }

    fn take_use(
        &mut self,
        event: &'h Event,
        operation: &'h OperationId,
        what: &'h Operation,
        doings: &mut BTreeMap<&'h LeaseId, Doings<'h>>,
    ) {
        let (lease, resource, writes) = match what {
            Operation::Release { lease } => {
                doings
                    .entry(lease)
                    .or_default()
                    .released
                    .get_or_insert(event);
                return;
            }
            Operation::Read {
                resource, lease, ..
            } => (lease, resource, false),
            Operation::Write {
                resource, lease, ..
            } => (lease, resource, true),
            _ => return,
        };
        let doings = doings.entry(lease).or_default();
        if !doings.is_over() {
            doings.acted = Some(event.at);
        }
        self.accesses_by_id.insert(operation, self.accesses.len());
        self.accesses.push(Access {
            operation,
            client: &event.host,
            lease,
            resource,
            writes,
            invoked: event,
            arrived: None,
        });
    }

    fn add_lease(&mut self, index: usize, doings: &BTreeMap<&'h LeaseId, Doings<'h>>) {
        let acquisition = &self.acquisitions[index];
        let Some(returned) = acquisition.returned else {
            return;
        };
        let EventKind::Return {
            outcome:
                Outcome::Acquired {
                    owner,
                    fencing_token,
                },
            ..
        } = &returned.kind
        else {
            return;
        };
        let key = self.facts.lock_keys.get(acquisition.resource);
        let key = key.map(String::as_str);
        let owner = owner.as_deref();
        // A token that was used before says nothing about this attempt, nor does one that came after it.
        let during = Interval::new(acquisition.invoked.at, returned.at);
        let first_set = owner.and_then(|owner| {
            let mut tenures = self.keys.of_owner(owner, key);
            tenures.find(|tenure| during.start <= tenure.set.at && tenure.set.at <= during.end)
        });
        let hold = owner
            .filter(|_| self.facts.observes_nodes)
            .map(|owner| Hold::of(owner, key, &self.keys, self.facts, &self.hosts));
        let nothing = Doings::default();
        let doings = doings.get(acquisition.operation).unwrap_or(&nothing);
        let holder = self.hosts.host(acquisition.client);
        let (window, ended, belief) = doings.judge(returned.at, holder);
        self.leases_by_id
            .insert(acquisition.operation, self.leases.len());
        self.leases.push(Lease {
            id: acquisition.operation,
            client: acquisition.client,
            resource: acquisition.resource,
            owner,
            token: *fencing_token,
            invoked: acquisition.invoked,
            returned,
            started: first_set.map_or(acquisition.invoked, |tenure| tenure.set),
            window,
            ended,
            belief,
            hold,
        });
    }
}
