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

/// An error on its way through Lua.
#[derive(Debug)]
struct Raised {
    text: Vec<u8>,
    /// Of Redis and not of Lua: it has a code.
    coded: bool,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl std::error::Error for Raised {}

/// An error of Redis that a script may catch.
pub(super) fn raised(text: impl Into<Vec<u8>>) -> Error {
    let (text, coded) = (text.into(), true);
    Error::external(Raised { text, coded })
}

/// An error as Lua's own functions raise it.
pub(super) fn plainly(text: String) -> Error {
    let (text, coded) = (text.into_bytes(), false);
    Error::external(Raised { text, coded })
}

/// The text of such an error, and whether it has a code.
pub(super) fn raised_text(error: &Error) -> (Vec<u8>, bool) {
    match error {
        Error::CallbackError { cause, .. } => raised_text(cause),
        Error::ExternalError(inner) => match inner.downcast_ref::<Raised>() {
            Some(raised) => (raised.text.clone(), raised.coded),
            None => (inner.to_string().into_bytes(), false),
        },
        other => (other.to_string().into_bytes(), false),
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
        Value::Integer(n) => Ok(number::whole(*n, 17).into_bytes()),
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
        // To 6.2 it is a word of the protocol and no command.
        Found::Command(command) if !is_7 && command.name == "quit" => return Err(own(UNKNOWN)),
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
    if let Some(reason) = dispatch::refused_to_script(&running.state, command, running.full) {
        // 6.2 takes the reply as it would be sent, line break and all.
        return Err(if is_7 {
            reason.into()
        } else {
            format!("{}-{reason}\r\n", caller(lua)).into_bytes()
        });
    }
    let Running {
        state,
        session,
        full,
        ..
    } = running;
    let dirty = state.dirty;
    let outcome = dispatch::from_script(state, session, command, &words);
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
