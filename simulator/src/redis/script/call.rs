//! The library `redis` of scripts.

use std::{fmt, rc::Rc};

use mlua::{Error, Function, Lua, MultiValue, Table, Value};

use super::{
    convert::to_lua,
    failure::{caller, text},
    sha1,
    vm::{Running, Slot},
};
use crate::redis::{
    command::{
        dispatch,
        table::{self, Found},
    },
    number,
    reply::{Failure, Protocol, Reply},
};

/// An error with Redis' text, on its way through Lua.
#[derive(Debug)]
struct Raised(Vec<u8>);

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl std::error::Error for Raised {}

/// An error that a script may catch.
pub(super) fn raised(text: impl Into<Vec<u8>>) -> Error {
    Error::external(Raised(text.into()))
}

/// The text of such an error.
pub(super) fn raised_text(error: &Error) -> Vec<u8> {
    match error {
        Error::CallbackError { cause, .. } => raised_text(cause),
        Error::ExternalError(inner) => match inner.downcast_ref::<Raised>() {
            Some(raised) => raised.0.clone(),
            None => inner.to_string().into_bytes(),
        },
        other => other.to_string().into_bytes(),
    }
}

/// An error of the library itself, in the words of 7.0 and of 6.2.
struct Own(&'static str, &'static str);

impl Own {
    fn text(&self, lua: &Lua, is_7: bool) -> Vec<u8> {
        if is_7 {
            format!("ERR {}", self.0).into_bytes()
        } else {
            format!("{}{}", caller(lua), self.1).into_bytes()
        }
    }
}

const NO_ARGUMENT: Own = Own(
    "Please specify at least one argument for this redis lib call",
    "Please specify at least one argument for redis.call()",
);
const NOT_TEXT: Own = Own(
    "Lua redis lib command arguments must be strings or integers",
    "Lua redis() command arguments must be strings or integers",
);
const UNKNOWN: Own = Own(
    "Unknown Redis command called from script",
    "Unknown Redis command called from Lua script",
);
const ARITY: Own = Own(
    "Wrong number of args calling Redis command from script",
    "Wrong number of args calling Redis command From Lua script",
);
const NOT_ALLOWED: Own = Own(
    "This Redis command is not allowed from script",
    "This Redis command is not allowed from scripts",
);
const ONE_TEXT: Own = Own(
    "wrong number or type of arguments",
    "wrong number or type of arguments",
);

fn words(args: &MultiValue) -> Result<Vec<Vec<u8>>, Own> {
    if args.is_empty() {
        return Err(NO_ARGUMENT);
    }
    let word = |value: &Value| match value {
        Value::Number(n) => Ok(number::general(*n, 17).into_bytes()),
        Value::Integer(n) if n.unsigned_abs() >= 1 << 53 => {
            text(&Value::Integer(*n)).ok_or(NOT_TEXT)
        }
        other => text(other).ok_or(NOT_TEXT),
    };
    args.iter().map(word).collect()
}

/// Runs a command for a script.
fn execute(lua: &Lua, running: &mut Running, args: &MultiValue) -> Result<Reply, Vec<u8>> {
    let version = running.state.config.version;
    let is_7 = version.is_7();
    let own = |own: Own| own.text(lua, is_7);
    let words = words(args).map_err(own)?;
    let command = match table::find(&words, version) {
        Found::Command(command) if command.takes(words.len(), version) => command,
        Found::Command(command) if !is_7 && command.name.contains('|') => {
            return Err(own(NOT_ALLOWED));
        }
        Found::NoSubcommand(_) if !is_7 => return Err(own(NOT_ALLOWED)),
        Found::Command(_) | Found::Bare(_) => return Err(own(ARITY)),
        Found::NoSubcommand(_) | Found::Nothing => return Err(own(UNKNOWN)),
    };
    if command.has(table::NO_SCRIPT) {
        return Err(own(NOT_ALLOWED));
    }
    if dispatch::denied(&running.state, command).is_some() {
        return Err(
            b"NOPERM The user executing the script can't run this command or subcommand".to_vec(),
        );
    }
    let Running {
        state,
        session,
        full,
        ..
    } = running;
    let dirty = state.dirty;
    let outcome = dispatch::from_script(state, session, command, &words, *full);
    *full = *full && state.dirty == dirty;
    outcome.map_err(|Failure(text)| text.into_owned())
}

/// `redis.call`, or `redis.pcall`, which answers errors instead of raising them.
fn caller_of(lua: &Lua, running: &Slot, raises: bool) -> mlua::Result<Function> {
    let running = Rc::clone(running);
    lua.create_function(move |lua, args: MultiValue| {
        let mut slot = running.borrow_mut();
        let Some(running) = slot.as_mut() else {
            return Err(raised("ERR no script is running"));
        };
        let new = running.session.protocol == Protocol::Resp3;
        let outcome = execute(lua, running, &args);
        let is_7 = running.state.config.version.is_7();
        drop(slot);
        match outcome {
            Ok(reply) => to_lua(lua, &reply, new),
            Err(text) if raises => Err(raised(text)),
            Err(text) => {
                let table = lua.create_table()?;
                table.raw_set("err", lua.create_string(text)?)?;
                if is_7 {
                    table.raw_set("ignore_error_stats_update", true)?;
                }
                Ok(Value::Table(table))
            }
        }
    })
}

/// `redis.error_reply` and `redis.status_reply`.
fn single(lua: &Lua, running: &Slot, field: &'static str) -> mlua::Result<Function> {
    let running = Rc::clone(running);
    lua.create_function(move |lua, args: MultiValue| {
        let is_7 = running
            .borrow()
            .as_ref()
            .is_some_and(|running| running.state.config.version.is_7());
        let table = lua.create_table()?;
        match args.front() {
            Some(Value::String(text)) if args.len() == 1 => {
                let mut text = text.as_bytes().to_vec();
                if is_7 && field == "err" {
                    text = with_code(&text);
                }
                table.raw_set(field, lua.create_string(text)?)?;
            }
            _ => table.raw_set("err", lua.create_string(ONE_TEXT.text(lua, is_7))?)?,
        }
        Ok(table)
    })
}

/// An error in 7.0 has a code: its first word, or ERR when there is but one.
fn with_code(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let end = text
        .iter()
        .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
        .map_or(0, |at| at + 1);
    match text.iter().position(|byte| *byte == b' ') {
        Some(space) => {
            let (code, message) = text.split_at(space);
            let message = message
                .get(1..end.saturating_sub(space))
                .unwrap_or_default();
            let start = message
                .iter()
                .position(|byte| !matches!(byte, b'\r' | b'\n'))
                .unwrap_or(0);
            [code, b" ", message.get(start..).unwrap_or_default()].concat()
        }
        None => [b"ERR ", text.get(..end).unwrap_or_default()].concat(),
    }
}

fn error(running: &Slot, message: &str) -> Error {
    let is_7 = running
        .borrow()
        .as_ref()
        .is_some_and(|running| running.state.config.version.is_7());
    raised(if is_7 {
        format!("ERR {message}")
    } else {
        message.to_owned()
    })
}

/// Everything in `redis`.
pub(super) fn library(lua: &Lua, running: &Slot) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.set("call", caller_of(lua, running, true)?)?;
    library.set("pcall", caller_of(lua, running, false)?)?;
    library.set("error_reply", single(lua, running, "err")?)?;
    library.set("status_reply", single(lua, running, "ok")?)?;
    let slot = Rc::clone(running);
    let hash =
        lua.create_function(
            move |_, args: MultiValue| match (args.len(), args.front()) {
                (1, Some(value)) => Ok(sha1(&text(value).unwrap_or_default())),
                _ => Err(error(&slot, "wrong number of arguments")),
            },
        )?;
    library.set("sha1hex", hash)?;
    library.set("setresp", setresp(lua, running)?)?;
    for (name, level) in [
        ("LOG_DEBUG", 0),
        ("LOG_VERBOSE", 1),
        ("LOG_NOTICE", 2),
        ("LOG_WARNING", 3),
    ] {
        library.set(name, level)?;
    }
    for (name, what) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", 1),
        ("REPL_SLAVE", 2),
        ("REPL_REPLICA", 2),
        ("REPL_ALL", 3),
    ] {
        library.set(name, what)?;
    }
    for name in ["log", "set_repl", "debug"] {
        library.set(name, lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    library.set(
        "breakpoint",
        lua.create_function(|_, _: MultiValue| Ok(false))?,
    )?;
    library.set(
        "replicate_commands",
        lua.create_function(|_, _: MultiValue| Ok(true))?,
    )?;
    Ok(library)
}

fn setresp(lua: &Lua, running: &Slot) -> mlua::Result<Function> {
    let slot = Rc::clone(running);
    lua.create_function(move |_, args: MultiValue| {
        if args.len() != 1 {
            return Err(error(&slot, "redis.setresp() requires one argument."));
        }
        let protocol = match args.front() {
            Some(Value::Integer(2)) => Protocol::Resp2,
            Some(Value::Integer(3)) => Protocol::Resp3,
            _ => return Err(error(&slot, "RESP version must be 2 or 3.")),
        };
        if let Some(running) = slot.borrow_mut().as_mut() {
            running.session.protocol = protocol;
        }
        Ok(())
    })
}

/// Where each script of 6.2 begins: a seed of 0.
pub(super) const SEED_6_2: u64 = 0x330e;
/// Where a server of 7.0 begins.
pub(in crate::redis) const SEED_7_0: u64 = 0x1234_abcd_330e;

/// The next of `lrand48`'s numbers, 31 bits.
fn lrand48(state: &mut u64) -> u32 {
    *state = state.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
    u32::try_from(*state >> 17).unwrap_or_default()
}

/// `math.random` and `math.randomseed`, with the generator that Redis puts in their place.
pub(super) fn random(lua: &Lua, running: &Slot) -> mlua::Result<(Function, Function)> {
    let slot = Rc::clone(running);
    let random = lua.create_function(move |_, args: MultiValue| {
        let mut slot = slot.borrow_mut();
        let Some(running) = slot.as_mut() else {
            return Err(raised("ERR no script is running"));
        };
        let limit = u32::MAX >> 1;
        let unit = f64::from(lrand48(&mut running.state.random) % limit) / f64::from(limit);
        let bounds: Vec<f64> = args.iter().filter_map(whole).collect();
        let between = |low: f64, high: f64| {
            if low > high {
                return Err(Error::runtime(
                    "bad argument to 'random' (interval is empty)",
                ));
            }
            Ok((unit * (high - low + 1.0)).floor() + low)
        };
        match bounds.as_slice() {
            [] => Ok(unit),
            [high] => between(1.0, *high),
            [low, high] => between(*low, *high),
            _ => Err(Error::runtime("wrong number of arguments")),
        }
    })?;
    let slot = Rc::clone(running);
    let seed = lua.create_function(move |_, seed: f64| {
        if let Some(running) = slot.borrow_mut().as_mut() {
            let seed = u64::from_ne_bytes(number::truncate(seed).to_ne_bytes()) & 0xffff_ffff;
            running.state.random = seed << 16 | SEED_6_2;
        }
        Ok(())
    })?;
    Ok((random, seed))
}

fn whole(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => Some(n.trunc()),
        other => text(other).and_then(|text| String::from_utf8(text).ok()?.parse().ok()),
    }
}
