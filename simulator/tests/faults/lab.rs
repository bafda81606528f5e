//! Worlds in which measurements are exact, and a shared notebook for them.

use std::{cell::RefCell, future::Future, rc::Rc, time::Duration};

use redlock::Runtime as _;
use simulator::{
    TrueTime,
    history::{Event, EventKind, History, NodeChange},
    network::Latency,
    plan::Plan,
    workload::Session,
    world::{ClientProgram, ClockErrors, Run, World, WorldConfig},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The latency of every link, in milliseconds.
pub(crate) const LATENCY: u64 = 10;

/// Exact clocks, constant latency, one node, no liveness phase to speak of.
pub(crate) fn config(clients: usize) -> WorldConfig {
    WorldConfig {
        nodes: 1,
        clients,
        latency: Latency::constant(LATENCY * 1_000),
        clocks: ClockErrors {
            rate_error_ppm: 0,
            wall_offset_us: 0,
            ..ClockErrors::default()
        },
        safety_ms: 8_000,
        liveness_ms: 500,
        ..WorldConfig::default()
    }
}

/// A plan out of `[[fault]]` tables; nothing goes wrong if there are none.
pub(crate) fn plan(faults: &str) -> Plan {
    Plan::parse("plan.toml", faults).unwrap_or_else(|error| panic!("{error}"))
}

/// One fault: its kind and fields, from `start_ms` for `duration_ms` (0: at once).
pub(crate) fn fault(kind: &str, fields: &str, start_ms: u64, duration_ms: u64) -> String {
    let mut text = format!("[[fault]]\nkind='{kind}'\n{fields}\nstart_ms={start_ms}\n");
    if duration_ms > 0 {
        text += &format!("duration_ms={duration_ms}\n");
    }
    text
}

/// Runs `program` on every client host; nothing of it may go wrong.
pub(crate) fn run<F, Fut>(config: WorldConfig, faults: &str, program: F) -> Run
where
    F: Fn(Session) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let run = World::new(config, plan(faults), 7)
        .with_program(program_of(program))
        .run();
    assert!(run.failure.is_none(), "{run}");
    run
}

/// As clients want them.
pub(crate) fn program_of<F, Fut>(program: F) -> ClientProgram
where
    F: Fn(Session) -> Fut + 'static,
    Fut: Future<Output = ()> + 'static,
{
    Rc::new(move |session| Box::pin(program(session)))
}

/// True time in whole milliseconds.
pub(crate) fn ms(at: TrueTime) -> u64 {
    at.as_nanos() / 1_000_000
}

/// What programs took down, in the order in which they did. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Notes<T>(Rc<RefCell<Vec<T>>>);

impl<T> Default for Notes<T> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<T> Notes<T> {
    pub(crate) fn push(&self, note: T) {
        self.0.borrow_mut().push(note);
    }

    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }
}

/// Waits until true time is at least `at_ms`, on the host's timers.
pub(crate) async fn until(session: &Session, at_ms: u64) {
    let process = session.process();
    while ms(process.true_time()) < at_ms {
        let left = at_ms - ms(process.true_time());
        process.runtime().sleep(Duration::from_millis(left)).await;
    }
}

pub(crate) async fn pause_ms(session: &Session, ms: u64) {
    session
        .process()
        .runtime()
        .sleep(Duration::from_millis(ms))
        .await;
}

/// The name of the host that the session is on.
pub(crate) fn name(session: &Session) -> String {
    session.process().host().name().to_string()
}

/// Says `command` to a node over a connection of its own, and returns what it answers in one segment.
pub(crate) async fn ask(session: &Session, node: &str, command: &str) -> std::io::Result<String> {
    let mut stream = session.process().connect(node, 6379).await?;
    ask_on(&mut stream, command).await
}

/// The same over a connection that exists.
pub(crate) async fn ask_on(
    stream: &mut simulator::network::Stream,
    command: &str,
) -> std::io::Result<String> {
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    let mut room = [0; 4096];
    let read = stream.read(&mut room).await?;
    if read == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&room[..read]).trim_end().to_owned())
}

/// The events of one host, with their times in milliseconds.
pub(crate) fn of<'a>(
    history: &'a History,
    host: &'a str,
) -> impl Iterator<Item = (u64, &'a EventKind)> {
    history
        .events()
        .iter()
        .filter(move |event| &*event.host == host)
        .map(|event: &Event| (ms(event.at), &event.kind))
}

/// How a node's state changed, with times in milliseconds.
pub(crate) fn changes(history: &History, node: &str) -> Vec<(u64, NodeChange)> {
    of(history, node)
        .filter_map(|(at, kind)| match kind {
            EventKind::Node { change, .. } => Some((at, change.clone())),
            _ => None,
        })
        .collect()
}
