//! A client's operations, recorded.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use super::activity::{Activity, Entered};
use crate::{
    contender::{Attempt, Contender, Held, Refusal},
    history::{Ends, EventKind, LeaseId, Operation, OperationId, Outcome},
    host::{Place, Process},
    store::{StoreClient, StoreError},
};

/// One client process' use of a contender and of the protected store. Clones share it.
#[derive(Clone)]
pub struct Session<P: Place = Process> {
    process: P,
    contender: Rc<dyn Contender>,
    next: Rc<Cell<u64>>,
    store_patience: Duration,
    activity: Activity,
    /// Connections to the store that nobody uses at the moment.
    stores: Rc<RefCell<Vec<StoreClient<P>>>>,
}

impl<P: Place> Session<P> {
    /// A session in `process`. An access to the store is given up after `store_patience`. What goes on is shown in
    /// `activity`.
    pub fn new(
        process: P,
        contender: Rc<dyn Contender>,
        store_patience: Duration,
        activity: Activity,
    ) -> Self {
        Self {
            process,
            contender,
            next: Rc::default(),
            store_patience,
            activity,
            stores: Rc::default(),
        }
    }

    /// The process that it is in.
    pub const fn process(&self) -> &P {
        &self.process
    }

    /// The lock system that it uses.
    pub const fn contender(&self) -> &Rc<dyn Contender> {
        &self.contender
    }

    fn invoke(&self, what: Operation) -> (OperationId, Entered) {
        let number = self.next.get();
        self.next.set(number + 1);
        let host = self.process.name();
        let operation =
            OperationId(format!("{host}/{}/{number}", self.process.incarnation()).into());
        let at = self.process.true_time();
        let entered = self.activity.operation(at, host, &operation, what.clone());
        self.process.record(EventKind::Invoke {
            operation: operation.clone(),
            what,
        });
        (operation, entered)
    }

    fn done(&self, operation: &OperationId, outcome: Outcome) {
        self.process.record(EventKind::Return {
            operation: operation.clone(),
            outcome,
        });
    }

    fn ended(&self, operation: &OperationId, ended: &Result<(), Refusal>) {
        self.done(
            operation,
            match ended {
                Ok(()) => Outcome::Ok { value: None },
                Err(Refusal::Fail(error)) => Outcome::Fail {
                    error: error.clone(),
                },
                Err(Refusal::Unknown(error)) => Outcome::Info {
                    error: error.clone(),
                },
            },
        );
    }

    /// Acquires `resource`, waiting for its holder for at most `within`.
    ///
    /// # Errors
    ///
    /// The contender's.
    ///
    /// # Cancellation
    ///
    /// As the contender says; the history has an operation without an end.
    pub async fn acquire(
        &self,
        resource: &str,
        within: Duration,
    ) -> Result<RecordedLease<P>, Refusal> {
        let (operation, _entered) = self.invoke(Operation::Acquire {
            resource: resource.to_owned(),
        });
        match self.contender.acquire(resource, within).await {
            Ok(held) => {
                let (owner, fencing_token) = (held.owner(), held.fencing_token());
                self.done(
                    &operation,
                    Outcome::Acquired {
                        owner,
                        fencing_token,
                    },
                );
                Ok(RecordedLease::new(self, resource, operation, held))
            }
            Err(refusal) => {
                self.ended(&operation, &Err(refusal.clone()));
                Err(refusal)
            }
        }
    }
}

/// A lease whose life is taken down. Dropping it drops the contender's.
pub struct RecordedLease<P: Place = Process> {
    session: Session<P>,
    resource: String,
    lease: LeaseId,
    held: Rc<dyn Held>,
    belief: Belief,
    _monitor: P::Monitor,
    _entered: Entered,
}

/// Whether it was already said that the holder no longer believes.
type Belief = Rc<Cell<bool>>;

impl<P: Place> RecordedLease<P> {
    fn new(session: &Session<P>, resource: &str, lease: LeaseId, held: Box<dyn Held>) -> Self {
        let held: Rc<dyn Held> = held.into();
        let belief: Belief = Rc::new(Cell::new(true));
        let process = session.process.clone();
        let (at, host) = (process.true_time(), process.name());
        let entered = session
            .activity
            .lease(at, host, &lease, resource.to_owned(), held.owner());
        let monitor = process.monitor(watch(&process, &lease, &held, &belief));
        Self {
            session: session.clone(),
            resource: resource.to_owned(),
            lease,
            held,
            belief,
            _monitor: monitor,
            _entered: entered,
        }
    }

    /// Its name in the history.
    pub const fn id(&self) -> &LeaseId {
        &self.lease
    }

    /// What the contender handed out.
    pub fn held(&self) -> &dyn Held {
        &*self.held
    }

    /// Whether the holder believes, now.
    pub fn is_valid(&self) -> bool {
        let valid = self.held.is_valid();
        if !valid {
            self.disbelieve("not valid");
        }
        valid
    }

    /// Resolves when the holder is told that the lease is over.
    pub async fn lost(&self) {
        self.held.lost().await;
        self.disbelieve("lost");
    }

    /// As the lease ends: by now, late replies have come.
    fn tell_attempt(&self) {
        if let Some(Attempt { granted, published }) = self.held.attempt() {
            self.session.process.record(EventKind::Attempt {
                operation: self.lease.clone(),
                owner: self.held.owner(),
                won: true,
                granted,
                published,
            });
        }
    }

    fn disbelieve(&self, why: &str) {
        disbelieve(&self.session.process, &self.lease, &self.belief, why);
    }

    /// Has the lease renewed in the background.
    pub fn keep_renewed(&self) {
        self.held.keep_renewed();
    }

    /// Extends the lease to `ttl` from now.
    ///
    /// # Errors
    ///
    /// The contender's.
    ///
    /// # Cancellation
    ///
    /// As the contender says.
    pub async fn extend(&self, ttl: Duration) -> Result<(), Refusal> {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let (operation, _entered) = self.session.invoke(Operation::Extend {
            lease: self.lease.clone(),
            ttl_ms,
        });
        let ended = self.held.extend(ttl).await;
        self.session.ended(&operation, &ended);
        ended
    }

    /// Lets go.
    ///
    /// # Errors
    ///
    /// The contender's.
    ///
    /// # Cancellation
    ///
    /// As the contender says.
    pub async fn release(&self) -> Result<(), Refusal> {
        self.tell_attempt();
        self.belief.set(false);
        let (operation, _entered) = self.session.invoke(Operation::Release {
            lease: self.lease.clone(),
        });
        let ended = self.held.release().await;
        self.session.ended(&operation, &ended);
        ended
    }

    /// Reads the protected value.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    ///
    /// # Cancellation
    ///
    /// The read has no answer.
    pub async fn read(&self) -> Result<u64, StoreError> {
        let token = self.held.fencing_token();
        let (resource, lease) = (self.resource.clone(), self.lease.clone());
        self.access(
            Operation::Read {
                resource,
                lease,
                token,
            },
            token,
            None,
        )
        .await
    }

    /// Writes the protected value.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    ///
    /// # Cancellation
    ///
    /// The write may be applied, now or later.
    pub async fn write(&self, value: u64) -> Result<(), StoreError> {
        let token = self.held.fencing_token();
        let (resource, lease) = (self.resource.clone(), self.lease.clone());
        let write = Operation::Write {
            resource,
            lease,
            token,
            value,
        };
        self.access(write, token, Some(value)).await.map(|_| ())
    }

    async fn access(
        &self,
        what: Operation,
        token: Option<u64>,
        write: Option<u64>,
    ) -> Result<u64, StoreError> {
        let (operation, _entered) = self.session.invoke(what);
        let make = || StoreClient::new(self.session.process.clone(), self.session.store_patience);
        let idle = self.session.stores.borrow_mut().pop();
        let mut store = idle.unwrap_or_else(make);
        let ended = store
            .access(operation.clone(), &self.resource, token, write)
            .await;
        self.session.stores.borrow_mut().push(store);
        self.session.done(
            &operation,
            match &ended {
                Ok(value) => Outcome::Ok {
                    value: Some(*value),
                },
                Err(error @ StoreError::Unknown(_)) => Outcome::Info {
                    error: error.to_string(),
                },
                Err(error) => Outcome::Fail {
                    error: error.to_string(),
                },
            },
        );
        ended
    }
}

fn disbelieve(process: &impl Place, lease: &LeaseId, belief: &Belief, why: &str) {
    if belief.replace(false) {
        process.record(EventKind::BeliefEnded {
            lease: lease.clone(),
            why: why.to_owned(),
        });
    }
}

/// Takes down the deadline whenever it moved, and the end when the contender knows it.
fn watch<P: Place>(
    process: &P,
    lease: &LeaseId,
    held: &Rc<dyn Held>,
    belief: &Belief,
) -> impl FnMut(crate::TrueTime) + use<P> {
    let (process, lease, held, belief) = (
        process.clone(),
        lease.clone(),
        Rc::downgrade(held),
        belief.clone(),
    );
    let mut last: Option<Ends> = None;
    let mut look = move || {
        let Some(held) = held.upgrade() else { return };
        let ends = held.ends();
        match &ends {
            Some(ends) if last.as_ref() != Some(ends) => {
                process.record(EventKind::Deadline {
                    lease: lease.clone(),
                    ends: ends.clone(),
                });
            }
            None if last.is_some() => disbelieve(&process, &lease, &belief, "over"),
            _ => {}
        }
        if ends.is_some() {
            last = ends;
        }
    };
    look();
    move |_| look()
}
