//! Everything that a failure test starts, in the order in which it has to go again.

use std::sync::Arc;

use redlock::Redlock;
use redlock_testkit::{AppendFsync, RedisCluster, ServerOptions};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};

use super::{
    clock,
    crew::{Orders, Post},
    error::Error,
    guard::Guard,
    nemesis::Nemesis,
    nodes::{self, Look},
    options::{NODES, Options, Plant},
    plant,
    script::Hit,
    store::line,
    wire::{FromWorker, ToWorker},
};

/// What reaches the supervisor.
#[derive(Debug)]
pub(super) enum Input {
    /// A process connected; its answers go here.
    Joined(usize, mpsc::UnboundedSender<ToWorker>),
    /// A process said something.
    Said(usize, FromWorker),
    /// A process' connection ended.
    Left(usize),
    /// The nodes were looked at.
    Looked(Look),
    /// What was done to a node is over.
    Recovered {
        /// The node.
        node: usize,
        /// What was done.
        hit: Hit,
        /// Whether it did not succeed.
        missed: bool,
    },
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
    pub(super) crew: Vec<Post>,
    pub(super) cluster: Arc<RedisCluster>,
    pub(super) nemesis: Nemesis,
    pub(super) orders: Orders,
    pub(super) guard: Arc<Guard>,
    /// The position of each process' worker, by the number of the process.
    pub(super) processes: Vec<usize>,
    /// Keeps the client that looks at the nodes.
    _redlock: Arc<Redlock>,
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
        let servers = ServerOptions::new()
            .parent_folder(guard.folder())
            .append_only(AppendFsync::EverySecond);
        let cluster = tokio::task::spawn_blocking(move || RedisCluster::start(NODES, &servers))
            .await
            .map_err(|_| Error::Server("starting the servers failed".into()))?
            .map_err(|error| Error::Server(error.to_string()))?;
        let nodes = cluster.urls();
        let mut clients = plant::admitting(&nodes, options.plant)?;
        for client in &clients {
            // These servers are seconds old and have never held a lease.
            client
                .admit_new_cluster()
                .await
                .map_err(|error| Error::Client(error.to_string()))?;
        }
        let redlock = Arc::new(clients.swap_remove(0));
        if options.plant != Some(Plant::QuorumOfOne) {
            clock::spawn(nodes::watch(redlock.clone(), tell.clone()));
        }
        let socket = guard.folder().join("store.sock");
        let listener = UnixListener::bind(&socket).map_err(Error::system("making the socket"))?;
        clock::spawn(listen(listener, tell.clone()));
        let cluster = Arc::new(cluster);
        let mut stage = Self {
            crew: Vec::new(),
            nemesis: Nemesis::new(cluster.clone()),
            cluster,
            orders: Orders {
                program,
                socket,
                nodes,
                seed: options.seed,
                plant: options.plant,
            },
            guard,
            processes: Vec::new(),
            _redlock: redlock,
        };
        for position in 0..options.workers() {
            stage.crew.push(Post::default());
            stage.start(position)?;
        }
        Ok(stage)
    }

    /// Starts a process for the worker at this position.
    pub(super) fn start(&mut self, position: usize) -> Result<(), Error> {
        let process = self.processes.len();
        self.crew[position].start(position, process, &self.orders, &self.guard)?;
        self.processes.push(position);
        Ok(())
    }
}

async fn listen(listener: UnixListener, tell: mpsc::UnboundedSender<Input>) {
    while let Ok((stream, _)) = listener.accept().await {
        clock::spawn(serve(stream, tell.clone()));
    }
}

/// One process' connection, from its first line to its end.
async fn serve(stream: UnixStream, tell: mpsc::UnboundedSender<Input>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let Ok(Some(first)) = lines.next_line().await else {
        return;
    };
    let Ok(FromWorker::Hello { process }) = serde_json::from_str(&first) else {
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
    let _ = tell.send(Input::Joined(process, replies));
    while let Ok(Some(line)) = lines.next_line().await {
        // A process that was killed may leave half a line.
        let Ok(said) = serde_json::from_str(&line) else {
            break;
        };
        if tell.send(Input::Said(process, said)).is_err() {
            return;
        }
    }
    let _ = tell.send(Input::Left(process));
}
