//! Who a connection is, and how it speaks.

use super::{Call, SYNTAX, c_string, client, is};
use crate::redis::{
    db::DATABASES,
    number,
    reply::{Failure, Outcome, Protocol, Reply},
    session::Session,
};

const WRONG_PASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// Logs in. Without a password on the server, any goes for the user `default`.
fn log_in(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Result<(), Failure> {
    let expected = call.state.config.password.as_ref();
    let right = expected.is_none_or(|expected| expected.as_bytes() == password);
    if user != b"default" || !right {
        return Err(WRONG_PASS.into());
    }
    call.session.authenticated = true;
    Ok(())
}

pub(super) fn auth(call: &mut Call<'_>) -> Outcome {
    let (user, password) = match call.words {
        [_, password] => (b"default".to_vec(), password.clone()),
        [_, user, password] => (user.clone(), password.clone()),
        _ => return Err(SYNTAX.into()),
    };
    if call.words.len() == 2 && call.state.config.password.is_none() {
        return Err("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?".into());
    }
    log_in(call, &user, &password)?;
    Ok(Reply::OK)
}

pub(super) fn hello(call: &mut Call<'_>) -> Outcome {
    let mut protocol = call.session.protocol;
    if call.words.len() > 1 {
        protocol = match number::parse(call.word(1)) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err("NOPROTO unsupported protocol version".into()),
            None => return Err("ERR Protocol version is not an integer or out of range".into()),
        };
    }
    let mut rest = call.words.get(2..).unwrap_or_default();
    // Each option takes effect as it is read, whatever comes of the next.
    loop {
        match rest {
            [] => break,
            [option, user, password, after @ ..] if is(option, "auth") => {
                log_in(call, user, password)?;
                rest = after;
            }
            [option, new, after @ ..] if is(option, "setname") => {
                client::check_name(new)?;
                client::rename(call, new.clone());
                rest = after;
            }
            [option, ..] => {
                let text = [
                    b"ERR Syntax error in HELLO option '".as_slice(),
                    c_string(option),
                    b"'",
                ];
                return Err(text.concat().into());
            }
        }
    }
    if !call.session.authenticated {
        return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time".into());
    }
    call.session.protocol = protocol;
    let role = if call.state.is_replica() {
        "replica"
    } else {
        "master"
    };
    let id = i64::try_from(call.session.client_id).unwrap_or(i64::MAX);
    let pairs = [
        ("server", Reply::bulk("redis")),
        (
            "version",
            Reply::bulk(call.state.config.version.to_string()),
        ),
        ("proto", Reply::Int(protocol.number())),
        ("id", Reply::Int(id)),
        ("mode", Reply::bulk("standalone")),
        ("role", Reply::bulk(role)),
        ("modules", Reply::Array(Vec::new())),
    ];
    Ok(Reply::Map(
        pairs.map(|(key, value)| (Reply::bulk(key), value)).into(),
    ))
}

pub(super) fn ping(call: &mut Call<'_>) -> Outcome {
    match call.words {
        [_] => Ok(Reply::status("PONG")),
        [_, text] => Ok(Reply::bulk(text)),
        _ => Err(call.wrong_arity()),
    }
}

pub(super) fn echo(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::bulk(call.word(1)))
}

pub(super) fn select(call: &mut Call<'_>) -> Outcome {
    let db = call.integer(1)?;
    if i32::try_from(db).is_err() {
        return Err(
            "ERR value is out of range, value must between -2147483648 and 2147483647".into(),
        );
    }
    let db = usize::try_from(db).ok().filter(|db| *db < DATABASES);
    call.session.db = db.ok_or("ERR DB index is out of range")?;
    Ok(Reply::OK)
}

pub(super) fn quit(call: &mut Call<'_>) -> Outcome {
    call.session.closing = true;
    Ok(Reply::OK)
}

/// Back to what a new connection is.
pub(super) fn reset(call: &mut Call<'_>) -> Outcome {
    super::transaction::abandon(call);
    client::rename(call, Vec::new());
    let old = std::mem::take(call.session);
    *call.session = Session {
        client_id: old.client_id,
        since_us: old.since_us,
        lib_name: old.lib_name,
        lib_ver: old.lib_ver,
        authenticated: call.state.config.password.is_none(),
        ..Session::default()
    };
    Ok(Reply::status("RESET"))
}
