//! A worker process: a client, and the hands that use it.

use std::{io::Read, path::PathBuf, time::Duration};

use redlock::Redlock;
use tokio::sync::watch;

use super::{
    clock::{self, now},
    dice::Dice,
    error::Error,
    gauge::Gauge,
    hand::Hand,
    link::Link,
    options::{HANDS, Plant, RESOURCES},
    plant,
    wire::Event,
};

/// How many leases are acquired before anything is measured.
const WARM_UP: usize = 20;
/// How long the last releases may take to be delivered.
const DRAIN: Duration = Duration::from_secs(3);
/// How long descriptors, threads and tasks have to stay as they are to be what the worker ended with.
const QUIET: Duration = Duration::from_secs(1);

/// The arguments of a worker process.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkerOptions {
    /// The worker's position.
    #[arg(long)]
    position: usize,
    /// The number of the process; a worker that is started again gets another one.
    #[arg(long)]
    process: usize,
    /// The supervisor's socket.
    #[arg(long)]
    socket: PathBuf,
    /// What it does is drawn from this.
    #[arg(long)]
    seed: u64,
    /// A planted mistake.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
    /// The nodes' addresses.
    nodes: Vec<String>,
}

/// The worker process: contends until its standard input ends, or the supervisor is gone.
///
/// # Errors
/// When the supervisor cannot be reached, or the client is misconfigured.
pub fn work(options: &WorkerOptions) -> Result<(), Error> {
    // Both flavours of runtime; every other worker has one thread only.
    let mut builder = if options.position.is_multiple_of(2) {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::system("starting a runtime"))?;
    let stop = told_to_stop();
    match runtime.block_on(live(options, stop)) {
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
        // The thread stays, so that threads can be counted.
        loop {
            std::thread::park();
        }
    });
    told
}

async fn live(options: &WorkerOptions, stop: watch::Receiver<bool>) -> Result<(), Error> {
    let link = Link::connect(&options.socket, options.process)?;
    let before = Gauge::read();
    let redlock = plant::client(&options.nodes, options.position, options.plant)?;
    warm_up(&redlock, options.process).await;
    let idle = Gauge::read();
    link.event(0, Event::Ready { before, idle });

    let (one, other) = tokio::join!(
        pursue(options, &link, &redlock, 0, stop.clone()),
        pursue(options, &link, &redlock, 1, stop)
    );
    one.and(other)?;
    link.event(0, Event::Done { at: now() });

    let started = now();
    let report = redlock.shutdown(DRAIN).await;
    let drained = now() - started;
    let undelivered = if report.is_clean() {
        String::new()
    } else {
        report.to_string()
    };
    let idle = quiet(&idle).await;
    drop(redlock);
    let after = quiet(&before).await;
    link.event(
        0,
        Event::Final {
            idle,
            after,
            drained,
            undelivered,
        },
    );
    Ok(())
}

/// Connects to all nodes that are there, and lets lazily allocated memory be allocated. Failing is fine: a worker may be
/// started while nodes are down.
async fn warm_up(redlock: &Redlock, process: usize) {
    let request = redlock
        .request(format!("warm-up-{process}"))
        .within(Duration::from_millis(200));
    for _ in 0..WARM_UP {
        match request.acquire().await {
            Ok(lease) => drop(lease.release().await),
            Err(_) => return,
        }
    }
    clock::sleep(Duration::from_millis(100)).await;
}

/// One hand, until it is told to stop.
async fn pursue(
    options: &WorkerOptions,
    link: &Link,
    redlock: &Redlock,
    number: usize,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let hand = Hand {
        link,
        redlock,
        number,
        resource: (options.position + number) % RESOURCES,
    };
    let stream = u64::try_from(options.process * HANDS + number).unwrap_or_default();
    let mut dice = Dice::new(options.seed, stream);
    loop {
        tokio::select! {
            biased;
            // Being dropped ends the window and releases whatever the cycle holds or is about to.
            _ = stop.wait_for(|stop| *stop) => break,
            done = hand.cycle(&mut dice) => done?,
        }
    }
    hand.last().await;
    Ok(())
}

/// Waits until no more is in use than at the start, or nothing changes any more: a process that was started while nodes were
/// down had fewer connections then.
async fn quiet(start: &Gauge) -> Gauge {
    let (mut last, mut since) = (Gauge::read(), now());
    while !last.is_back_at(start) && now() - since < QUIET {
        clock::sleep(Duration::from_millis(20)).await;
        let gauge = Gauge::read();
        if !(gauge.is_back_at(&last) && last.is_back_at(&gauge)) {
            since = now();
        }
        last = gauge;
    }
    last
}
