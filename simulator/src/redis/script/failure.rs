//! What went wrong in a script, and where.

use std::{cell::RefCell, rc::Rc};

use mlua::{Error, Function, Lua, Value};

use super::{call::raised_text, vm};
use crate::redis::{number, reply::Failure};

/// Where the handler leaves what it was told.
pub(super) type Slot = Rc<RefCell<Option<Report>>>;

/// An error that ended a script.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    message: Vec<u8>,
    /// The file and the line.
    place: Option<(String, String)>,
}

impl Report {
    /// The whole error.
    pub(super) fn into_reply(self, sha: &str, is_7: bool) -> Failure {
        if is_7 {
            let mut text = self.message;
            if let Some((source, line)) = self.place {
                text.extend_from_slice(format!(" script: {sha}, on {source}:{line}.").as_bytes());
            }
            return text.into();
        }
        let mut text = format!("ERR Error running script (call to f_{sha}): ").into_bytes();
        if let Some((source, line)) = self.place {
            text.extend_from_slice(format!("{source}:{line}: ").as_bytes());
        }
        text.extend_from_slice(&self.message);
        text.into()
    }
}

/// Nothing that a script can do leads here, except to take all memory.
pub(super) fn internal(error: &Error) -> Failure {
    format!("ERR Error running script: {error}").into()
}

pub(super) fn compiling(error: &Error) -> Failure {
    let text = match error {
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    };
    format!("ERR Error compiling script (new function): {text}").into()
}

/// The place that a stack level stands for. `level` 0 is the function of Rust that asks.
pub(super) fn place(lua: &Lua, level: usize) -> Option<(&'static str, String, String)> {
    lua.inspect_stack(level, |debug| {
        let source = debug.source();
        let line = debug.current_line();
        let name = source.source.map(std::borrow::Cow::into_owned);
        let line = line.map_or_else(|| "-1".into(), |line| line.to_string());
        (source.what, name.unwrap_or_default(), line)
    })
}

/// The line in which a function of ours was called, as 6.2 puts it in front of errors.
pub(super) fn caller(lua: &Lua) -> String {
    place(lua, 1).map_or_else(String::new, |(_, source, line)| {
        format!("{source}: {line}: ")
    })
}

/// The function that raised the error, or whoever called it if that is not Lua.
fn raiser(lua: &Lua) -> Option<(String, String)> {
    let mut level = 1;
    let first = place(lua, level)?;
    let mut found = Some(first);
    if found.as_ref().is_some_and(|(what, ..)| *what == "C") {
        level += 1;
        found = place(lua, level);
    }
    // In Redis these functions are C.
    while found
        .as_ref()
        .is_some_and(|(_, source, _)| source == "=sandbox")
    {
        level += 1;
        found = place(lua, level);
    }
    found.map(|(_, source, line)| (source, line))
}

fn is_7(running: &vm::Slot) -> bool {
    running
        .borrow()
        .as_ref()
        .is_some_and(|running| running.state.config.version.is_7())
}

/// The function that is told of the error that ends a script.
pub(super) fn handler(lua: &Lua, running: &vm::Slot, slot: &Slot) -> mlua::Result<Function> {
    let (running, slot) = (Rc::clone(running), Rc::clone(slot));
    lua.create_function(move |lua, error: Value| {
        let is_7 = is_7(&running);
        let mut place = raiser(lua);
        let message = match &error {
            Value::Table(table) if is_7 => text(&table.raw_get("err")?).unwrap_or_default(),
            Value::Error(error) => match raised_text(error) {
                (text, false) if is_7 => [b"ERR ".as_slice(), &text].concat(),
                (text, _) => text,
            },
            other if is_7 => [
                b"ERR ".as_slice(),
                &text(other).unwrap_or_else(|| shown(other)),
            ]
            .concat(),
            other => text(other).unwrap_or_else(|| {
                // The handler of 6.2 fails on anything but text.
                place = Some(("@err_handler_def".into(), "9".into()));
                let kind = other.type_name();
                format!("err_handler_def:9: attempt to concatenate local 'err' (a {kind} value)")
                    .into_bytes()
            }),
        };
        slot.replace(Some(Report { message, place }));
        Ok(())
    })
}

fn shown(value: &Value) -> Vec<u8> {
    match value {
        Value::Nil => b"nil".to_vec(),
        Value::Boolean(yes) => yes.to_string().into_bytes(),
        other => format!("{}: 0x00000000", other.type_name()).into_bytes(),
    }
}

/// A string, or a number as one.
pub(super) fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(n) => Some(number::whole(*n, 14).into_bytes()),
        Value::Number(n) => Some(number::general(*n, 14).into_bytes()),
        _ => None,
    }
}

/// The function that makes of an error what scripts see of it: the text where `pcall` answers it; a table for the handler of
/// `xpcall` in 7.0.
pub(super) fn plain(lua: &Lua, running: &vm::Slot) -> mlua::Result<Function> {
    let running = Rc::clone(running);
    lua.create_function(move |lua, (error, whole): (Value, bool)| {
        let is_7 = is_7(&running);
        match error {
            Value::Error(error) => {
                let (raised, coded) = raised_text(&error);
                let text = Value::String(lua.create_string(&raised)?);
                if !(is_7 && whole && coded) {
                    return Ok(text);
                }
                let table = lua.create_table()?;
                table.raw_set("err", text)?;
                Ok(Value::Table(table))
            }
            Value::Table(table) if is_7 && !whole => match table.get("err")? {
                err @ (Value::String(_) | Value::Integer(_) | Value::Number(_)) => Ok(err),
                _ => Ok(Value::Table(table)),
            },
            other => Ok(other),
        }
    })
}
