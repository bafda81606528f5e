//! The nodes: redis-server processes, as the supervisor holds them.

use std::{
    fs,
    io::ErrorKind,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redlock_testkit::RedisServer;
use simulator::{
    TrueTime,
    clock::{ClockName, Disturbance},
    host::Host,
};

use super::{clocks::Change, faketime::FakeClock, notes::Notes, watch::Watch};

/// One node. Its state is the simulator's [`Host`], which records what is done to it; the server follows.
///
/// What is done takes milliseconds, so each node has two threads that do it in order: one for its process, and one for what is
/// asked of the server, which a stopped process answers late.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) host: Arc<Host>,
    body: Body,
    process: Line,
    commands: Line,
}

/// What the threads of a node work on.
#[derive(Clone, Debug)]
struct Body {
    host: Arc<Host>,
    server: Arc<RedisServer>,
    /// Its wall clock, when that can be wrong.
    clock: Option<Arc<FakeClock>>,
    watch: Watch,
    notes: Notes,
    /// What the server is told again when it starts again.
    settings: Arc<Mutex<Settings>>,
}

/// What is set on a server, and forgotten by it in a restart.
#[derive(Clone, Copy, Debug, Default)]
struct Settings {
    read_only: bool,
    full: bool,
    lazy: bool,
    /// Where it reaches its master, if it has one.
    follows: Option<u16>,
}

/// What is done to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Its clocks change their course.
    Clocks(Vec<ClockName>, Change),
    /// SIGSTOP, and these clocks stand still.
    Pause(&'static [ClockName]),
    /// SIGCONT, and they go on.
    Resume(&'static [ClockName]),
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
        clock: Option<Arc<FakeClock>>,
        lazy_expiry_only: bool,
        watch: Watch,
        notes: Notes,
    ) -> Self {
        let settings = Settings {
            lazy: lazy_expiry_only,
            ..Settings::default()
        };
        let body = Body {
            host: host.clone(),
            server: Arc::new(server),
            clock,
            watch,
            notes,
            settings: Arc::new(Mutex::new(settings)),
        };
        body.set_clock();
        body.set_again(settings);
        Self {
            host,
            body,
            process: Line::new(),
            commands: Line::new(),
        }
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        self.body.server.port()
    }

    /// Does something to the process, after all that was to be done before.
    pub(super) fn does(&self, deed: Deed) {
        let body = self.body.clone();
        self.process.queue(move || body.does(deed));
    }

    /// Has the server's wall clock show what the host's does: now and then for one that drifts. Changes see to it themselves.
    pub(super) fn set_clock(&self) {
        self.body.set_clock();
    }

    /// Whether it has a clock that can be wrong.
    pub(super) const fn has_a_clock(&self) -> bool {
        self.body.clock.is_some()
    }

    /// Waits until everything is done that was to be done.
    pub(super) fn settle(&self, patience: Duration) -> bool {
        self.process.settle(patience) && self.commands.settle(patience)
    }

    /// Says so if its process ended although nobody killed it.
    pub(super) fn look_whether_it_lives(&self) {
        self.body.look_whether_it_lives();
    }

    /// Asks something of the server; what it does not do is noted.
    pub(super) fn command(&self, words: &[&str]) {
        let body = self.body.clone();
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        self.commands.queue(move || body.ask(&words));
    }

    /// The server answers nobody until then. It is told for how long in advance: a server whose clients are all paused hears
    /// no command that ends it.
    pub(super) fn pause_clients(&self, until: TrueTime) {
        let body = self.body.clone();
        self.commands.queue(move || {
            let left = body.watch.until(until).as_millis().to_string();
            body.ask(&["CLIENT", "PAUSE", &left, "ALL"].map(str::to_owned));
        });
    }

    /// The server refuses writes with READONLY, or takes them again: it follows a master that is not there, which is the one
    /// thing that has a real server say so. As with every real server that was a replica for a while, its replication id is
    /// another one afterwards.
    pub(super) fn set_read_only(&self, on: bool) {
        self.body.set(|settings| settings.read_only = on);
        self.command(read_only(on));
    }

    /// The server becomes the replica of whoever listens on this port, or a master; its clients are disconnected, as a Sentinel does.
    pub(super) fn follow(&self, port: Option<u16>) {
        self.body.set(|settings| settings.follows = port);
        let body = self.body.clone();
        self.commands.queue(move || {
            body.ask(&follow(port));
            body.ask(&["CLIENT", "KILL", "TYPE", "normal"].map(str::to_owned));
        });
    }

    /// Whether it is a replica that has all that its master has.
    pub(super) async fn is_synchronised(&self) -> bool {
        let server = self.body.server.clone();
        let asked = move || server.info("master_link_status");
        let status = tokio::task::spawn_blocking(asked).await;
        status.is_ok_and(|status| status.as_deref() == Some("up"))
    }

    /// The server's memory is full, or no longer.
    pub(super) fn set_full(&self, on: bool) {
        self.body.set(|settings| settings.full = on);
        self.command(full(on));
    }
}

impl Body {
    fn set(&self, set: impl FnOnce(&mut Settings)) {
        set(&mut self.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn set_clock(&self) {
        let set = self.clock.as_ref();
        if let Some(Err(error)) = set.map(|clock| clock.follow(&self.host, self.watch)) {
            let name = self.host.name();
            self.notes
                .not_made(format!("setting the clock of {name}: {error}"));
        }
    }

    /// A server that is down cannot be asked, in the simulator neither. What one that is up does not do is not made.
    fn ask(&self, words: &[String]) {
        let told = |why: &str| {
            let (words, name) = (words.join(" "), self.host.name());
            format!("{words} on {name}: {why}")
        };
        let was_up = self.server.is_running();
        let answer = was_up.then(|| self.server.try_command(words));
        match answer {
            Some(Ok(_)) => {}
            Some(Err(error)) if self.server.is_running() => {
                self.notes.not_made(told(&error.to_string()));
            }
            Some(Err(_)) | None => self.notes.nearly(told("the server was down")),
        }
    }

    /// A server that nobody killed is there. One that is not makes the run another one than the plan's.
    fn look_whether_it_lives(&self) {
        if self.host.is_up() && !self.server.is_running() {
            let name = self.host.name();
            self.notes
                .not_made(format!("redis-server of {name} ended by itself"));
        }
    }

    /// A server that starts knows nothing of what was set.
    fn set_again(&self, settings: Settings) {
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
            self.ask(&words);
        }
        if settings.follows.is_some() {
            self.ask(&follow(settings.follows));
        }
    }

    fn does(&self, deed: Deed) {
        self.look_whether_it_lives();
        match deed {
            Deed::Clocks(clocks, change) => {
                change.make(&self.host, self.watch.now(), &clocks);
                self.set_clock();
            }
            Deed::Pause(frozen) => self.pause(frozen),
            Deed::Resume(frozen) => self.resume(frozen),
            Deed::Crash {
                power_lost,
                data_lost,
            } => self.crash(power_lost, data_lost),
            Deed::Start => self.start(),
        }
    }

    fn pause(&self, frozen: &[ClockName]) {
        if !self.host.is_paused() && self.server.is_running() {
            self.server.stop();
        }
        let now = self.watch.now();
        self.host.pause(now);
        Change::Disturb(Disturbance::Freeze).make(&self.host, now, frozen);
        self.set_clock();
    }

    fn resume(&self, frozen: &[ClockName]) {
        let now = self.watch.now();
        Change::Calm(Disturbance::Freeze).make(&self.host, now, frozen);
        self.set_clock();
        self.host.resume(now);
        if !self.host.is_paused() && self.server.is_running() {
            self.server.cont();
        }
    }

    fn crash(&self, power_lost: bool, data_lost: bool) {
        self.server.kill();
        if data_lost {
            let emptied = fs::remove_dir_all(self.server.folder().join("data"));
            // One that is down already may have lost its disk before.
            let failed = emptied
                .err()
                .filter(|error| error.kind() != ErrorKind::NotFound);
            if let Some(error) = failed {
                let name = self.host.name();
                self.notes
                    .not_made(format!("emptying the disk of {name}: {error}"));
            }
        }
        self.host.crash(self.watch.now(), power_lost, data_lost);
    }

    fn start(&self) {
        if self.host.is_up() {
            return;
        }
        if let Err(error) = self.server.restart() {
            let name = self.host.name();
            self.notes
                .not_made(format!("starting {name} again: {}", in_a_line(&error)));
            return;
        }
        self.set_again(*self.settings.lock().unwrap_or_else(PoisonError::into_inner));
        self.host.start(self.watch.now());
        if self.host.is_paused() {
            self.server.stop();
        }
    }
}

/// What went wrong, and the last line of the log that may come with it.
fn in_a_line(error: &redlock_testkit::Error) -> String {
    let text = error.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    match lines.next_back() {
        Some(last) => format!("{first} {last}"),
        None => first.to_owned(),
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

fn follow(port: Option<u16>) -> [String; 3] {
    match port {
        Some(port) => ["REPLICAOF", "127.0.0.1", &port.to_string()].map(str::to_owned),
        None => ["REPLICAOF", "NO", "ONE"].map(str::to_owned),
    }
}

const fn full(on: bool) -> &'static [&'static str] {
    if on {
        &["CONFIG", "SET", "maxmemory", "1"]
    } else {
        &["CONFIG", "SET", "maxmemory", "0"]
    }
}
