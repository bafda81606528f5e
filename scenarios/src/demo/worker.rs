//! What a worker process does: acquire, read both counters, work, write both back plus one, release; again and again.
//!
//! Two of the three styles are naive on purpose: they do not look at `is_valid()` before they write. A careful holder would,
//! and would be stopped between looking and writing all the same, only less often; the fence is what makes it harmless.

use std::{cell::Cell, io::Read, path::PathBuf, time::Duration};

use redlock::{Lease, Redlock, WithError, error::AcquireError};
use tokio::sync::watch;

use super::{
    clock::{self, Moment, now},
    dice::Dice,
    error::Error,
    lease::deadline,
    link::Link,
    wire::{Ask, Event, Reply, Style},
};

/// The resource that everybody wants.
const RESOURCE: &str = "the-counters";
/// How often a working holder looks whether its lease was renewed.
const SAMPLE: Duration = Duration::from_millis(40);
/// How long the last releases may take to be delivered.
const DRAIN: Duration = Duration::from_secs(1);

/// The arguments of a worker process.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkerOptions {
    /// The worker's position.
    #[arg(long)]
    position: usize,
    /// How it uses its lease.
    #[arg(long, value_enum)]
    style: Style,
    /// The supervisor's socket.
    #[arg(long)]
    socket: PathBuf,
    /// The TTL of leases.
    #[arg(long)]
    ttl_ms: u64,
    /// The longest TTL of the cluster.
    #[arg(long)]
    max_ttl_ms: u64,
    /// What the durations of its work are drawn from.
    #[arg(long)]
    seed: u64,
    /// The nodes' addresses.
    nodes: Vec<String>,
}

/// The client with the settings of the demonstration: everything but the TTLs is the default.
pub(super) fn client(nodes: &[String], ttl: Duration, max_ttl: Duration) -> Result<Redlock, Error> {
    let builder = Redlock::builder().nodes(nodes).ttl(ttl).max_ttl(max_ttl);
    builder
        .build()
        .map_err(|error| Error::Client(error.to_string()))
}

/// The worker process: contends until its standard input ends, or the supervisor is gone.
///
/// # Errors
/// When the supervisor cannot be reached, or the client is misconfigured.
pub fn work(options: &WorkerOptions) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("starting a runtime"))?;
    let stop = told_to_stop();
    match runtime.block_on(contend(options, stop)) {
        Err(Error::Alone) => Ok(()),
        ended => ended,
    }
}

/// Turns true when standard input ends: the supervisor closed it, or died. A thread of its own, because reading standard
/// input blocks; it ends with the process.
fn told_to_stop() -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = std::io::stdin().lock().read_to_end(&mut rest);
        let _ = tell.send(true);
    });
    told
}

async fn contend(options: &WorkerOptions, mut stop: watch::Receiver<bool>) -> Result<(), Error> {
    let ttl = Duration::from_millis(options.ttl_ms);
    let worker = Worker {
        link: Link::connect(&options.socket, options.position).await?,
        redlock: client(
            &options.nodes,
            ttl,
            Duration::from_millis(options.max_ttl_ms),
        )?,
        style: options.style,
        ttl,
        holding: Cell::new(false),
    };
    let stream = u64::try_from(options.position).unwrap_or_default();
    let mut dice = Dice::new(options.seed, stream);
    loop {
        let (rest, length) = match options.style {
            // Works past a third of the TTL, when the renewal comes, and leaves the others their turn.
            Style::Renewed => (
                dice.between(ttl / 5, ttl * 2 / 5),
                dice.between(ttl / 4, ttl * 3 / 5),
            ),
            Style::Plain | Style::With => (
                dice.between(ttl / 200, ttl * 3 / 40),
                dice.between(ttl / 40, ttl * 3 / 20),
            ),
        };
        let cycle = async {
            clock::sleep(rest).await;
            worker.cycle(length).await
        };
        tokio::select! {
            biased;
            // Being dropped releases whatever the cycle holds or is about to.
            _ = stop.wait_for(|stop| *stop) => break,
            done = cycle => done?,
        }
    }
    worker.let_go();
    worker.redlock.shutdown(DRAIN).await;
    Ok(())
}

struct Worker {
    link: Link,
    redlock: Redlock,
    style: Style,
    ttl: Duration,
    holding: Cell<bool>,
}

impl Worker {
    /// One wish for the lease, and the work under it. Errors are those after which no worker can go on.
    async fn cycle(&self, length: Duration) -> Result<(), Error> {
        self.link.event(Event::Wanting);
        match self.style {
            Style::With => self.with(length).await,
            Style::Plain | Style::Renewed => self.by_hand(length).await,
        }
    }

    async fn by_hand(&self, length: Duration) -> Result<(), Error> {
        let started = now();
        let request = self.redlock.request(RESOURCE).within(self.ttl * 2);
        let (lease, at_once) = match request.try_acquire().await {
            Ok(Some(lease)) => (lease, true),
            Ok(None) => {
                self.link.event(Event::Contended);
                match request.acquire().await {
                    Ok(lease) => (lease, false),
                    Err(error) => return self.failed(&error).await,
                }
            }
            Err(error) => return self.failed(&error).await,
        };
        self.acquired(&lease, started, Some(at_once));
        if self.style == Style::Renewed {
            lease.keep_renewed();
        }
        self.use_counters(&lease, length).await?;
        if !lease.is_valid() {
            self.link.event(Event::Lost { cancelled: false });
        }
        self.let_go();
        let released = now();
        lease.release().await;
        let took = now() - released;
        self.link.event(Event::Released { took });
        Ok(())
    }

    async fn with(&self, length: Duration) -> Result<(), Error> {
        let started = now();
        let request = self.redlock.request(RESOURCE).within(self.ttl * 2);
        let body = async |lease: &Lease| {
            self.acquired(lease, started, None);
            let done = self.use_counters(lease, length).await;
            self.let_go();
            done
        };
        match request.with(body).await {
            Ok(done) => done,
            Err(WithError::Acquire(error)) => self.failed(&error).await,
            Err(_) => {
                self.link.event(Event::Lost { cancelled: true });
                self.let_go();
                Ok(())
            }
        }
    }

    /// What the lock is for. Whether the lease is still valid is not asked, on purpose.
    async fn use_counters(&self, lease: &Lease, length: Duration) -> Result<(), Error> {
        let token = lease.fencing_token().as_u64();
        // The first read seals the fenced counter for all older tokens. A stale reader has nothing to write.
        let fenced = self.link.ask(Ask::ReadFenced { token }).await?;
        let unfenced = self.link.ask(Ask::ReadUnfenced).await?;
        let (Reply::Value(fenced), Reply::Value(unfenced)) = (fenced, unfenced) else {
            return Ok(());
        };
        self.link.ask(Ask::MayWork).await?;
        let mut known = deadline(lease);
        let mut left = length;
        while !left.is_zero() {
            let slice = left.min(SAMPLE);
            clock::sleep(slice).await;
            left -= slice;
            // A renewal moves the deadline by far more than two samples of an unchanged one differ.
            if let Some(later) = deadline(lease)
                .filter(|later| known.is_some_and(|known| *later - known > SAMPLE / 4))
            {
                known = Some(later);
                self.link.event(Event::Renewed { deadline: later });
            }
        }
        let value = fenced + 1;
        self.link.ask(Ask::WriteFenced { token, value }).await?;
        let value = unfenced + 1;
        self.link.ask(Ask::WriteUnfenced { value }).await?;
        Ok(())
    }

    fn acquired(&self, lease: &Lease, started: Moment, at_once: Option<bool>) {
        let at = now();
        self.holding.set(true);
        self.link.event(Event::Acquired {
            token: lease.fencing_token().as_u64(),
            at,
            // A lease that ended meanwhile has an empty window.
            deadline: deadline(lease).unwrap_or(at),
            took: at - started,
            at_once,
        });
    }

    /// Ends the window: release is about to be called, or dropping the lease is about to call it.
    fn let_go(&self) {
        if self.holding.replace(false) {
            self.link.event(Event::Releasing { at: now() });
        }
    }

    async fn failed(&self, error: &AcquireError) -> Result<(), Error> {
        if error.is_misconfigured() {
            return Err(Error::Client(error.to_string()));
        }
        self.link.event(Event::Failed {
            contended: error.is_contended(),
            message: error.to_string(),
        });
        clock::sleep(self.ttl / 20).await;
        Ok(())
    }
}
