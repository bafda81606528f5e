//! MULTI and WATCH.

use super::{Call, dispatch};
use crate::redis::{
    binary::Binary,
    reply::{Outcome, Reply},
    session::Transaction,
};

pub(super) fn multi(call: &mut Call<'_>) -> Outcome {
    if call.session.transaction.is_some() {
        return Err("ERR MULTI calls can not be nested".into());
    }
    call.session.transaction = Some(Transaction::default());
    Ok(Reply::OK)
}

/// Ends the transaction and forgets what was watched.
pub(in crate::redis) fn abandon(call: &mut Call<'_>) -> Option<Transaction> {
    forget_watched(call);
    call.session.transaction.take()
}

fn forget_watched(call: &mut Call<'_>) {
    let client = call.session.client_id;
    for (db, key, _) in call.session.watched.drain(..) {
        call.state.unwatch(client, db, &key);
    }
    call.state.dirty_clients.remove(&client);
}

pub(super) fn discard(call: &mut Call<'_>) -> Outcome {
    if call.session.transaction.is_none() {
        return Err("ERR DISCARD without MULTI".into());
    }
    abandon(call);
    Ok(Reply::OK)
}

pub(super) fn watch(call: &mut Call<'_>) -> Outcome {
    if call.session.transaction.is_some() {
        return Err("ERR WATCH inside MULTI is not allowed".into());
    }
    let (client, db) = (call.session.client_id, call.db());
    for key in call.rest(1) {
        let key = Binary(key.clone());
        if call
            .session
            .watched
            .iter()
            .any(|(d, k, _)| *d == db && *k == key)
        {
            continue;
        }
        let entry = call.state.data.entry(db, key.as_bytes());
        let gone = entry.is_some_and(|entry| call.state.is_past(entry.expires_at_ms));
        call.state.watch(client, db, &key);
        call.session.watched.push((db, key, gone));
    }
    Ok(Reply::OK)
}

pub(super) fn unwatch(call: &mut Call<'_>) -> Outcome {
    forget_watched(call);
    Ok(Reply::OK)
}

/// Whether a watched key was touched, or its time has come since.
fn disturbed(call: &Call<'_>) -> bool {
    let expired = |(db, key, gone): &(usize, Binary, bool)| {
        let entry = call.state.data.entry(*db, key.as_bytes());
        !gone && entry.is_some_and(|entry| call.state.is_past(entry.expires_at_ms))
    };
    call.state.dirty_clients.contains(&call.session.client_id)
        || call.session.watched.iter().any(expired)
}

pub(super) fn exec(call: &mut Call<'_>) -> Outcome {
    let Some(broken) = call
        .session
        .transaction
        .as_ref()
        .map(|transaction| transaction.broken)
    else {
        return Err("ERR EXEC without MULTI".into());
    };
    let disturbed = disturbed(call);
    let transaction = abandon(call).unwrap_or_default();
    if broken {
        return Err("EXECABORT Transaction discarded because of previous errors.".into());
    }
    if disturbed {
        return Ok(Reply::NilArray);
    }
    let mut replies = Vec::with_capacity(transaction.commands.len());
    for words in &transaction.commands {
        let outcome = dispatch::execute(call.state, call.session, words);
        let reply = outcome.unwrap_or_else(Reply::Error);
        let mut written = Vec::new();
        call.session.protocol.write(&mut written, &reply);
        replies.push(Reply::Written(written));
    }
    Ok(Reply::Array(replies))
}
