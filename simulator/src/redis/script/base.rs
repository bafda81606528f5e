//! Functions of Lua's own libraries that are others in Redis, or here.

use std::rc::Rc;

use mlua::{Error, Function, Lua, MultiValue, Table, Value};

use super::{
    call::{plainly, raised},
    failure::{place, text},
    vm::Slot,
};
use crate::redis::number;

/// Where each script of 6.2 begins: a seed of 0.
pub(super) const SEED_6_2: u64 = 0x330e;
/// Where a server of 7.0 begins.
pub(in crate::redis) const SEED_7_0: u64 = 0x1234_abcd_330e;

/// The next of `lrand48`'s numbers, 31 bits.
fn lrand48(state: &mut u64) -> u32 {
    *state = state.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
    u32::try_from(*state >> 17).unwrap_or_default()
}

/// The functions by name, those of `math` among them.
pub(super) fn functions(lua: &Lua, running: &Slot) -> mlua::Result<Table> {
    let functions = lua.create_table()?;
    functions.set("random", random(lua, running)?)?;
    functions.set("randomseed", randomseed(lua, running)?)?;
    functions.set("rawset", rawset(lua)?)?;
    functions.set("tostring", tostring(lua)?)?;
    // What memory is used is another figure in every run.
    for name in ["collectgarbage", "gcinfo"] {
        functions.set(name, lua.create_function(|_, _: MultiValue| Ok(0))?)?;
    }
    Ok(functions)
}

/// An error about arguments, with the line in front as Lua puts it there.
fn argument(lua: &Lua, text: &str) -> Error {
    let line = place(lua, 1).map_or_else(String::new, |(_, source, line)| {
        format!("{}:{line}: ", source.trim_start_matches(['@', '=']))
    });
    plainly(line + text)
}

fn rawset(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|_, (table, key, value): (Table, Value, Value)| {
        let metatable = table.metatable();
        if metatable
            .is_some_and(|metatable| metatable.contains_key("__protected").unwrap_or_default())
        {
            return Err(plainly("Attempt to modify a readonly table".into()));
        }
        table.raw_set(key, value)?;
        Ok(table)
    })
}

/// Without addresses: they are others in every run.
fn tostring(lua: &Lua) -> mlua::Result<Function> {
    lua.create_function(|lua, args: MultiValue| {
        let shown = match args.front() {
            None => {
                return Err(argument(
                    lua,
                    "bad argument #1 to 'tostring' (value expected)",
                ));
            }
            Some(Value::Nil) => b"nil".to_vec(),
            Some(Value::Boolean(yes)) => yes.to_string().into_bytes(),
            Some(Value::Table(table))
                if table
                    .metatable()
                    .is_some_and(|own| own.contains_key("__tostring").unwrap_or_default()) =>
            {
                Value::Table(table.clone()).to_string()?.into_bytes()
            }
            Some(other) => text(other)
                .unwrap_or_else(|| format!("{}: 0x00000000", other.type_name()).into_bytes()),
        };
        lua.create_string(shown)
    })
}

/// `math.random`, with the generator that Redis puts in its place.
fn random(lua: &Lua, running: &Slot) -> mlua::Result<Function> {
    let slot = Rc::clone(running);
    lua.create_function(move |lua, args: MultiValue| {
        let mut slot = slot.borrow_mut();
        let Some(running) = slot.as_mut() else {
            return Err(raised("ERR no script is running"));
        };
        let limit = u32::MAX >> 1;
        let unit = f64::from(lrand48(&mut running.state.random) % limit) / f64::from(limit);
        let bounds: Vec<f64> = args.iter().filter_map(whole).collect();
        let between = |low: f64, high: f64, which: u8| {
            if low > high {
                return Err(argument(
                    lua,
                    &format!("bad argument #{which} to 'random' (interval is empty)"),
                ));
            }
            Ok((unit * (high - low + 1.0)).floor() + low)
        };
        match bounds.as_slice() {
            [] => Ok(unit),
            [high] => between(1.0, *high, 1),
            [low, high] => between(*low, *high, 2),
            _ => Err(argument(lua, "wrong number of arguments")),
        }
    })
}

fn randomseed(lua: &Lua, running: &Slot) -> mlua::Result<Function> {
    let slot = Rc::clone(running);
    lua.create_function(move |_, seed: f64| {
        if let Some(running) = slot.borrow_mut().as_mut() {
            let seed = u64::from_ne_bytes(number::truncate(seed).to_ne_bytes()) & 0xffff_ffff;
            running.state.random = seed << 16 | SEED_6_2;
        }
        Ok(())
    })
}

fn whole(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => Some(n.trunc()),
        other => text(other).and_then(|text| String::from_utf8(text).ok()?.parse().ok()),
    }
}
