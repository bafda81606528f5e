//! Asking a server about its configuration, over a connection of its own.
//!
//! Nothing here changes anything on the server: commands that write are tried on a key that does not
//! exist, in a form that leaves it so. A user who may not run them hears so all the same, because
//! permissions are looked at first. `ACL DRYRUN` would need a permission of its own.

use std::sync::{Arc, atomic::AtomicBool};

use redis::{Cmd, Pipeline, Value};

use super::{
    connect::{Setup, info_text, open},
    info::field,
    node::Shared,
};
use crate::{
    preflight::{ClockOffset, Forbidden, Persistence, Probe},
    protocol::Reason,
};

/// How many round trips are measured.
const ROUND_TRIPS: usize = 3;

/// The commands that locks need, as ACL rules name them, each with a harmless call. The manual lists
/// the same names; a test compares.
fn needed(shared: &Shared) -> Vec<(&'static str, Cmd)> {
    let key = format!("{}:probe", shared.settings.prefix);
    let keyed = |name: &str, rest: &[&str]| {
        let mut cmd = redis::cmd(name);
        cmd.arg(&key);
        rest.iter().for_each(|word| {
            cmd.arg(word);
        });
        cmd
    };
    let plain = |words: &[&str]| {
        let mut cmd = Cmd::new();
        words.iter().for_each(|word| {
            cmd.arg(word);
        });
        cmd
    };
    let (code, sha) = shared.scripts.harmless();
    vec![
        ("client|id", plain(&["CLIENT", "ID"])),
        ("client|kill", plain(&["CLIENT", "KILL", "ID", NOBODY])),
        ("info", plain(&["INFO", "server"])),
        ("script|load", plain(&["SCRIPT", "LOAD", code])),
        ("evalsha", plain(&["EVALSHA", sha, "1", &key, ""])),
        ("eval", plain(&["EVAL", code, "1", &key, ""])),
        ("get", keyed("GET", &[])),
        // Only if it exists.
        ("set", keyed("SET", &["", "XX", "PX", "1"])),
        ("del", keyed("DEL", &[])),
        ("pttl", keyed("PTTL", &[])),
        ("pexpire", keyed("PEXPIRE", &["1"])),
        ("type", keyed("TYPE", &[])),
        ("exists", keyed("EXISTS", &[])),
        ("hget", keyed("HGET", &["field"])),
        ("hmget", keyed("HMGET", &["field"])),
        // A value is missing.
        ("hset", keyed("HSET", &["field", "value", "field"])),
        ("hdel", keyed("HDEL", &["field"])),
        ("time", plain(&["TIME"])),
    ]
}

/// The number of no connection: the largest that servers take. Zero is not harmless: before 7.0 it means everybody.
const NOBODY: &str = "9223372036854775807";

/// Locks work without it; see the module of connections.
const OPTIONAL: &str = "client|kill";

/// Asks the server of `shared`.
pub(super) async fn probe(shared: Arc<Shared>) -> Result<Probe, Reason> {
    let mut setup = open(Arc::clone(&shared), &AtomicBool::new(false)).await?;
    let mut probe = Probe::default();
    measure(&shared, &mut setup, &mut probe).await?;
    describe(&mut setup, &mut probe).await?;
    let commands = needed(&shared);
    let mut pipe = Pipeline::with_capacity(commands.len());
    for (_, command) in &commands {
        pipe.add_command(command.clone());
    }
    let replies = setup.exchange(&pipe).await?;
    for ((command, _), reply) in commands.iter().zip(&replies) {
        if is_forbidden(reply) {
            let forbidden = Forbidden::new((*command).to_owned(), *command == OPTIONAL);
            probe.forbidden.push(forbidden);
        }
    }
    Ok(probe)
}

/// Round trips, and the server's clock against ours at the middle of the shortest.
async fn measure(shared: &Shared, setup: &mut Setup, probe: &mut Probe) -> Result<(), Reason> {
    for _ in 0..ROUND_TRIPS {
        let mut pipe = Pipeline::new();
        pipe.cmd("TIME");
        let (sent, ours) = (shared.now(), shared.runtime.wall_micros());
        let replies = setup.exchange(&pipe).await?;
        let round_trip = shared.now().saturating_sub(sent);
        if probe.round_trip.is_some_and(|best| best <= round_trip) {
            continue;
        }
        probe.round_trip = Some(round_trip);
        let half = u64::try_from((round_trip / 2).as_micros()).unwrap_or(u64::MAX);
        let ours = ours.saturating_add(half);
        probe.clock = replies
            .first()
            .and_then(read_time)
            .map(|theirs| ClockOffset::between(theirs, ours));
    }
    Ok(())
}

async fn describe(setup: &mut Setup, probe: &mut Probe) -> Result<(), Reason> {
    let mut pipe = Pipeline::new();
    for section in ["server", "replication", "memory", "persistence"] {
        pipe.cmd("INFO").arg(section);
    }
    pipe.cmd("CONFIG").arg("GET").arg("appendfsync");
    let replies = setup.exchange(&pipe).await?;
    let find = |section: usize, name: &str| {
        let text = replies.get(section).and_then(|reply| info_text(reply).ok());
        text.and_then(|text| field(text, name)).map(str::to_owned)
    };
    probe.version = find(0, "redis_version");
    probe.run_id = find(0, "run_id");
    probe.mode = find(0, "redis_mode");
    probe.role = find(1, "role");
    probe.replicas = find(1, "connected_slaves").and_then(|count| count.parse().ok());
    probe.eviction_policy = find(2, "maxmemory_policy");
    let fsync = replies.get(4).and_then(read_setting);
    probe.persistence = find(3, "aof_enabled").map(|enabled| match (&*enabled, fsync.as_deref()) {
        ("0", _) => Persistence::None,
        (_, Some("always")) => Persistence::Always,
        (_, Some(_)) => Persistence::Later,
        (_, None) => Persistence::Unknown,
    });
    Ok(())
}

fn is_forbidden(reply: &Value) -> bool {
    matches!(reply, Value::ServerError(error) if error.code() == "NOPERM")
}

fn read_time(reply: &Value) -> Option<u64> {
    let (seconds, micros): (u64, u64) = redis::from_redis_value_ref(reply).ok()?;
    seconds.checked_mul(1_000_000)?.checked_add(micros)
}

/// The value in a reply to CONFIG GET.
fn read_setting(reply: &Value) -> Option<String> {
    let settings: Vec<(String, String)> = redis::from_redis_value_ref(reply).ok()?;
    settings.into_iter().next().map(|(_, value)| value)
}
