//! The interpreter of a thread.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};

use super::{base, call, convert, failure};
use crate::redis::{
    reply::{Failure, Outcome, Protocol},
    session::Session,
    state::State,
};

/// Compiled scripts that are kept; more than any cluster of clients uses.
const KEPT: usize = 512;
/// After so many instructions a script is asked whether it should not end.
const LOOK: u32 = 1_000_000;
/// And after so many such looks it must.
const LOOKS: u32 = 200;

/// A script that runs: the server it runs on, moved here for as long as it does, because Lua's functions cannot borrow.
#[derive(Default)]
pub(super) struct Running {
    pub(super) state: State,
    /// The script's own: database and protocol are not the caller's.
    pub(super) session: Session,
    /// Memory was full when the script began and it has written nothing yet.
    pub(super) full: bool,
    pub(super) looks: u32,
}

/// Where Lua's functions find the script that runs.
pub(super) type Slot = Rc<RefCell<Option<Running>>>;

pub(super) struct Vm {
    lua: Lua,
    /// What scripts see as global variables.
    globals: Table,
    guarded: Function,
    handler: Function,
    functions: RefCell<BTreeMap<String, Function>>,
    running: Slot,
    failure: failure::Slot,
}

/// Gives the thread's interpreter to `use_it`.
pub(super) fn with<R>(use_it: impl FnOnce(&Vm) -> Result<R, Failure>) -> Result<R, Failure> {
    thread_local! {
        static VM: RefCell<Option<Rc<Vm>>> = const { RefCell::new(None) };
    }
    let vm = VM.with(|slot| {
        let mut slot = slot.borrow_mut();
        match &*slot {
            Some(vm) => Ok(Rc::clone(vm)),
            None => Vm::new().map(|vm| Rc::clone(slot.insert(Rc::new(vm)))),
        }
    });
    use_it(&*vm.map_err(|error| failure::internal(&error))?)
}

impl Vm {
    fn new() -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let running = Slot::default();
        let failure = failure::Slot::default();
        let globals = lua.create_table()?;
        let library = call::library(&lua, &running)?;
        let plain = failure::plain(&lua, &running)?;
        let own = base::functions(&lua, &running)?;
        let guarded: Function = lua
            .load(include_str!("sandbox.lua"))
            .set_name("=sandbox")
            .call((globals.clone(), library, plain, own))?;
        let handler = failure::handler(&lua, &running, &failure)?;
        limit(&lua, &running)?;
        Ok(Self {
            lua,
            globals,
            guarded,
            handler,
            functions: RefCell::default(),
            running,
            failure,
        })
    }

    /// The compiled script.
    pub(super) fn function(&self, sha: &str, source: &[u8]) -> Result<Function, Failure> {
        if let Some(function) = self.functions.borrow().get(sha) {
            return Ok(function.clone());
        }
        let chunk = self
            .lua
            .load(source)
            .set_name("@user_script")
            .set_mode(mlua::chunk::ChunkMode::Text);
        let function = chunk
            .into_function()
            .map_err(|error| failure::compiling(&error))?;
        let mut functions = self.functions.borrow_mut();
        if functions.len() >= KEPT {
            functions.clear();
        }
        functions.insert(sha.to_owned(), function.clone());
        Ok(function)
    }

    pub(super) fn run(
        &self,
        state: &mut State,
        session: &mut Session,
        sha: &str,
        function: &Function,
        keys: &[Vec<u8>],
        args: &[Vec<u8>],
    ) -> Outcome {
        self.prepare(keys, args)
            .map_err(|error| failure::internal(&error))?;
        let own = Session {
            client_id: session.client_id,
            db: session.db,
            authenticated: true,
            ..Session::default()
        };
        let full = state.config.maxmemory > 0 && !state.make_room();
        if !state.config.version.is_7() {
            state.random = base::SEED_6_2;
        }
        let is_7 = state.config.version.is_7();
        self.running.replace(Some(Running {
            state: std::mem::take(state),
            session: own,
            full,
            looks: 0,
        }));
        self.failure.take();
        let result = self.guarded.call::<MultiValue>((function, &self.handler));
        let running = self.running.take().unwrap_or_default();
        *state = running.state;
        let mut values = result.map_err(|error| failure::internal(&error))?;
        match values.pop_front() {
            Some(Value::Boolean(true)) => {
                let value = values.pop_front().unwrap_or(Value::Nil);
                convert::to_reply(&value, running.session.protocol == Protocol::Resp3)
            }
            _ => Err(self
                .failure
                .take()
                .unwrap_or_default()
                .into_reply(sha, is_7)),
        }
    }

    fn prepare(&self, keys: &[Vec<u8>], args: &[Vec<u8>]) -> mlua::Result<()> {
        for (name, words) in [("KEYS", keys), ("ARGV", args)] {
            let table = self.lua.create_table_with_capacity(words.len(), 0)?;
            for (index, word) in words.iter().enumerate() {
                table.raw_set(index + 1, self.lua.create_string(word)?)?;
            }
            self.globals.raw_set(name, table)?;
        }
        Ok(())
    }
}

/// Ends scripts that do not end.
fn limit(lua: &Lua, running: &Slot) -> mlua::Result<()> {
    let running = Rc::clone(running);
    let triggers = HookTriggers::new().every_nth_instruction(LOOK);
    lua.set_global_hook(triggers, move |_, _| {
        let mut running = running.borrow_mut();
        let looks = running.as_mut().map_or(0, |running| {
            running.looks += 1;
            running.looks
        });
        if looks >= LOOKS {
            return Err(call::raised("ERR Error running script: it does not end"));
        }
        Ok(VmState::Continue)
    })
}
