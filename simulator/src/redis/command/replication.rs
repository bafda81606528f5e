//! Masters and replicas.

use super::{Call, SYNTAX, is};
use crate::redis::{
    number,
    replication::{Master, MasterLink},
    reply::{Outcome, Reply},
};

pub(super) fn replicaof(call: &mut Call<'_>) -> Outcome {
    if is(call.word(1), "no") && is(call.word(2), "one") {
        call.state.follow(None);
        return Ok(Reply::OK);
    }
    let port = number::parse(call.word(2)).and_then(|port| u16::try_from(port).ok());
    let master = Master {
        host: String::from_utf8_lossy(call.word(1)).into_owned(),
        port: port.ok_or("ERR Invalid master port")?,
    };
    if call.state.replication.master.as_ref() == Some(&master) {
        return Ok(Reply::status("OK Already connected to specified master"));
    }
    call.state.follow(Some(master));
    Ok(Reply::OK)
}

pub(super) fn role(call: &mut Call<'_>) -> Outcome {
    let replication = &call.state.replication;
    let offset = i64::try_from(replication.offset).unwrap_or(i64::MAX);
    if let Some(master) = &replication.master {
        let is_connected = replication.link == MasterLink::Connected;
        return Ok(Reply::Array(vec![
            Reply::bulk("slave"),
            Reply::bulk(&master.host),
            Reply::Int(master.port.into()),
            Reply::bulk(replication.link.name()),
            Reply::Int(if is_connected { offset } else { -1 }),
        ]));
    }
    let role = if call.state.config.replica {
        "slave"
    } else {
        "master"
    };
    let replicas = replication.online().map(|replica| {
        Reply::Array(vec![
            Reply::bulk(&replica.address),
            Reply::bulk(replica.port.to_string()),
            Reply::bulk(replica.acknowledged.to_string()),
        ])
    });
    Ok(Reply::Array(vec![
        Reply::bulk(role),
        Reply::Int(offset),
        Reply::Array(replicas.collect()),
    ]))
}

/// What a replica says of itself: once while it introduces itself, and how far it is ever after, which is not answered.
pub(super) fn replconf(call: &mut Call<'_>) -> Outcome {
    if call.words.len().is_multiple_of(2) {
        return Err(SYNTAX.into());
    }
    let (client, now_us) = (call.session.client_id, call.state.now.monotonic_us);
    for pair in call.rest(1).chunks_exact(2) {
        let [option, value] = pair else { continue };
        let text = String::from_utf8_lossy(value);
        if is(option, "ack") {
            if let Some(replica) = call.state.replication.replicas.get_mut(&client) {
                replica.acknowledged = text.parse().unwrap_or(replica.acknowledged);
                replica.heard_us = now_us;
            }
            return Ok(Reply::Silence);
        }
        let replica =
            |call: &mut Call<'_>, tell: &dyn Fn(&mut crate::redis::replication::Replica)| {
                let replicas = &mut call.state.replication.replicas;
                tell(replicas.entry(client).or_default());
            };
        if is(option, "listening-port") {
            let port = text.parse();
            let port = port.map_err(|_| super::NOT_INTEGER)?;
            replica(call, &|replica| replica.port = port);
        } else if is(option, "ip-address") {
            replica(call, &|replica| replica.address = text.to_string());
        } else if !is(option, "capa") {
            let text = [b"ERR Unrecognized REPLCONF option: ".as_slice(), option];
            return Err(text.concat().into());
        }
    }
    Ok(Reply::OK)
}

/// Always answered with a full copy: nobody keeps the stream of the past.
pub(super) fn psync(call: &mut Call<'_>) -> Outcome {
    let replication = &call.state.replication;
    if replication.master.is_some() && replication.link != MasterLink::Connected {
        return Err("NOMASTERLINK Can't SYNC while not connected with my master".into());
    }
    Ok(Reply::Written(call.state.full_copy(call.session.client_id)))
}

/// The configuration file then has what CONFIG SET and REPLICAOF changed: the next process follows the same master.
pub(super) fn rewrite(call: &mut Call<'_>) -> Outcome {
    call.state.config.replica_of = call.state.replication.master.clone();
    Ok(Reply::OK)
}
