//! Strings.

use super::{Call, NOT_INTEGER, SYNTAX, expire::Unit, is};
use crate::redis::{
    binary::Binary,
    number,
    reply::{Failure, Outcome, Reply},
    value::Value,
};

fn string(bytes: &[u8]) -> Value {
    Value::String(Binary::from(bytes))
}

/// What SET and GETEX want done with the expiry time.
#[derive(Clone, Copy)]
enum Expiry {
    Unsaid,
    Keep,
    Remove,
    /// The word at this place is the time.
    Given(Unit, usize),
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let value = call.state.string(db, call.word(1))?;
    Ok(Reply::bulk_or_nil(value.map(Binary::as_bytes)))
}

pub(super) fn mget(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let mut values = Vec::new();
    for key in call.rest(1) {
        let value = call.state.string(db, key).ok().flatten();
        values.push(Reply::bulk_or_nil(value.map(Binary::as_bytes)));
    }
    Ok(Reply::Array(values))
}

pub(super) fn mset(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    if call.words.len().is_multiple_of(2) {
        let own = "ERR wrong number of arguments for MSET";
        return Err(if call.is_7() {
            call.wrong_arity()
        } else {
            own.into()
        });
    }
    for pair in call.rest(1).chunks_exact(2) {
        if let [key, value] = pair {
            call.state.set(db, key, string(value), None);
        }
    }
    Ok(Reply::OK)
}

impl Expiry {
    /// Whether a time in this unit may be given: nothing else was, but the same unit may be, again.
    fn takes(self, unit: Unit) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Given(given, _) => given == unit,
            Self::Keep | Self::Remove => false,
        }
    }
}

/// The options of a SET.
struct Options {
    nx: bool,
    xx: bool,
    get: bool,
    expiry: Expiry,
}

fn set_options(call: &Call<'_>) -> Result<Options, Failure> {
    let mut options = Options {
        nx: false,
        xx: false,
        get: false,
        expiry: Expiry::Unsaid,
    };
    let mut at = 3;
    while at < call.words.len() {
        let word = call.word(at);
        let unsaid = matches!(options.expiry, Expiry::Unsaid);
        let has_next = at + 1 < call.words.len();
        if is(word, "nx") && !options.xx && (call.is_7() || !options.get) {
            options.nx = true;
        } else if is(word, "xx") && !options.nx {
            options.xx = true;
        } else if is(word, "get") && (call.is_7() || !options.nx) {
            options.get = true;
        } else if is(word, "keepttl") && (unsaid || matches!(options.expiry, Expiry::Keep)) {
            options.expiry = Expiry::Keep;
        } else if let Some(unit) =
            Unit::of(word).filter(|unit| has_next && options.expiry.takes(*unit))
        {
            at += 1;
            options.expiry = Expiry::Given(unit, at);
        } else {
            return Err(SYNTAX.into());
        }
        at += 1;
    }
    Ok(options)
}

impl Call<'_> {
    fn invalid_expire(&self) -> Failure {
        super::expire::invalid(self.name, self.is_7())
    }

    /// The moment that a word names.
    fn moment(&self, unit: Unit, at: usize) -> Result<i64, Failure> {
        let given = self.integer(at)?;
        let moment = (given > 0).then(|| unit.moment(given, self.state.now.wall_ms()));
        moment.flatten().ok_or_else(|| self.invalid_expire())
    }
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let Options {
        nx,
        xx,
        get,
        expiry,
    } = set_options(call)?;
    let moment = match expiry {
        Expiry::Given(unit, at) => Some(call.moment(unit, at)?),
        _ => None,
    };
    let (db, key) = (call.db(), call.word(1));
    let old = if get {
        let old = call.state.string(db, key)?;
        Reply::bulk_or_nil(old.map(Binary::as_bytes))
    } else {
        Reply::Nil
    };
    let entry = call.state.lookup(db, key);
    if (nx && entry.is_some()) || (xx && entry.is_none()) {
        return Ok(old);
    }
    let kept = entry.and_then(|entry| entry.expires_at_ms);
    let expires_at_ms = match expiry {
        Expiry::Keep => kept,
        _ => moment,
    };
    store(call, key, expires_at_ms, 2);
    Ok(if get { old } else { Reply::OK })
}

/// Sets a key to the word at `value`. A time in the past deletes it in effect: 7.0 does so at once, 6.2 when somebody looks.
fn store(call: &mut Call<'_>, key: &[u8], expires_at_ms: Option<i64>, value: usize) {
    let value = string(call.word(value));
    let db = call.db();
    call.state.set(db, key, value, expires_at_ms);
}

fn set_for(call: &mut Call<'_>, unit: Unit) -> Outcome {
    let moment = call.moment(unit, 2)?;
    let key = call.word(1);
    store(call, key, Some(moment), 3);
    Ok(Reply::OK)
}

pub(super) fn setex(call: &mut Call<'_>) -> Outcome {
    set_for(call, Unit::Seconds)
}

pub(super) fn psetex(call: &mut Call<'_>) -> Outcome {
    set_for(call, Unit::Millis)
}

pub(super) fn setnx(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let free = call.state.lookup(db, key).is_none();
    if free {
        store(call, key, None, 2);
    }
    Ok(Reply::flag(free))
}

pub(super) fn getset(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let old = call.state.string(db, key)?;
    let old = Reply::bulk_or_nil(old.map(Binary::as_bytes));
    store(call, key, None, 2);
    Ok(old)
}

pub(super) fn getdel(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let old = call.state.string(db, key)?;
    let old = Reply::bulk_or_nil(old.map(Binary::as_bytes));
    call.state.delete(db, key);
    Ok(old)
}

fn getex_options(call: &Call<'_>) -> Result<Expiry, Failure> {
    let mut expiry = Expiry::Unsaid;
    let mut at = 2;
    while at < call.words.len() {
        let unsaid = matches!(expiry, Expiry::Unsaid);
        let has_next = at + 1 < call.words.len();
        if is(call.word(at), "persist") && (unsaid || matches!(expiry, Expiry::Remove)) {
            expiry = Expiry::Remove;
        } else if let Some(unit) =
            Unit::of(call.word(at)).filter(|unit| has_next && expiry.takes(*unit))
        {
            at += 1;
            expiry = Expiry::Given(unit, at);
        } else {
            return Err(SYNTAX.into());
        }
        at += 1;
    }
    Ok(expiry)
}

pub(super) fn getex(call: &mut Call<'_>) -> Outcome {
    let expiry = getex_options(call)?;
    let (db, key) = (call.db(), call.word(1));
    let Some(value) = call.state.string(db, key)? else {
        return Ok(Reply::Nil);
    };
    let value = Reply::bulk(value.as_bytes());
    match expiry {
        Expiry::Unsaid | Expiry::Keep => {}
        Expiry::Remove => super::expire::remove(call, key),
        Expiry::Given(unit, at) => {
            let moment = call.moment(unit, at)?;
            super::expire::set_or_delete(call, key, moment);
        }
    }
    Ok(value)
}

pub(super) fn append(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let mut bytes = call
        .state
        .string(db, key)?
        .map_or_else(Vec::new, |old| old.0.clone());
    bytes.extend_from_slice(call.word(2));
    let len = bytes.len();
    replace(call, key, bytes);
    Ok(Reply::size(len))
}

/// Sets a key to another string and leaves its expiry time.
fn replace(call: &mut Call<'_>, key: &[u8], bytes: Vec<u8>) {
    let db = call.db();
    let kept = call
        .state
        .lookup(db, key)
        .and_then(|entry| entry.expires_at_ms);
    call.state.set(db, key, Value::String(Binary(bytes)), kept);
}

pub(super) fn strlen(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let value = call.state.string(db, call.word(1))?;
    Ok(Reply::size(value.map_or(0, |value| value.0.len())))
}

fn add(call: &mut Call<'_>, step: i64) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let old = match call.state.string(db, key)? {
        Some(old) => number::parse(old.as_bytes()).ok_or(NOT_INTEGER)?,
        None => 0,
    };
    let new = old
        .checked_add(step)
        .ok_or("ERR increment or decrement would overflow")?;
    replace(call, key, new.to_string().into_bytes());
    Ok(Reply::Int(new))
}

pub(super) fn incr(call: &mut Call<'_>) -> Outcome {
    add(call, 1)
}

pub(super) fn decr(call: &mut Call<'_>) -> Outcome {
    add(call, -1)
}

pub(super) fn incrby(call: &mut Call<'_>) -> Outcome {
    let step = call.integer(2)?;
    add(call, step)
}

pub(super) fn decrby(call: &mut Call<'_>) -> Outcome {
    let step = call.integer(2)?;
    match step.checked_neg() {
        Some(step) => add(call, step),
        // 6.2 negates it all the same, which leaves it as it is.
        None if !call.is_7() => add(call, step),
        None => Err("ERR decrement would overflow".into()),
    }
}
