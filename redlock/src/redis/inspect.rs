//! Looking at a node's guard record, and changing it on demand.

use std::time::Duration;

use redis::{Cmd, Value};

use super::{info::ServerInfo, node::Shared, reply};
use crate::{
    node::{GuardState, Inspection, NodeFacts},
    protocol::{OwnerToken, Reason},
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
            let mut random = [0; OwnerToken::RANDOM_BYTES];
            shared.runtime.fill_random(&mut random);
            let random = OwnerToken::from_random(random);
            scripts.replace_settings(&server.identity, random.as_str())
        }
    })
}

/// The facts that go with a guard state.
pub(super) fn facts(server: &ServerInfo, guard: GuardState) -> NodeFacts {
    NodeFacts::new(
        server.version.to_string(),
        server.identity.to_string(),
        guard,
    )
}

/// Reads the reply to an inspection.
pub(super) fn read(
    shared: &Shared,
    server: &ServerInfo,
    value: &Value,
) -> Result<NodeFacts, Reason> {
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
    let guard = match (word, rest) {
        ("ok", []) => GuardState::Admitted,
        ("absent", []) => GuardState::Absent,
        ("quarantined", [left]) => GuardState::Quarantined {
            remaining: reply::millis(left).ok_or_else(unreadable)?,
        },
        ("record", [settings, identity, candidate, left]) => {
            let settings = reply::text(settings).ok_or_else(unreadable)?;
            let identity = reply::text(identity).ok_or_else(unreadable)?;
            let candidate = reply::text(candidate).ok_or_else(unreadable)?;
            let Value::Int(left) = left else {
                return Err(unreadable());
            };
            state(shared, server, settings, identity, candidate, *left)
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
    Ok(facts(server, guard))
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
        // A key that is gone (−2) has ended: the next acquisition admits the node.
        u64::try_from(left).map_or(Duration::ZERO, Duration::from_millis)
    } else {
        shared.settings.max_ttl
    };
    GuardState::Quarantined { remaining }
}
