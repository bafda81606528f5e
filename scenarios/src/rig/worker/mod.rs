//! A worker process: a client host of a live run.
//!
//! It runs the simulator's own workload over the simulator's own contender; only the place is another one. In reading
//! order: `control` (what the supervisor says of its clocks), `operator` (who puts the cluster into service), `runtime` (the client's seam to them), `connector` (the way to
//! servers), `reporter` (what happened, to the supervisor), `place` (all of it together).

mod connector;
mod control;
mod operator;
mod place;
mod reporter;
mod runtime;

use std::{fs, path::PathBuf, pin::pin, task::Poll, time::Duration};

use simulator::{
    history::HostName,
    host::Place as _,
    hunt::Sown,
    workload::{self, Activity, Session},
};
use tokio::task::LocalSet;

use self::{operator::Operator, place::LivePlace};
use super::wire::Orders;
use crate::live::Error;

/// The arguments of a worker process.
#[derive(Clone, Debug, clap::Args)]
pub struct WorkerOptions {
    /// The file with the orders of the run.
    #[arg(long)]
    orders: PathBuf,
    /// The host that it is.
    #[arg(long)]
    host: String,
    /// How many times the host's process started before.
    #[arg(long)]
    incarnation: u32,
}

/// The worker process: works until it is killed, or the supervisor is gone.
///
/// # Errors
/// When the supervisor cannot be reached, or the client is misconfigured.
pub fn work(options: &WorkerOptions) -> Result<(), Error> {
    let text = fs::read(&options.orders).map_err(Error::system("reading the orders"))?;
    let orders: Orders =
        serde_json::from_slice(&text).map_err(Error::system("understanding the orders"))?;
    let host: HostName = options.host.as_str().into();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("starting a runtime"))?;
    // All tasks of the client are in this thread.
    let _sown = Sown::new(orders.planted.as_ref());
    runtime.block_on(async {
        let place = LivePlace::enter(&orders, &host, options.incarnation)?;
        let tasks = LocalSet::new();
        let program = live(place.clone(), orders);
        {
            let _within = tasks.enter();
            place.spawn(program);
        }
        let mut tasks = pin!(tasks);
        std::future::poll_fn(|cx| {
            // Done is what it is when the last task is, which never comes.
            let _ = tasks.as_mut().poll(cx);
            place.run_monitors();
            Poll::Pending
        })
        .await
    })
}

async fn live(place: LivePlace, orders: Orders) {
    place.await_beginning().await;
    let config = orders.config;
    let hosts = config.hosts();
    let contender = match config.contender(&place) {
        Ok(contender) => contender,
        Err(why) => place.die(&format!("the lock cannot be configured so: {why}")),
    };
    // One client is the operator who puts the cluster into service.
    let mut operator = (hosts.clients.first() == Some(place.name())).then(Operator::default);
    while !place.is_in_service() {
        if let Some(operator) = &mut operator
            && let Some(said) = operator.act(contender.deploy()).await
        {
            place.say(&said);
        }
        place.runtime().sleep(Duration::from_millis(10)).await;
    }
    let workload = config.workload_of(place.name()).clone();
    let patience = Duration::from_millis(workload.store_patience_ms);
    let session = Session::new(place, contender, patience, Activity::default());
    workload::work(session, workload, orders.seed).await;
}
