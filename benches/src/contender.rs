//! One interface over what is compared.

use std::{sync::Arc, time::Duration};

use redlock::{Builder, Redlock};
use rslock::LockManager;

use crate::{
    clock,
    raw::{self, Raw},
    variant::{Mode, Variant},
};

/// The TTL of all leases: our client's default.
pub const TTL: Duration = Duration::from_secs(10);

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The servers could not be started.
    #[error(transparent)]
    Server(#[from] redlock_testkit::Error),
    /// Our client could not be built.
    #[error(transparent)]
    Build(#[from] redlock::BuildError),
    /// The servers could not be set up.
    #[error(transparent)]
    Admit(#[from] redlock::AdmitError),
    /// An acquisition failed where none should.
    #[error(transparent)]
    Acquire(#[from] redlock::AcquireError),
    /// An extension failed where none should.
    #[error(transparent)]
    Extend(#[from] redlock::ExtendError),
    /// The other client could not acquire.
    #[error("rslock: {0}")]
    Rslock(#[from] rslock::LockError),
    /// The raw loop could not connect.
    #[error(transparent)]
    Redis(#[from] redis::RedisError),
    /// What our client writes was not found in what it wrote.
    #[error("the client's commands were not recognised in what it wrote")]
    Capture,
    /// A process of ours ended badly.
    #[error("the process that holds leases: {0}")]
    Child(String),
    /// Looking at a process failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Our client's configuration in `mode`: the defaults otherwise.
pub(crate) fn builder(urls: &[String], mode: Mode) -> Builder {
    Redlock::builder()
        .nodes(urls)
        .prefix(mode.prefix())
        .fencing(mode.fencing())
        .restart_guard(mode.guard())
        .ttl(TTL)
}

/// Makes the servers known to our client in every mode.
///
/// # Errors
///
/// When they are not new or do not answer.
pub async fn admit(urls: &[String]) -> Result<(), Error> {
    for mode in Mode::ALL {
        builder(urls, mode).build()?.admit_new_cluster().await?;
    }
    Ok(())
}

/// A client, connected and warm. Clones share its connections.
#[derive(Clone)]
pub enum Contender {
    /// See [`Variant::Ours`].
    Ours(Redlock),
    /// See [`Variant::Raw`].
    Raw(RawClient),
    /// See [`Variant::Rslock`].
    Rslock(LockManager),
}

/// The raw loop's connections.
#[derive(Clone)]
pub struct RawClient(Arc<Raw>);

impl Contender {
    /// Connects to the nodes at `urls`, and acquires once so that everything is set up.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub async fn connect(variant: Variant, urls: &[String]) -> Result<Self, Error> {
        let contender = match variant {
            Variant::Ours(mode) => Self::Ours(builder(urls, mode).build()?),
            Variant::Raw(mode) => Self::Raw(RawClient(Arc::new(Raw::connect(urls, mode).await?))),
            Variant::Rslock => Self::Rslock(LockManager::new(urls.to_vec())),
        };
        let mut session = contender.session();
        let held = session.acquire(&format!("warm-{variant}")).await?;
        session.release(held).await;
        Ok(contender)
    }

    /// One task's use of it.
    #[must_use]
    pub fn session(&self) -> Session {
        match self {
            Self::Ours(client) => Session::Ours(client.clone()),
            Self::Raw(client) => Session::Raw(Box::new(raw::Session::new(client.0.clone())).into()),
            Self::Rslock(manager) => Session::Rslock(manager.clone()),
        }
    }
}

/// One task's use of a [`Contender`].
pub enum Session {
    /// See [`Variant::Ours`].
    Ours(Redlock),
    /// See [`Variant::Raw`].
    Raw(RawSession),
    /// See [`Variant::Rslock`].
    Rslock(LockManager),
}

/// The raw loop in one task.
pub struct RawSession(Box<raw::Session>);

impl From<Box<raw::Session>> for RawSession {
    fn from(session: Box<raw::Session>) -> Self {
        Self(session)
    }
}

/// A lease that was acquired.
pub enum Held {
    /// See [`Variant::Ours`].
    Ours(redlock::Lease),
    /// See [`Variant::Raw`].
    Raw(RawHeld),
    /// See [`Variant::Rslock`].
    Rslock(rslock::Lock),
}

/// A key of the raw loop.
pub struct RawHeld(raw::Held);

impl Session {
    /// Waits until `resource` is acquired.
    ///
    /// # Errors
    ///
    /// When the client gives up.
    pub async fn acquire(&mut self, resource: &str) -> Result<Held, Error> {
        Ok(match self {
            Self::Ours(client) => Held::Ours(client.acquire(resource).await?),
            Self::Raw(RawSession(session)) => Held::Raw(RawHeld(session.acquire(resource).await)),
            Self::Rslock(manager) => Held::Rslock(manager.acquire_no_guard(resource, TTL).await?),
        })
    }

    /// Releases, and waits as long as the client does.
    pub async fn release(&mut self, held: Held) {
        match (self, held) {
            (Self::Raw(RawSession(session)), Held::Raw(RawHeld(held))) => {
                session.release(&held).await;
            }
            (Self::Rslock(manager), Held::Rslock(lock)) => manager.unlock(&lock).await,
            (_, Held::Ours(lease)) => {
                lease.release().await;
            }
            _ => unreachable!("a lease is released by the client that acquired it"),
        }
    }

    /// Keeps the lease for good, in the background: our client by itself, the others in a task per lease that extends at a
    /// third of the TTL. Returns whether it still stands, when asked.
    pub fn keep(self, held: Held) -> Kept {
        match (self, held) {
            (_, Held::Ours(lease)) => {
                lease.keep_renewed();
                Kept::Ours(lease)
            }
            (Self::Raw(RawSession(mut session)), Held::Raw(RawHeld(held))) => {
                Kept::Task(clock::spawn(async move {
                    loop {
                        clock::sleep(TTL / 3).await;
                        if !session.extend(&held).await {
                            return;
                        }
                    }
                }))
            }
            (Self::Rslock(manager), Held::Rslock(mut lock)) => {
                Kept::Task(clock::spawn(async move {
                    loop {
                        clock::sleep(TTL / 3).await;
                        match manager.extend(&lock, TTL).await {
                            Ok(extended) => lock = extended,
                            Err(_) => return,
                        }
                    }
                }))
            }
            _ => unreachable!("a lease is kept by the client that acquired it"),
        }
    }
}

/// A lease that is renewed in the background.
pub enum Kept {
    /// By our client.
    Ours(redlock::Lease),
    /// By a task that ends when it cannot.
    Task(tokio::task::JoinHandle<()>),
}

impl Kept {
    /// Whether it is still held.
    #[must_use]
    pub fn stands(&self) -> bool {
        match self {
            Self::Ours(lease) => lease.is_valid(),
            Self::Task(task) => !task.is_finished(),
        }
    }
}
