//! Everything that a live run starts, in the order in which it has to go again.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use redlock_testkit::{AppendFsync, Binary, RedisServer, ServerOptions};
use simulator::{
    clock::Clocks,
    history::{History, HostName, Recorder},
    host::Host,
    network::Network,
    redis::{self, Persistence},
    store::Store,
    world::Replay,
};
use tokio::{net::TcpListener, sync::watch};

use super::{
    crew::Client,
    faketime::FakeClock,
    field::{Field, Storehouse},
    hearing::{Heard, Minutes},
    link::{Links, Route},
    node::Node,
    notes::Notes,
    options::Options,
    possible::{has_replica, left_out, needs_6_2, needs_faketime},
    replication::Pair,
    watch::{Watch, wall_clock},
    wire::{Orders, line},
};
use crate::live::{Error, guard::Guard};

/// What the other clocks of a host show as the run begins.
const UPTIME: Duration = Duration::from_secs(100_000);
/// How long a replica may take to get its master's data, before that.
const SYNCHRONISING: Duration = Duration::from_secs(3);

/// Servers, workers, and the guard of the folder they live in. Dropping it ends the workers, then the servers, then the guard,
/// which removes the folder.
pub(super) struct Stage {
    pub(super) field: Arc<Field>,
    pub(super) minutes: Minutes,
    pub(super) recorder: Recorder,
    pub(super) watch: Watch,
    _guard: Arc<Guard>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.field.clients.values().for_each(Client::stop);
        self.minutes.hang_up();
        // Whoever still reads keeps the servers.
        drop(self.minutes.close());
    }
}

impl Stage {
    /// Starts everything but the workers, for a run that begins after `lead`. Inside of a task set, which serves the links and the store.
    pub(super) async fn set(
        case: &Replay,
        options: &Options,
        lead: Duration,
        tell: &Sender<Heard>,
    ) -> Result<Self, Error> {
        let guard = Arc::new(Guard::start(&options.program)?);
        let names = case.config.hosts();
        let servers = start_servers(case, options, &guard).await?;
        let (recorder, notes) = (Recorder::new(), Notes::default());
        left_out(case)
            .into_iter()
            .for_each(|note| notes.nearly(note));
        let network = Arc::new(Network::new(
            case.seed,
            case.config.latency,
            recorder.clone(),
            case.config.records_segments,
        ));
        // Time begins with the hosts, which record that they do.
        let has_replica = has_replica(case);
        let whole = lead + SYNCHRONISING.saturating_mul(has_replica.into());
        let watch = Watch::start(whole);
        let wall = wall_clock().saturating_add(nanos(whole));
        let fakes = needs_faketime(case);
        let make = |name: &HostName, errs: bool| {
            let (rate, offset_us) = case.config.clock_error(case.seed, name);
            let (rate, offset_us) = if errs { (rate, offset_us) } else { (0, 0) };
            let clocks = Clocks::new(wall.saturating_add(offset_us * 1_000), UPTIME, rate);
            Host::new(name.clone(), case.seed, clocks, &network, &recorder)
        };
        let links = Links::new(network.clone(), watch, notes.clone());
        let mut nodes = BTreeMap::new();
        for (name, (server, clock)) in names.nodes.iter().zip(servers) {
            let lazy = case.config.server.lazy_expiry_only;
            let host = make(name, fakes);
            let node = Node::new(host, server, clock, lazy, watch, notes.clone());
            nodes.insert(name.clone(), node);
        }
        let pair = match has_replica {
            true => Some(Pair::begin(&links, &nodes, watch, lead).await?),
            false => None,
        };
        let store = Storehouse {
            host: make(&names.store, true),
            gate: watch::Sender::new(true),
        };
        let store_port = serve_store(case, &store, watch)
            .await
            .map_err(Error::system("serving the store"))?;
        let orders = guard.folder().join("orders.json");
        let mut clients = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for name in &names.clients {
            let host = make(name, true);
            let mut ports = BTreeMap::new();
            let targets = nodes.iter().map(|(name, node)| {
                let open = watch::Sender::new(true).subscribe();
                (name, &node.host, node.port(), open)
            });
            let to_store = (
                &names.store,
                &store.host,
                store_port,
                store.gate.subscribe(),
            );
            for (target, server, port, gate) in targets.chain([to_store]) {
                let route = Route {
                    client: host.id(),
                    server: server.clone(),
                    port,
                    gate,
                    greets: true,
                };
                let listening = links.listen(route).await;
                ports.insert(
                    target.clone(),
                    listening.map_err(Error::system("beginning a link"))?,
                );
            }
            routes.insert(name.clone(), ports);
            let program = options.program.clone();
            let client = Client::new(host, watch, program, orders.clone(), guard.clone());
            clients.insert(name.clone(), client);
        }
        let socket = guard.folder().join("rig.sock");
        write_orders(case, options, watch, socket.clone(), routes, &orders)
            .map_err(Error::system("writing the orders"))?;
        let field = Arc::new(Field {
            keys: case.config.facts().lock_keys.into_values().collect(),
            names,
            clients,
            nodes,
            pair,
            store,
            network,
            links,
            activity: simulator::workload::Activity::default(),
            watch,
            notes,
        });
        let minutes = Minutes::default();
        minutes
            .listen(&socket, &field, tell)
            .map_err(Error::system("making the socket"))?;
        Ok(Self {
            field,
            minutes,
            recorder,
            watch,
            _guard: guard,
        })
    }

    /// All that was recorded, after ending the workers.
    pub(super) fn history(&self) -> History {
        self.field.clients.values().for_each(Client::stop);
        let mut events = self.recorder.history().events().to_vec();
        events.extend(self.minutes.close());
        // What one process said keeps its order.
        events.sort_by_key(|event| event.at);
        let mut next: BTreeMap<HostName, u64> = BTreeMap::new();
        for event in &mut events {
            let sequence = next.entry(event.host.clone()).or_default();
            event.sequence = *sequence;
            *sequence += 1;
        }
        History::new(events)
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn write_orders(
    case: &Replay,
    options: &Options,
    watch: Watch,
    socket: PathBuf,
    routes: BTreeMap<HostName, BTreeMap<HostName, u16>>,
    path: &PathBuf,
) -> std::io::Result<()> {
    let orders = Orders {
        watch,
        seed: case.seed,
        config: case.config.clone(),
        planted: options.planted.clone(),
        socket,
        routes,
    };
    fs::write(path, line(&orders)?)
}

type Server = (RedisServer, Option<Arc<FakeClock>>);

async fn start_servers(
    case: &Replay,
    options: &Options,
    guard: &Guard,
) -> Result<Vec<Server>, Error> {
    let mut settings = server_options(&case.config.server).parent_folder(guard.folder());
    if has_replica(case) {
        // It would wait for more replicas.
        settings = settings.config("repl-diskless-sync-delay", "0");
    }
    let old = options.redis_6_2.clone().filter(|_| needs_6_2(case));
    let library = options.faketime.clone().filter(|_| needs_faketime(case));
    let mut each = Vec::new();
    for name in case.config.hosts().nodes {
        let (binary, clock) = match (&old, &library) {
            (Some(server), Some(library)) => {
                let installed = FakeClock::install(guard.folder(), &name, server, library);
                let (clock, program) =
                    installed.map_err(|error| Error::Server(error.to_string()))?;
                (program, Some(clock))
            }
            (Some(server), None) => (Binary::At(server.clone()), None),
            _ => (Binary::System, None),
        };
        each.push((settings.clone().binary(binary), clock));
    }
    let starting = tokio::task::spawn_blocking(move || {
        let each = each.into_iter();
        each.map(|(settings, clock)| Ok((RedisServer::start(&settings)?, clock)))
            .collect::<Result<Vec<_>, redlock_testkit::Error>>()
    });
    let started = starting
        .await
        .map_err(|_| Error::Server("starting the servers failed".into()))?;
    started.map_err(|error| Error::Server(error.to_string()))
}

/// The simulated server's settings, as a real one's.
fn server_options(config: &redis::Config) -> ServerOptions {
    let mut options =
        ServerOptions::new().config("maxmemory-policy", config.maxmemory_policy.name());
    options = match &config.persistence {
        Persistence::None => options,
        Persistence::AofEverysec => options.append_only(AppendFsync::EverySecond),
        Persistence::AofAlways => options.append_only(AppendFsync::Always),
        Persistence::Rdb { save_points } => save_points.iter().fold(options, |options, point| {
            options.config("save", format!("{} {}", point.seconds, point.changes))
        }),
    };
    if let Some(password) = &config.password {
        options = options.password(password);
    }
    if !config.denied_commands.is_empty() {
        let denied: Vec<String> = config
            .denied_commands
            .iter()
            .map(|command| format!("-{command}"))
            .collect();
        let rules = format!("default on nopass ~* &* +@all {}", denied.join(" "));
        options = options.config("user", rules);
    }
    options
}

async fn serve_store(case: &Replay, house: &Storehouse, watch: Watch) -> std::io::Result<u16> {
    let store = Store::new(case.config.fencing);
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    let host = house.host.clone();
    super::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (store, host) = (store.clone(), host.clone());
            super::spawn(async move {
                // A connection that breaks is its client's business.
                let _ = store
                    .serve_stream(stream, |kind| host.record(watch.now(), kind))
                    .await;
            });
        }
    });
    Ok(port)
}
