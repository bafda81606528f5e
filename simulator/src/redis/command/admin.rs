//! What operators ask.

use super::{Call, is};
use crate::redis::{
    info,
    reply::{Outcome, Reply},
};

pub(super) fn info(call: &mut Call<'_>) -> Outcome {
    if call.words.len() > 2 && !call.is_7() {
        return Err(super::SYNTAX.into());
    }
    let sections: Vec<_> = call
        .rest(1)
        .iter()
        .map(|word| String::from_utf8_lossy(word).to_ascii_lowercase())
        .collect();
    Ok(Reply::Text(info::text(call.state, &sections).into_bytes()))
}

pub(super) fn time(call: &mut Call<'_>) -> Outcome {
    let now = call.state.now.wall_us;
    let parts = [now / 1_000_000, now % 1_000_000];
    Ok(Reply::Array(
        parts.map(|part| Reply::bulk(part.to_string())).into(),
    ))
}

/// How many replicas are known to have everything. The answer comes at once, so that the server needs no timer per client.
pub(super) fn wait(call: &mut Call<'_>) -> Outcome {
    call.integer(1)?;
    let timeout = crate::redis::number::parse(call.word(2));
    let timeout = timeout.ok_or("ERR timeout is not an integer or out of range")?;
    if timeout < 0 {
        return Err("ERR timeout is negative".into());
    }
    if call.state.is_replica() {
        return Err("ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.".into());
    }
    let replication = &call.state.replication;
    let have = replication.online();
    let have = have.filter(|replica| replica.acknowledged >= replication.offset);
    Ok(Reply::size(have.count()))
}

pub(super) fn publish(_: &mut Call<'_>) -> Outcome {
    Ok(Reply::Int(0))
}

pub(super) fn no_cluster(_: &mut Call<'_>) -> Outcome {
    Err("ERR This instance has cluster support disabled".into())
}

pub(super) fn save(call: &mut Call<'_>) -> Outcome {
    call.state.save();
    Ok(Reply::OK)
}

/// For tests: an expired key is then only deleted when somebody asks for it.
pub(super) fn set_active_expire(call: &mut Call<'_>) -> Outcome {
    call.state.config.lazy_expiry_only = is(call.word(2), "0");
    Ok(Reply::OK)
}
