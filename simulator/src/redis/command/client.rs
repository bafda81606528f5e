//! CLIENT: connections as their server sees them.

use super::{Call, SYNTAX, c_string, is};
use crate::redis::{
    number,
    reply::{Failure, Outcome, Reply},
    session::Muted,
    state::Pause,
};

pub(super) fn check_name(name: &[u8]) -> Result<(), Failure> {
    if name.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        return Ok(());
    }
    Err("ERR Client names cannot contain spaces, newlines or special characters.".into())
}

/// Gives the connection a name, also where others see it.
pub(super) fn rename(call: &mut Call<'_>, name: Vec<u8>) {
    if let Some(entry) = call.state.clients.get_mut(&call.session.client_id) {
        entry.name.clone_from(&name);
    }
    call.session.name = name;
}

pub(super) fn id(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::Int(
        i64::try_from(call.session.client_id).unwrap_or(i64::MAX),
    ))
}

pub(super) fn setname(call: &mut Call<'_>) -> Outcome {
    check_name(call.word(2))?;
    let name = call.word(2).to_vec();
    rename(call, name);
    Ok(Reply::OK)
}

pub(super) fn getname(call: &mut Call<'_>) -> Outcome {
    let name = Some(&call.session.name).filter(|name| !name.is_empty());
    Ok(Reply::bulk_or_nil(name))
}

/// A line about a connection, with the fields that people look at.
fn line(call: &Call<'_>, id: u64) -> Vec<u8> {
    let Some(entry) = call.state.clients.get(&id) else {
        return Vec::new();
    };
    let age = call.state.now.wall_us.saturating_sub(entry.since_us) / 1_000_000;
    let mut line = format!(
        "id={id} addr={} laddr=127.0.0.1:6379 fd=8 name=",
        entry.address
    )
    .into_bytes();
    line.extend_from_slice(&entry.name);
    line.extend_from_slice(
        format!(" age={age} idle=0 flags=N db=0 sub=0 psub=0 multi=-1 user=default\n").as_bytes(),
    );
    line
}

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::Text(line(call, call.session.client_id)))
}

pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    if call.words.len() > 2 {
        return Err(SYNTAX.into());
    }
    let lines = call.state.clients.keys().map(|id| line(call, *id));
    Ok(Reply::Text(lines.collect::<Vec<_>>().concat()))
}

/// Which connections a CLIENT KILL means.
#[derive(Default)]
struct Filter {
    id: Option<u64>,
    address: Option<String>,
    /// Only replicas, or none of them.
    replicas: Option<bool>,
    /// The kind or the user named is none that any connection has.
    nobody: bool,
    spare_me: bool,
}

impl Filter {
    fn read(call: &Call<'_>) -> Result<Self, Failure> {
        let mut filter = Self {
            spare_me: true,
            ..Self::default()
        };
        for pair in call.rest(2).chunks(2) {
            let [name, value] = pair else {
                return Err(SYNTAX.into());
            };
            if is(name, "id") {
                // To 6.2 zero is no filter at all: it ends all others.
                filter.id = Some(client_id(call, value)?).filter(|id| *id > 0);
            } else if is(name, "addr") {
                filter.address = Some(String::from_utf8_lossy(value).into_owned());
            } else if is(name, "type") {
                let known = ["normal", "master", "slave", "replica", "pubsub"];
                if !known.iter().any(|kind| is(value, kind)) {
                    let text = [
                        b"ERR Unknown client type '".as_slice(),
                        c_string(value),
                        b"'",
                    ];
                    return Err(text.concat().into());
                }
                let replicas = is(value, "slave") || is(value, "replica");
                filter.replicas = Some(replicas);
                filter.nobody |= !is(value, "normal") && !replicas;
            } else if is(name, "user") {
                if value != b"default" {
                    return Err([b"ERR No such user '".as_slice(), c_string(value), b"'"]
                        .concat()
                        .into());
                }
            } else if is(name, "skipme") && is(value, "yes") {
                filter.spare_me = true;
            } else if is(name, "skipme") && is(value, "no") {
                filter.spare_me = false;
            } else {
                return Err(SYNTAX.into());
            }
        }
        Ok(filter)
    }
}

fn client_id(call: &Call<'_>, value: &[u8]) -> Result<u64, Failure> {
    let number = number::parse(value);
    if call.is_7() {
        let positive = number
            .and_then(|id| u64::try_from(id).ok())
            .filter(|id| *id > 0);
        return positive.ok_or_else(|| "ERR client-id should be greater than 0".into());
    }
    let number = number.ok_or(super::NOT_INTEGER)?;
    Ok(u64::from_ne_bytes(number.to_ne_bytes()))
}

pub(super) fn kill(call: &mut Call<'_>) -> Outcome {
    let me = call.session.client_id;
    if let [_, _, address] = call.words {
        let found = call
            .state
            .clients
            .iter()
            .find(|(_, entry)| entry.address.as_bytes() == address);
        let id = *found.ok_or("ERR No such client")?.0;
        end(call, id);
        return Ok(Reply::OK);
    }
    if call.words.len() < 3 {
        return Err(SYNTAX.into());
    }
    let filter = Filter::read(call)?;
    let matches = |(id, entry): &(&u64, &crate::redis::state::ClientEntry)| {
        filter.id.is_none_or(|wanted| wanted == **id)
            && filter
                .address
                .as_ref()
                .is_none_or(|wanted| *wanted == entry.address)
            && !(filter.spare_me && **id == me)
            && filter
                .replicas
                .is_none_or(|wanted| wanted == call.state.replication.replicas.contains_key(id))
            && !filter.nobody
    };
    let ids: Vec<_> = call
        .state
        .clients
        .iter()
        .filter(matches)
        .map(|(id, _)| *id)
        .collect();
    for id in &ids {
        end(call, *id);
    }
    Ok(Reply::size(ids.len()))
}

fn end(call: &mut Call<'_>, id: u64) {
    if id == call.session.client_id {
        call.session.closing = true;
    } else {
        // Nobody sees it any more, though its host hears of it only after the requests that are under way.
        call.state.clients.remove(&id);
        call.state.killed.insert(id);
    }
}

pub(super) fn pause(call: &mut Call<'_>) -> Outcome {
    let all = match call.words {
        [_, _, _] => true,
        [_, _, _, mode] if is(mode, "all") => true,
        [_, _, _, mode] if is(mode, "write") => false,
        [_, _, _, _] => return Err("ERR CLIENT PAUSE mode must be WRITE or ALL".into()),
        _ => return Err(super::dispatch::misused(call.words, "client", call.is_7())),
    };
    let length =
        number::parse(call.word(2)).ok_or("ERR timeout is not an integer or out of range")?;
    if length < 0 {
        return Err("ERR timeout is negative".into());
    }
    let now_ms = call.state.now.wall_ms();
    let until_ms = now_ms
        .checked_add(length)
        .ok_or("ERR timeout is out of range")?;
    let earlier = call.state.paused();
    let longest = earlier.map_or(until_ms, |pause| pause.until_ms.max(until_ms));
    // A pause of everything is not weakened by one of writes.
    let all = all || earlier.is_some_and(|pause| pause.all);
    call.state.pause = Some(Pause {
        until_ms: longest,
        all,
    });
    Ok(Reply::OK)
}

pub(super) fn unpause(call: &mut Call<'_>) -> Outcome {
    call.state.pause = None;
    Ok(Reply::OK)
}

pub(super) fn reply(call: &mut Call<'_>) -> Outcome {
    let mode = call.word(2);
    let muted = match () {
        () if is(mode, "on") => Muted::No,
        () if is(mode, "off") => Muted::Always,
        () if is(mode, "skip") && call.session.muted == Muted::No => Muted::Next,
        () if is(mode, "skip") => call.session.muted,
        () => return Err(SYNTAX.into()),
    };
    call.session.muted = muted;
    Ok(if muted == Muted::No {
        Reply::OK
    } else {
        Reply::Silence
    })
}

pub(super) fn no_evict(call: &mut Call<'_>) -> Outcome {
    if is(call.word(2), "on") || is(call.word(2), "off") {
        return Ok(Reply::OK);
    }
    Err(SYNTAX.into())
}
