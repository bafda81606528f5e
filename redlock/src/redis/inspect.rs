//! Looking at a node's guard record, and changing it on demand.

use std::{collections::BTreeMap, time::Duration};

use redis::{Cmd, Pipeline, Value};

use super::{
    connect::info_text,
    info::{ServerInfo, read_memory, read_replication},
    node::Shared,
    reply::{self, Quarantine},
};
use crate::{
    node::{GuardState, Inspection, NodeFacts},
    protocol::Reason,
};

/// The command for an inspection; `None` when the cluster keeps no record and there is nothing to do.
pub(super) fn command(what: Inspection, shared: &Shared, server: &ServerInfo) -> Option<Cmd> {
    if !shared.settings.keeps_record() {
        return None;
    }
    let scripts = &shared.scripts;
    Some(match what {
        Inspection::Look => scripts.look(),
        Inspection::AdmitNew => scripts.admit(&server.identity),
        Inspection::ReplaceSettings => {
            scripts.replace_settings(&server.identity, shared.random().as_str())
        }
    })
}

/// What this client knows about a node when it writes to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing<'a> {
    /// The nonce of a quarantine that was measured to its end, or empty.
    pub(super) proof: &'a str,
    /// Whether the node had a guard record when this client last heard of it.
    pub(super) known: bool,
    /// Per stripe, a counter that the node has reached.
    pub(super) seen: &'a BTreeMap<u32, u64>,
}

/// How many commands [`look`] adds.
pub(super) fn look_count(shared: &Shared) -> usize {
    2 + usize::from(shared.settings.restart_guard)
}

/// Adds the commands of a look that nobody asked for.
pub(super) fn look(
    pipe: &mut Pipeline,
    shared: &Shared,
    server: &ServerInfo,
    standing: &Standing<'_>,
) {
    pipe.cmd("INFO").arg("replication");
    pipe.cmd("INFO").arg("memory");
    if shared.settings.restart_guard {
        let random = shared.random();
        let scripts = &shared.scripts;
        let Standing { proof, known, .. } = *standing;
        let watch = scripts.watch(&server.identity, proof, known, random.as_str());
        pipe.add_command(watch);
    }
}

/// Whether the server is still what it was when the connection was made.
pub(super) fn check_look(
    shared: &Shared,
    server: &ServerInfo,
    replication: &Value,
    memory: &Value,
) -> Result<(), Reason> {
    read_memory(info_text(memory)?)?;
    let settings = &shared.settings;
    let replication = info_text(replication)?;
    let identity = read_replication(&server.run_id, replication, settings.allows_replicas())?;
    if settings.restart_guard && identity != server.identity {
        return Err(Reason::IdentityChanged);
    }
    Ok(())
}

/// The facts that go with a guard state.
pub(super) fn facts(server: &ServerInfo, guard: GuardState) -> NodeFacts {
    NodeFacts::new(
        server.version.to_string(),
        server.identity.to_string(),
        guard,
    )
}

/// What an inspection found.
pub(super) struct Inspected {
    pub(super) facts: NodeFacts,
    /// The quarantine that is under way.
    pub(super) quarantine: Option<Quarantine>,
}

/// Reads the reply to an inspection.
pub(super) fn read(
    shared: &Shared,
    server: &ServerInfo,
    value: &Value,
) -> Result<Inspected, Reason> {
    if let Value::ServerError(error) = value {
        let text = reply::error_text(error);
        return Err(match error.code() {
            "LOADING" => Reason::Loading,
            "READONLY" => Reason::Replica,
            "NOAUTH" => Reason::Credentials(text),
            "NOPERM" => Reason::Forbidden(text),
            _ => Reason::Server(text),
        });
    }
    let unreadable = || Reason::Unreadable(reply::shape(value));
    let (word, rest) = reply::words(value).ok_or_else(unreadable)?;
    let mut quarantine = None;
    let guard = match (word, rest) {
        ("ok", []) => GuardState::Admitted,
        ("absent", []) => GuardState::Absent,
        ("quarantined", _) => {
            let heard = reply::read_quarantine(value).ok_or_else(unreadable)?;
            let remaining = heard.left;
            quarantine = Some(heard);
            GuardState::Quarantined { remaining }
        }
        ("record", [settings, identity, candidate, left, nonce, length]) => {
            let settings = reply::text(settings).ok_or_else(unreadable)?;
            let identity = reply::text(identity).ok_or_else(unreadable)?;
            let candidate = reply::text(candidate).ok_or_else(unreadable)?;
            let Value::Int(left) = left else {
                return Err(unreadable());
            };
            let state = state(shared, server, settings, identity, candidate, *left);
            if matches!(state, GuardState::Quarantined { .. }) && candidate == &*server.identity {
                // A key that is gone (−2) has ended on the node's clock.
                quarantine = reply::quarantine(&Value::Int((*left).max(0)), nonce, length);
            }
            state
        }
        ("stale", []) => return Err(Reason::IdentityChanged),
        ("exists", []) => {
            return Err(Reason::Server(
                "it has a guard record already, so it is not new".into(),
            ));
        }
        ("damaged", [what]) => {
            let what = reply::text(what).ok_or_else(unreadable)?;
            return Err(Reason::DamagedGuard(what.into()));
        }
        _ => return Err(unreadable()),
    };
    Ok(Inspected {
        facts: facts(server, guard),
        quarantine,
    })
}

fn state(
    shared: &Shared,
    server: &ServerInfo,
    settings: &str,
    identity: &str,
    candidate: &str,
    left: i64,
) -> GuardState {
    if settings.is_empty() {
        return GuardState::Absent;
    }
    if settings != shared.settings.to_string() {
        return GuardState::OtherSettings {
            stored: settings.to_owned(),
        };
    }
    if !shared.settings.restart_guard || identity == &*server.identity {
        return GuardState::Admitted;
    }
    let remaining = if candidate == &*server.identity {
        u64::try_from(left).map_or(Duration::ZERO, Duration::from_millis)
    } else {
        shared.settings.max_ttl
    };
    GuardState::Quarantined { remaining }
}
