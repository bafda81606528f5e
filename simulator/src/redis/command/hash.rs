//! Hashes.

use super::Call;
use crate::redis::{
    binary::Binary,
    change::{Change, Why},
    number,
    reply::{Failure, Outcome, Reply},
    value::{Hash, Value},
};

/// Sets fields of the hash at a key, which is made if there is none; how many fields are new. The type was checked.
fn set_fields(
    call: &mut Call<'_>,
    key: &[u8],
    fields: Vec<(Binary, Binary)>,
) -> Result<usize, Failure> {
    let db = call.db();
    let Some(hash) = call.state.hash(db, key)? else {
        let mut hash = Hash::default();
        let added = fields
            .into_iter()
            .filter(|(field, value)| hash.set(field.clone(), value.clone()));
        let added = added.count();
        call.state.set(db, key, Value::Hash(hash), None);
        return Ok(added);
    };
    let mut hash = hash.clone();
    let added = fields
        .iter()
        .filter(|(field, value)| hash.set(field.clone(), value.clone()));
    let added = added.count();
    let fields = fields
        .into_iter()
        .map(|(field, value)| (field, Some(value)));
    let (key, fields) = (Binary::from(key), fields.collect());
    call.state.change(Change::Fields { db, key, fields });
    Ok(added)
}

fn pairs(call: &Call<'_>) -> Result<Vec<(Binary, Binary)>, Failure> {
    if !call.words.len().is_multiple_of(2) {
        return Err(call.wrong_arity());
    }
    let words = call.rest(2).chunks_exact(2);
    Ok(words
        .filter_map(|pair| match pair {
            [field, value] => Some((
                Binary::from(field.as_slice()),
                Binary::from(value.as_slice()),
            )),
            _ => None,
        })
        .collect())
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let pairs = pairs(call)?;
    let key = call.word(1);
    set_fields(call, key, pairs).map(Reply::size)
}

pub(super) fn mset(call: &mut Call<'_>) -> Outcome {
    set(call).map(|_| Reply::OK)
}

pub(super) fn setnx(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let field = call.word(2);
    let taken = match call.state.hash(db, key)? {
        Some(hash) => hash.field(field).is_some(),
        None => false,
    };
    if !taken {
        let pair = (Binary::from(call.word(2)), Binary::from(call.word(3)));
        set_fields(call, key, vec![pair])?;
    }
    Ok(Reply::flag(!taken))
}

pub(super) fn incrby(call: &mut Call<'_>) -> Outcome {
    let step = call.integer(3)?;
    let (db, key, field) = (call.db(), call.word(1), call.word(2));
    let hash = call.state.hash(db, key)?;
    let old = match hash.and_then(|hash| hash.field(field)) {
        Some(old) => number::parse(old.as_bytes()).ok_or("ERR hash value is not an integer")?,
        None => 0,
    };
    let new = old
        .checked_add(step)
        .ok_or("ERR increment or decrement would overflow")?;
    let pair = (Binary::from(field), Binary(new.to_string().into_bytes()));
    set_fields(call, key, vec![pair])?;
    Ok(Reply::Int(new))
}

pub(super) fn del(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let wanted = call.rest(2);
    let Some(hash) = call.state.hash(db, key)? else {
        return Ok(Reply::Int(0));
    };
    let mut left = hash.clone();
    let removed: Vec<_> = wanted.iter().filter(|field| left.remove(field)).collect();
    let count = removed.len();
    let key = Binary::from(key);
    if left.is_empty() {
        let why = Why::Deleted;
        call.state.change(Change::Deleted { db, key, why });
    } else if count > 0 {
        let fields = removed
            .into_iter()
            .map(|field| (Binary::from(field.as_slice()), None))
            .collect();
        call.state.change(Change::Fields { db, key, fields });
    }
    Ok(Reply::size(count))
}

/// What a field holds, to be answered about.
fn field<T>(call: &mut Call<'_>, answer: impl FnOnce(Option<&Binary>) -> T) -> Result<T, Failure> {
    let (db, key) = (call.db(), call.word(1));
    let field = call.word(2);
    let hash = call.state.hash(db, key)?;
    Ok(answer(hash.and_then(|hash| hash.field(field))))
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    field(call, |value| {
        Reply::bulk_or_nil(value.map(Binary::as_bytes))
    })
}

pub(super) fn exists(call: &mut Call<'_>) -> Outcome {
    field(call, |value| Reply::flag(value.is_some()))
}

pub(super) fn strlen(call: &mut Call<'_>) -> Outcome {
    field(call, |value| {
        Reply::size(value.map_or(0, |value| value.0.len()))
    })
}

pub(super) fn mget(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let words = call.words;
    let hash = call
        .state
        .hash(db, words.get(1).map(Vec::as_slice).unwrap_or_default())?;
    let fields = words.get(2..).unwrap_or_default().iter();
    let values = fields.map(|field| {
        let value = hash.and_then(|hash| hash.field(field));
        Reply::bulk_or_nil(value.map(Binary::as_bytes))
    });
    Ok(Reply::Array(values.collect()))
}

/// All fields and values, in Redis' order.
fn list(call: &mut Call<'_>) -> Result<Vec<(Reply, Reply)>, Failure> {
    let (db, key) = (call.db(), call.word(1));
    let hash = call.state.hash(db, key)?;
    let all = hash.map(Hash::in_order).unwrap_or_default().into_iter();
    Ok(all
        .map(|(field, value)| (Reply::bulk(&field.0), Reply::bulk(&value.0)))
        .collect())
}

pub(super) fn all(call: &mut Call<'_>) -> Outcome {
    list(call).map(Reply::Map)
}

pub(super) fn keys(call: &mut Call<'_>) -> Outcome {
    let all = list(call)?.into_iter();
    Ok(Reply::Array(all.map(|(field, _)| field).collect()))
}

pub(super) fn vals(call: &mut Call<'_>) -> Outcome {
    let all = list(call)?.into_iter();
    Ok(Reply::Array(all.map(|(_, value)| value).collect()))
}

pub(super) fn len(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let hash = call.state.hash(db, key)?;
    Ok(Reply::size(hash.map_or(0, Hash::len)))
}
