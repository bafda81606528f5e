//! Replies as values of Lua, and values of Lua as replies.

use mlua::{Lua, Table, Value};

use super::failure::text;
use crate::redis::{
    number,
    reply::{Failure, Outcome, Reply},
};

/// What a script gets for a reply. `new`: it asked for RESP3.
pub(super) fn to_lua(lua: &Lua, reply: &Reply, new: bool) -> mlua::Result<Value> {
    let string = |bytes: &[u8]| lua.create_string(bytes).map(Value::String);
    let single = |field: &str, value: Value| {
        let table = lua.create_table_with_capacity(0, 1)?;
        table.raw_set(field, value)?;
        Ok(Value::Table(table))
    };
    match reply {
        Reply::Status(status) => single("ok", string(status)?),
        Reply::Error(Failure(error)) => single("err", string(error)?),
        Reply::Int(n) => Ok(Value::Integer(*n)),
        Reply::Bulk(bytes) => string(bytes),
        Reply::Nil | Reply::NilArray if new => Ok(Value::Nil),
        Reply::Nil | Reply::NilArray | Reply::Written(_) | Reply::Silence => {
            Ok(Value::Boolean(false))
        }
        Reply::Bool(yes) if new => Ok(Value::Boolean(*yes)),
        Reply::Bool(yes) => Ok(Value::Integer(i64::from(*yes))),
        Reply::Double(text) if new => {
            single("double", Value::Number(text.parse().unwrap_or(f64::NAN)))
        }
        Reply::Double(text) => string(text.as_bytes()),
        Reply::BigNumber(text) if new => single("big_number", string(text)?),
        Reply::BigNumber(text) => string(text),
        Reply::Text(bytes) if new => {
            let text = lua.create_table()?;
            text.raw_set("format", "txt")?;
            text.raw_set("string", string(bytes)?)?;
            single("verbatim_string", Value::Table(text))
        }
        Reply::Text(bytes) => string(bytes),
        Reply::Array(items) => list(lua, items.iter(), new),
        Reply::Set(items) if !new => list(lua, items.iter(), new),
        Reply::Set(items) => {
            let set = lua.create_table()?;
            for item in items {
                set.raw_set(to_lua(lua, item, new)?, true)?;
            }
            single("set", Value::Table(set))
        }
        Reply::Map(pairs) if !new => {
            list(lua, pairs.iter().flat_map(|(key, value)| [key, value]), new)
        }
        Reply::Map(pairs) => {
            let map = lua.create_table()?;
            for (key, value) in pairs {
                map.raw_set(to_lua(lua, key, new)?, to_lua(lua, value, new)?)?;
            }
            single("map", Value::Table(map))
        }
    }
}

fn list<'a>(lua: &Lua, items: impl Iterator<Item = &'a Reply>, new: bool) -> mlua::Result<Value> {
    // In RESP3 there may be nils among the items, and what `#` says then depends on how the table grew.
    let room = if new { 0 } else { items.size_hint().0 };
    let table = lua.create_table_with_capacity(room, 0)?;
    for (index, item) in items.enumerate() {
        table.raw_set(index + 1, to_lua(lua, item, new)?)?;
    }
    Ok(Value::Table(table))
}

/// What a client gets for the value that a script answered. `new`: the script asked for RESP3.
pub(super) fn to_reply(value: &Value, new: bool) -> Outcome {
    match reply(value, new) {
        Ok(Reply::Error(failure)) => Err(failure),
        Ok(reply) => Ok(reply),
        Err(error) => Err(super::failure::internal(&error)),
    }
}

fn reply(value: &Value, new: bool) -> mlua::Result<Reply> {
    Ok(match value {
        Value::String(text) => Reply::Bulk(text.as_bytes().to_vec()),
        Value::Integer(n) => Reply::Int(*n),
        Value::Number(n) => Reply::Int(number::truncate(*n)),
        Value::Boolean(yes) if new => Reply::Bool(*yes),
        Value::Boolean(true) => Reply::Int(1),
        Value::Table(table) => of_table(table, new)?,
        _ => Reply::Nil,
    })
}

fn of_table(table: &Table, new: bool) -> mlua::Result<Reply> {
    if let Some(error) = text(&table.raw_get("err")?) {
        return Ok(Reply::Error(error.into()));
    }
    if let Some(status) = text(&table.raw_get("ok")?) {
        return Ok(Reply::Status(status.into()));
    }
    match table.raw_get("double")? {
        Value::Integer(n) => return Ok(Reply::Double(n.to_string())),
        Value::Number(n) => return Ok(Reply::Double(number::general(n, 17))),
        _ => {}
    }
    if let Value::Table(map) = table.raw_get("map")? {
        let pairs = map.pairs::<Value, Value>().map(|pair| {
            let (key, value) = pair?;
            Ok((reply(&key, new)?, reply(&value, new)?))
        });
        return Ok(Reply::Map(pairs.collect::<mlua::Result<_>>()?));
    }
    if let Value::Table(set) = table.raw_get("set")? {
        let items = set.pairs::<Value, Value>().map(|pair| reply(&pair?.0, new));
        return Ok(Reply::Set(items.collect::<mlua::Result<_>>()?));
    }
    if let Some(digits) = text(&table.raw_get("big_number")?) {
        return Ok(Reply::BigNumber(digits));
    }
    if let Value::Table(verbatim) = table.raw_get("verbatim_string")? {
        let string = text(&verbatim.raw_get("string")?).unwrap_or_default();
        return Ok(Reply::Text(string));
    }
    let mut items = Vec::new();
    for index in 1_i64.. {
        match table.raw_get(index)? {
            Value::Nil => break,
            item => items.push(reply(&item, new)?),
        }
    }
    Ok(Reply::Array(items))
}
