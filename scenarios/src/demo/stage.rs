//! Everything that a demonstration starts, in the order in which it has to go again.

use std::{sync::Arc, time::Duration};

use redlock::Redlock;
use redlock_testkit::{RedisCluster, ServerOptions};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

use super::{
    clock,
    crew::Orders,
    error::Error,
    guard::Guard,
    member::Member,
    nodes::Look,
    options::Options,
    script::NODES,
    wire::{FromWorker, ToWorker, line},
    worker,
};

/// How long the client's last messages may take.
const DRAIN: Duration = Duration::from_millis(300);

/// What reaches the supervisor.
#[derive(Debug)]
pub(super) enum Input {
    /// A worker connected; its answers go here.
    Joined(usize, mpsc::UnboundedSender<ToWorker>),
    /// A worker said something.
    Said(usize, FromWorker),
    /// A worker's connection ended.
    Left(usize),
    /// The nodes were looked at.
    Looked(Look),
    /// Something that was to be done to a node failed.
    Broken(String),
}

impl From<Look> for Input {
    fn from(look: Look) -> Self {
        Self::Looked(look)
    }
}

/// Servers, workers, and the guard of the folder they live in. The fields are dropped in this order: the workers, whose
/// calls would only fail without servers, the servers, and then the guard, which removes the folder.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) crew: Vec<Member>,
    pub(super) cluster: Arc<RedisCluster>,
    redlock: Arc<Redlock>,
    _guard: Arc<Guard>,
}

impl Stage {
    /// Starts everything. What arrives is sent to `tell`.
    pub(super) async fn set(
        options: &Options,
        tell: &mpsc::UnboundedSender<Input>,
    ) -> Result<Self, Error> {
        // Not the path that we were started by: the file may have been replaced since, as a rebuild does.
        let program = if cfg!(target_os = "linux") {
            "/proc/self/exe".into()
        } else {
            std::env::current_exe().map_err(Error::system("finding the program itself"))?
        };
        let guard = Arc::new(Guard::start(&program)?);
        let servers = ServerOptions::new().parent_folder(guard.folder());
        let cluster = tokio::task::spawn_blocking(move || RedisCluster::start(NODES, &servers))
            .await
            .map_err(|_| Error::Server("starting the servers failed".into()))?
            .map_err(|error| Error::Server(error.to_string()))?;
        let nodes = cluster.urls();
        let redlock = worker::client(&nodes, options.ttl(), options.max_ttl())?;
        // These servers are seconds old and have never held a lease.
        redlock
            .admit_new_cluster()
            .await
            .map_err(|error| Error::Client(error.to_string()))?;

        let socket = guard.folder().join("store.sock");
        let listener = UnixListener::bind(&socket).map_err(Error::system("making the socket"))?;
        clock::spawn(listen(listener, tell.clone()));
        let orders = Orders {
            program,
            socket,
            nodes,
            ttl: options.ttl(),
            max_ttl: options.max_ttl(),
            seed: options.seed,
        };
        let count = usize::try_from(options.workers).unwrap_or_default();
        let crew = (0..count)
            .map(|position| orders.start(position, &guard))
            .collect::<Result<_, _>>()?;
        let redlock = Arc::new(redlock);
        clock::spawn(super::nodes::watch(redlock.clone(), tell.clone()));
        Ok(Self {
            crew,
            cluster: Arc::new(cluster),
            redlock,
            _guard: guard,
        })
    }

    /// Lets the workers finish: each lets go of its lease and ends.
    pub(super) fn finish(&mut self) {
        for member in &mut self.crew {
            // A stopped one would not notice. An error means that it is gone.
            let _ = member.cont();
            member.finish();
        }
    }

    /// Ends the supervisor's own use of the nodes.
    pub(super) async fn leave(&self) {
        self.redlock.shutdown(DRAIN).await;
    }
}

async fn listen(listener: UnixListener, tell: mpsc::UnboundedSender<Input>) {
    while let Ok((stream, _)) = listener.accept().await {
        clock::spawn(serve(stream, tell.clone()));
    }
}

/// One worker's connection, from its first line to its end.
async fn serve(stream: UnixStream, tell: mpsc::UnboundedSender<Input>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let Ok(Some(first)) = lines.next_line().await else {
        return;
    };
    let Ok(FromWorker::Hello { worker }) = serde_json::from_str(&first) else {
        return;
    };
    let (replies, mut outgoing) = mpsc::unbounded_channel::<ToWorker>();
    clock::spawn(async move {
        while let Some(reply) = outgoing.recv().await {
            if write.write_all(&line(&reply)).await.is_err() {
                return;
            }
        }
    });
    let _ = tell.send(Input::Joined(worker, replies));
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(said) = serde_json::from_str(&line) else {
            break;
        };
        if tell.send(Input::Said(worker, said)).is_err() {
            return;
        }
    }
    let _ = tell.send(Input::Left(worker));
}
