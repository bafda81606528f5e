//! The nodes: redis-server processes, as the supervisor holds them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redlock_testkit::RedisServer;
use simulator::{TrueTime, history::HostName, host::Host};

use super::{notes::Notes, watch::Watch};

/// One node. Its state is the simulator's [`Host`], which records what is done to it; the server follows.
///
/// What is done takes milliseconds, so each node has two threads that do it in order: one for its process, and one for what is
/// asked of the server, which a stopped process answers late.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) host: Arc<Host>,
    server: Arc<RedisServer>,
    process: Line,
    commands: Line,
    watch: Watch,
    notes: Notes,
    /// What the server is told again when it starts again.
    state: Arc<Mutex<Settings>>,
}

/// What is set on a server, and forgotten by it in a restart.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    read_only: bool,
    full: bool,
    lazy: bool,
}

/// What is done to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Pause,
    Resume,
    /// SIGKILL; what the disk keeps is decided as it starts again.
    Crash {
        power_lost: bool,
        data_lost: bool,
    },
    Start,
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one thing after the other. It ends with what it has; dropping it waits for that.
#[derive(Debug)]
struct Line {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Line {
    fn new() -> Self {
        let (jobs, queue): (Sender<Job>, Receiver<Job>) = mpsc::channel();
        let thread = thread::spawn(move || queue.iter().for_each(|job| job()));
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
        }
    }

    fn queue(&self, job: impl FnOnce() + Send + 'static) {
        if let Some(jobs) = &self.jobs {
            // The thread ends only after the sender.
            let _ = jobs.send(Box::new(job));
        }
    }

    /// Waits until all that was queued is done, at most for so long.
    fn settle(&self, patience: Duration) -> bool {
        let (tell, told) = mpsc::channel();
        self.queue(move || {
            let _ = tell.send(());
        });
        told.recv_timeout(patience).is_ok()
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Node {
    pub(super) fn new(
        host: Arc<Host>,
        server: RedisServer,
        lazy_expiry_only: bool,
        watch: Watch,
        notes: Notes,
    ) -> Self {
        let node = Self {
            host,
            server: Arc::new(server),
            process: Line::new(),
            commands: Line::new(),
            watch,
            notes,
            state: Arc::new(Mutex::new(Settings {
                lazy: lazy_expiry_only,
                ..Settings::default()
            })),
        };
        if lazy_expiry_only {
            node.command(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        }
        node
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.server.port()
    }

    /// Does something to the process, after all that was to be done before. A crash kills at once.
    pub(super) fn does(&self, deed: Deed) {
        let (host, server, watch) = (self.host.clone(), self.server.clone(), self.watch);
        let (state, notes) = (self.state.clone(), self.notes.clone());
        self.process
            .queue(move || carry_out(deed, &host, &server, watch, &state, &notes));
    }

    /// Waits until everything is done that was to be done.
    pub(super) fn settle(&self, patience: Duration) -> bool {
        self.process.settle(patience) && self.commands.settle(patience)
    }

    /// Asks something of the server; what it does not do is noted.
    pub(super) fn command(&self, words: &[&str]) {
        let (name, server, watch) = (self.host.name().clone(), self.server.clone(), self.watch);
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let notes = self.notes.clone();
        self.commands
            .queue(move || ask(&name, &server, watch, &notes, &words));
    }

    /// The server answers nobody until then. It is told for how long in advance: a server whose clients are all paused hears
    /// no command that ends it.
    pub(super) fn pause_clients(&self, until: TrueTime) {
        let (name, server, watch) = (self.host.name().clone(), self.server.clone(), self.watch);
        let notes = self.notes.clone();
        self.commands.queue(move || {
            let left = watch.until(until).as_millis().to_string();
            let words = ["CLIENT", "PAUSE", &left, "ALL"].map(str::to_owned);
            ask(&name, &server, watch, &notes, &words);
        });
    }

    /// The server refuses writes with READONLY, or takes them again: it follows a master that is not there, which is the one
    /// thing that has a real server say so. As with every real server that was a replica for a while, its replication id is
    /// another one afterwards.
    pub(super) fn set_read_only(&self, on: bool) {
        self.set(|settings| settings.read_only = on);
        self.command(read_only(on));
    }

    /// The server's memory is full, or no longer.
    pub(super) fn set_full(&self, on: bool) {
        self.set(|settings| settings.full = on);
        self.command(full(on));
    }

    fn set(&self, set: impl FnOnce(&mut Settings)) {
        set(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

const fn read_only(on: bool) -> &'static [&'static str] {
    if on {
        // Nothing listens on port 1.
        &["REPLICAOF", "127.0.0.1", "1"]
    } else {
        &["REPLICAOF", "NO", "ONE"]
    }
}

const fn full(on: bool) -> &'static [&'static str] {
    if on {
        &["CONFIG", "SET", "maxmemory", "1"]
    } else {
        &["CONFIG", "SET", "maxmemory", "0"]
    }
}

fn ask(name: &HostName, server: &RedisServer, watch: Watch, notes: &Notes, words: &[String]) {
    let asked = watch.now();
    let ended = if server.is_running() {
        server
            .try_command(words)
            .map(drop)
            .map_err(|error| error.to_string())
    } else {
        Err("the server was down".to_owned())
    };
    if let Err(error) = ended {
        let words = words.join(" ");
        notes.add(format!("{words} on {name} at {asked}: {error}"));
    }
}

fn carry_out(
    deed: Deed,
    host: &Host,
    server: &RedisServer,
    watch: Watch,
    state: &Mutex<Settings>,
    notes: &Notes,
) {
    match deed {
        Deed::Pause => {
            if !host.is_paused() && server.is_running() {
                server.stop();
            }
            host.pause(watch.now());
        }
        Deed::Resume => {
            host.resume(watch.now());
            if !host.is_paused() && server.is_running() {
                server.cont();
            }
        }
        Deed::Crash {
            power_lost,
            data_lost,
        } => {
            server.kill();
            let emptied = data_lost.then(|| std::fs::remove_dir_all(server.folder().join("data")));
            if let Some(Err(error)) = emptied {
                let name = host.name();
                notes.add(format!("emptying the disk of {name}: {error}"));
            }
            host.crash(watch.now(), power_lost, data_lost);
        }
        Deed::Start => {
            if host.is_up() {
                return;
            }
            if let Err(error) = server.restart() {
                notes.add(format!("starting {} again: {error}", host.name()));
                return;
            }
            let settings = *state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut again: Vec<&[&str]> = Vec::new();
            if settings.lazy {
                again.push(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
            }
            if settings.read_only {
                again.push(read_only(true));
            }
            if settings.full {
                again.push(full(true));
            }
            for words in again {
                let words: Vec<String> = words.iter().map(ToString::to_string).collect();
                ask(host.name(), server, watch, notes, &words);
            }
            host.start(watch.now());
            if host.is_paused() {
                server.stop();
            }
        }
    }
}
