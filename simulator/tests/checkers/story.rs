//! Histories by hand. All times are milliseconds of true time; a lease `A2` on resource `r` is held by the host `A`.

use std::{cell::RefCell, collections::BTreeMap, ops::RangeInclusive, time::Duration};

use simulator::{
    TrueTime,
    checkers::{Checker, Report, Verdict, check_all},
    clock::{ClockName, Clocks, Disturbance},
    history::{
        Ends, EventKind, History, HostName, NodeChange, Operation, OperationId, Outcome, Recorder,
        Removal, StoreAccess,
    },
    truth::{Facts, Truth},
};

/// What all wall clocks show as the world begins, in milliseconds since 1970.
pub(crate) const EPOCH_MS: i64 = 1_700_000_000_000;

pub(crate) const TTL_MS: u64 = 10_000;

/// V of the TTL, in round numbers.
pub(crate) const VALID_MS: u64 = 9_900;

pub(crate) fn ms(ms: u64) -> TrueTime {
    TrueTime::from_millis(ms)
}

#[derive(Clone)]
struct Told {
    owner: Option<String>,
    token: Option<u64>,
    resource: String,
    on: Vec<u64>,
}

/// A history in the making.
pub(crate) struct Story {
    pub(crate) facts: Facts,
    recorder: Recorder,
    clocks: BTreeMap<String, Clocks>,
    leases: RefCell<BTreeMap<String, Told>>,
    operations: u64,
}

impl Story {
    /// `nodes` nodes and as many clients as are named, all with true clocks.
    pub(crate) fn new(nodes: usize) -> Self {
        let mut story = Self {
            facts: Facts::new(nodes, Duration::from_millis(TTL_MS)),
            recorder: Recorder::new(),
            clocks: BTreeMap::new(),
            leases: RefCell::default(),
            operations: 0,
        };
        for node in story.facts.nodes.clone() {
            story.clocks(&node);
        }
        story
    }

    fn clocks(&mut self, host: &str) -> &mut Clocks {
        let new = || Clocks::new(EPOCH_MS * 1_000_000, Duration::from_secs(100), 0);
        self.clocks.entry(host.to_owned()).or_insert_with(new)
    }

    pub(crate) fn event(&self, at: u64, host: &str, kind: EventKind) {
        self.recorder.record(ms(at), &HostName::from(host), kind);
    }

    fn operation(&mut self, of: &str) -> OperationId {
        self.operations += 1;
        OperationId::from(format!("{of}-{}", self.operations).as_str())
    }

    /// The holder of a lease: what is before the first digit.
    fn holder(lease: &str) -> &str {
        lease.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    // Clients.

    /// `A1` is acquired: unless said otherwise on all nodes half way between invocation and return, for V.
    pub(crate) fn acquire(&mut self, lease: &str, time: RangeInclusive<u64>) -> Acquire<'_> {
        Acquire {
            lease: lease.to_owned(),
            set_at: time.start().midpoint(*time.end()),
            time,
            told: Told {
                owner: Some(format!("owner-{lease}")),
                token: None,
                resource: "r".to_owned(),
                on: (1..=self.facts.nodes.len() as u64).collect(),
            },
            valid_ms: Some(VALID_MS),
            story: self,
        }
    }

    /// An acquisition that returned nothing.
    pub(crate) fn fails(&mut self, operation: &str, time: RangeInclusive<u64>) {
        self.tries(operation, *time.start());
        self.fails_at(operation, *time.end());
    }

    /// An acquisition that was begun returned nothing.
    pub(crate) fn fails_at(&mut self, operation: &str, at: u64) {
        let error = "contended".to_owned();
        self.event(
            at,
            Self::holder(operation),
            EventKind::Return {
                operation: operation.into(),
                outcome: Outcome::Fail { error },
            },
        );
    }

    /// An acquisition that did not return.
    pub(crate) fn tries(&mut self, operation: &str, at: u64) {
        let resource = "r".to_owned();
        self.event(
            at,
            Self::holder(operation),
            EventKind::Invoke {
                operation: operation.into(),
                what: Operation::Acquire { resource },
            },
        );
    }

    /// The holder lets go; the nodes hear it a millisecond later.
    pub(crate) fn release(&mut self, lease: &str, at: u64) {
        self.releases(lease, at);
        let on = self.leases.borrow()[lease].on.clone();
        for node in on {
            self.removes(
                node,
                at + 1,
                lease,
                Removal::Deleted,
                Some(Self::holder(lease)),
            );
        }
    }

    /// The holder lets go, but no node hears it.
    pub(crate) fn releases(&mut self, lease: &str, at: u64) {
        let operation = self.operation(lease);
        let what = Operation::Release {
            lease: lease.into(),
        };
        let kind = EventKind::Invoke { operation, what };
        self.event(at, Self::holder(lease), kind);
    }

    pub(crate) fn lost(&mut self, lease: &str, at: u64) {
        let kind = EventKind::BeliefEnded {
            lease: lease.into(),
            why: "expired".to_owned(),
        };
        self.event(at, Self::holder(lease), kind);
    }

    /// Extended on `nodes` for another V, which counts from the invocation; confirmed at the end.
    pub(crate) fn extend(&mut self, lease: &str, time: RangeInclusive<u64>, nodes: &[u64]) {
        let operation = self.operation(lease);
        let holder = Self::holder(lease).to_owned();
        let what = Operation::Extend {
            lease: lease.into(),
            ttl_ms: TTL_MS,
        };
        self.event(
            *time.start(),
            &holder,
            EventKind::Invoke {
                operation: operation.clone(),
                what,
            },
        );
        let at = time.start().midpoint(*time.end());
        for node in nodes {
            self.sets(*node, at, lease, Some(&holder));
        }
        let outcome = Outcome::Ok { value: None };
        let kind = EventKind::Return { operation, outcome };
        self.event(*time.end(), &holder, kind);
        self.deadline(lease, *time.start(), *time.end(), VALID_MS);
    }

    /// A deadline of `valid_ms` from `since` on, announced at `at`.
    pub(crate) fn deadline(&mut self, lease: &str, since: u64, at: u64, valid_ms: u64) {
        let holder = Self::holder(lease).to_owned();
        let names = [ClockName::Boot, ClockName::Raw, ClockName::Wall];
        let clocks = self.clocks(&holder);
        let shown = names.map(|name| clocks.show(name, ms(since)).as_nanos());
        let since_ns = names.into_iter().zip(shown);
        let ends = Ends {
            since_ns: since_ns
                .map(|(name, shown)| (name, shown.try_into().unwrap()))
                .collect(),
            left_ns: valid_ms * 1_000_000,
        };
        let kind = EventKind::Deadline {
            lease: lease.into(),
            ends,
        };
        self.event(at, &holder, kind);
    }

    /// An attempt was decided.
    pub(crate) fn attempt(&mut self, operation: &str, at: u64, won: bool, granted: &[u64]) {
        let granted = granted.iter().map(|node| format!("node-{node}").into());
        let kind = EventKind::Attempt {
            operation: operation.into(),
            owner: Some(format!("owner-{operation}")),
            won,
            granted: granted.collect(),
            published: false,
        };
        self.event(at, Self::holder(operation), kind);
    }

    // The store.

    pub(crate) fn read(&mut self, lease: &str, sent: u64, arrives: u64) {
        let (operation, told) = self.sends(lease, sent, false);
        let access = StoreAccess::Read {
            resource: told.resource,
            token: told.token,
            value: 0,
        };
        self.event(arrives, "store", EventKind::Store { operation, access });
    }

    pub(crate) fn write(&mut self, lease: &str, sent: u64, arrives: u64) {
        let (operation, told) = self.sends(lease, sent, true);
        let access = StoreAccess::Written {
            resource: told.resource,
            token: told.token,
            value: 0,
        };
        self.event(arrives, "store", EventKind::Store { operation, access });
    }

    pub(crate) fn refused(&mut self, lease: &str, sent: u64, arrives: u64, highest: u64) {
        let (operation, told) = self.sends(lease, sent, true);
        let access = StoreAccess::Refused {
            resource: told.resource,
            token: told.token,
            highest,
        };
        self.event(arrives, "store", EventKind::Store { operation, access });
    }

    fn sends(&mut self, lease: &str, at: u64, writes: bool) -> (OperationId, Told) {
        let operation = self.operation(lease);
        let told = self.leases.borrow()[lease].clone();
        let (resource, token) = (told.resource.clone(), told.token);
        let lease_id = lease.into();
        let what = if writes {
            Operation::Write {
                resource,
                lease: lease_id,
                token,
                value: 0,
            }
        } else {
            Operation::Read {
                resource,
                lease: lease_id,
                token,
            }
        };
        self.event(
            at,
            Self::holder(lease),
            EventKind::Invoke {
                operation: operation.clone(),
                what,
            },
        );
        (operation, told)
    }

    // Nodes.

    /// A node sets the key to the lease's owner token, for a TTL.
    pub(crate) fn sets(&mut self, node: u64, at: u64, lease: &str, by: Option<&str>) {
        let wall = self.wall_ms(&format!("node-{node}"), at);
        self.sets_until(
            node,
            at,
            lease,
            by,
            Some(wall + i64::try_from(TTL_MS).unwrap()),
        );
    }

    /// What the wall clock of a host shows, in milliseconds since 1970.
    pub(crate) fn wall_ms(&mut self, host: &str, at: u64) -> i64 {
        self.clocks(host).map(ClockName::Wall).at(ms(at)) / 1_000_000
    }

    pub(crate) fn sets_until(
        &mut self,
        node: u64,
        at: u64,
        lease: &str,
        by: Option<&str>,
        expires_wall_ms: Option<i64>,
    ) {
        let change = NodeChange::Set {
            key: "lock:r".to_owned(),
            owner: format!("owner-{lease}"),
            expires_wall_ms,
        };
        let by = by.map(HostName::from);
        self.event(at, &format!("node-{node}"), EventKind::Node { by, change });
    }

    pub(crate) fn removes(
        &mut self,
        node: u64,
        at: u64,
        lease: &str,
        why: Removal,
        by: Option<&str>,
    ) {
        let change = NodeChange::Removed {
            key: "lock:r".to_owned(),
            owner: format!("owner-{lease}"),
            why,
        };
        let by = by.map(HostName::from);
        self.event(at, &format!("node-{node}"), EventKind::Node { by, change });
    }

    /// A fencing counter of a node; a grant raises it just before it sets the key.
    pub(crate) fn counts(&mut self, node: u64, at: u64, counter: u64) {
        self.counts_for(node, at, counter, None);
    }

    /// By a command of a client.
    pub(crate) fn counts_for(&mut self, node: u64, at: u64, counter: u64, by: Option<&str>) {
        let by = by.map(HostName::from);
        let stripe = "0".to_owned();
        let change = NodeChange::Counter { stripe, counter };
        self.event(at, &format!("node-{node}"), EventKind::Node { by, change });
    }

    pub(crate) fn votes(&mut self, node: u64, at: u64, votes: bool) {
        let change = NodeChange::Votes { votes };
        self.event(
            at,
            &format!("node-{node}"),
            EventKind::Node { by: None, change },
        );
    }

    // Hosts.

    pub(crate) fn pause(&mut self, host: &str, time: RangeInclusive<u64>) {
        self.event(*time.start(), host, EventKind::Paused);
        self.event(*time.end(), host, EventKind::Resumed);
    }

    pub(crate) fn crash(&mut self, host: &str, at: u64, data_lost: bool) {
        let power_lost = false;
        self.event(
            at,
            host,
            EventKind::Crashed {
                power_lost,
                data_lost,
            },
        );
    }

    pub(crate) fn start(&mut self, host: &str, at: u64) {
        self.event(at, host, EventKind::Started { incarnation: 1 });
    }

    /// Call in the order of time, and before what the clock is to be read for.
    pub(crate) fn step(&mut self, host: &str, clock: ClockName, at: u64, by_ms: i64) {
        self.clocks(host).step(clock, ms(at), by_ms * 1_000_000);
    }

    pub(crate) fn drift(&mut self, host: &str, clock: ClockName, at: u64, ppm: i64) {
        self.clocks(host)
            .disturb(clock, ms(at), Disturbance::Drift(ppm));
    }

    pub(crate) fn fault(&mut self, at: u64, hosts: &[&str]) {
        let kind = EventKind::FaultBegan {
            window: 0,
            fault: "something".to_owned(),
            hosts: hosts.iter().map(|host| HostName::from(*host)).collect(),
        };
        self.event(at, "world", kind);
    }

    pub(crate) fn healed(&mut self, at: u64) {
        self.event(at, "world", EventKind::Healed);
    }

    /// Nothing happens any more, up to `at`.
    pub(crate) fn ends(&mut self, at: u64) {
        self.event(at, "world", EventKind::FaultEnded { window: 99 });
    }

    // The end.

    pub(crate) fn history(&self) -> History {
        let mut events = self.recorder.history().events().to_vec();
        for (host, clocks) in &self.clocks {
            for (sequence, clock) in (1_000_000..).zip(ClockName::ALL) {
                let segments = clocks.map(clock).segments().iter();
                events.extend(segments.map(|segment| simulator::history::Event {
                    at: segment.from,
                    host: host.as_str().into(),
                    sequence,
                    kind: EventKind::Clock {
                        clock,
                        segment: *segment,
                    },
                }));
            }
        }
        History::new(events)
    }

    pub(crate) fn report(&self) -> Report {
        check_all(&self.history(), &self.facts)
    }

    pub(crate) fn verdict(&self, checker: Checker) -> Verdict {
        self.report().finding(checker).verdict.clone()
    }

    /// The evidence for people, as `violated at …`; `ok` and `unknown: …` likewise.
    pub(crate) fn says(&self, checker: Checker) -> String {
        self.verdict(checker).to_string()
    }

    pub(crate) fn truth<T>(&self, look: impl FnOnce(&Truth<'_>) -> T) -> T {
        let history = self.history();
        look(&Truth::new(&history, &self.facts))
    }
}

/// An acquisition in the making; told when dropped.
pub(crate) struct Acquire<'s> {
    story: &'s mut Story,
    lease: String,
    time: RangeInclusive<u64>,
    set_at: u64,
    told: Told,
    valid_ms: Option<u64>,
}

impl Acquire<'_> {
    /// Only these nodes granted.
    pub(crate) fn on(mut self, nodes: &[u64]) -> Self {
        self.told.on = nodes.to_vec();
        self
    }

    /// When the nodes granted.
    pub(crate) fn set_at(mut self, at: u64) -> Self {
        self.set_at = at;
        self
    }

    pub(crate) fn token(mut self, token: u64) -> Self {
        self.told.token = Some(token);
        self
    }

    /// How long it is valid from the invocation on.
    pub(crate) fn valid(mut self, valid_ms: u64) -> Self {
        self.valid_ms = Some(valid_ms);
        self
    }

    /// It has no end of its own.
    pub(crate) fn endless(mut self) -> Self {
        self.valid_ms = None;
        self
    }

    pub(crate) fn resource(mut self, resource: &str) -> Self {
        self.told.resource = resource.to_owned();
        self
    }

    /// The contender has no owner tokens, and nodes know nothing of the lease.
    pub(crate) fn keyless(mut self) -> Self {
        self.told.owner = None;
        self.told.on.clear();
        self
    }

    /// The same owner token as another lease: re-entry.
    pub(crate) fn reenters(mut self, lease: &str) -> Self {
        self.told.owner = Some(format!("owner-{lease}"));
        self.told.on.clear();
        self
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let client = Story::holder(&self.lease).to_owned();
        let (lease, story) = (&self.lease, &mut *self.story);
        story.event(
            *self.time.start(),
            &client,
            EventKind::Invoke {
                operation: lease.as_str().into(),
                what: Operation::Acquire {
                    resource: self.told.resource.clone(),
                },
            },
        );
        for node in &self.told.on {
            story.sets(*node, self.set_at, lease, Some(&client));
        }
        story.event(
            *self.time.end(),
            &client,
            EventKind::Return {
                operation: lease.as_str().into(),
                outcome: Outcome::Acquired {
                    owner: self.told.owner.clone(),
                    fencing_token: self.told.token,
                },
            },
        );
        if let Some(valid_ms) = self.valid_ms {
            story.deadline(lease, *self.time.start(), *self.time.end(), valid_ms);
        }
        let told = self.told.clone();
        story.leases.borrow_mut().insert(lease.clone(), told);
    }
}
