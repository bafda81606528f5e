//! Which commands there are.

use super::{
    Run, admin, client, config, connection, expire, hash, keys, replication, scripting, string,
    transaction,
};
use crate::redis::config::Version;

/// It alters data: a replica refuses it.
pub(in crate::redis) const WRITE: u8 = 1;
/// It may need memory.
pub(in crate::redis) const GROWS: u8 = 2;
/// Scripts may not run it.
pub(in crate::redis) const NO_SCRIPT: u8 = 4;
/// Strangers may run it.
pub(in crate::redis) const NO_AUTH: u8 = 8;
/// It may write, which a pause of writes holds back as well.
pub(in crate::redis) const MAY_WRITE: u8 = 16;
/// It runs at once inside of a transaction.
pub(in crate::redis) const NEVER_QUEUED: u8 = 32;

/// One command.
#[derive(Debug)]
pub(in crate::redis) struct Command {
    /// In lower case; subcommands as `client|id`.
    pub(in crate::redis) name: &'static str,
    /// How many words, with the name: exactly, or at least if negative. The second is 6.2's.
    arity: (i8, i8),
    pub(in crate::redis) flags: u8,
    /// Only since 7.0.
    new: bool,
    pub(in crate::redis) run: Run,
}

impl Command {
    pub(in crate::redis) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(in crate::redis) fn takes(&self, words: usize, version: Version) -> bool {
        let arity = if version.is_7() {
            self.arity.0
        } else {
            self.arity.1
        };
        let least = usize::from(arity.unsigned_abs());
        if arity < 0 {
            words >= least
        } else {
            words == least
        }
    }
}

const fn command(name: &'static str, arity: i8, flags: u8, run: Run) -> Command {
    Command {
        name,
        arity: (arity, arity),
        flags,
        new: false,
        run,
    }
}

/// A command with another arity in 6.2.
const fn changed(name: &'static str, arity: (i8, i8), flags: u8, run: Run) -> Command {
    Command {
        arity,
        ..command(name, arity.0, flags, run)
    }
}

/// A command that 6.2 does not have.
const fn new(name: &'static str, arity: i8, flags: u8, run: Run) -> Command {
    Command {
        new: true,
        ..command(name, arity, flags, run)
    }
}

/// Commands that have subcommands.
const CONTAINERS: [&str; 5] = ["client", "config", "debug", "object", "script"];

/// Sorted by name.
static COMMANDS: &[Command] = &[
    command("append", 3, WRITE | GROWS, string::append),
    command("auth", -2, NO_SCRIPT | NO_AUTH, connection::auth),
    command("client|getname", 2, NO_SCRIPT, client::getname),
    command("client|id", 2, NO_SCRIPT, client::id),
    command("client|info", 2, NO_SCRIPT, client::info),
    changed("client|kill", (-3, -2), NO_SCRIPT, client::kill),
    command("client|list", -2, NO_SCRIPT, client::list),
    new("client|no-evict", 3, NO_SCRIPT, client::no_evict),
    command("client|pause", -3, NO_SCRIPT, client::pause),
    command("client|reply", 3, NO_SCRIPT, client::reply),
    command("client|setname", 3, NO_SCRIPT, client::setname),
    command("client|unpause", 2, NO_SCRIPT, client::unpause),
    changed("config|get", (-3, 3), NO_SCRIPT, config::read),
    command("config|resetstat", 2, NO_SCRIPT, config::resetstat),
    command("config|rewrite", 2, NO_SCRIPT, replication::rewrite),
    changed("config|set", (-4, 4), NO_SCRIPT, config::set),
    command("dbsize", 1, 0, keys::dbsize),
    command(
        "debug|set-active-expire",
        3,
        NO_SCRIPT,
        admin::set_active_expire,
    ),
    command("decr", 2, WRITE | GROWS, string::decr),
    command("decrby", 3, WRITE | GROWS, string::decrby),
    command("del", -2, WRITE, keys::del),
    command("discard", 1, NO_SCRIPT | NEVER_QUEUED, transaction::discard),
    command("echo", 2, 0, connection::echo),
    command("eval", -3, NO_SCRIPT | MAY_WRITE, scripting::eval),
    command("evalsha", -3, NO_SCRIPT | MAY_WRITE, scripting::evalsha),
    command("exec", 1, NO_SCRIPT | NEVER_QUEUED, transaction::exec),
    command("exists", -2, 0, keys::exists),
    changed("expire", (-3, 3), WRITE, expire::expire),
    changed("expireat", (-3, 3), WRITE, expire::expireat),
    new("expiretime", 2, 0, expire::expiretime),
    command("flushall", -1, WRITE, keys::flushall),
    command("flushdb", -1, WRITE, keys::flushdb),
    command("get", 2, 0, string::read),
    command("getdel", 2, WRITE, string::getdel),
    command("getex", -2, WRITE, string::getex),
    command("getset", 3, WRITE | GROWS, string::getset),
    command("hdel", -3, WRITE, hash::del),
    command("hello", -1, NO_SCRIPT | NO_AUTH, connection::hello),
    command("hexists", 3, 0, hash::exists),
    command("hget", 3, 0, hash::read),
    command("hgetall", 2, 0, hash::all),
    command("hincrby", 4, WRITE | GROWS, hash::incrby),
    command("hkeys", 2, 0, hash::keys),
    command("hlen", 2, 0, hash::len),
    command("hmget", -3, 0, hash::mget),
    command("hmset", -4, WRITE | GROWS, hash::mset),
    command("hset", -4, WRITE | GROWS, hash::set),
    command("hsetnx", 4, WRITE | GROWS, hash::setnx),
    command("hstrlen", 3, 0, hash::strlen),
    command("hvals", 2, 0, hash::vals),
    command("incr", 2, WRITE | GROWS, string::incr),
    command("incrby", 3, WRITE | GROWS, string::incrby),
    command("info", -1, 0, admin::info),
    command("keys", 2, 0, keys::keys),
    command("mget", -2, 0, string::mget),
    command("mset", -3, WRITE | GROWS, string::mset),
    command("multi", 1, NO_SCRIPT | NEVER_QUEUED, transaction::multi),
    command("persist", 2, WRITE, expire::persist),
    changed("pexpire", (-3, 3), WRITE, expire::pexpire),
    changed("pexpireat", (-3, 3), WRITE, expire::pexpireat),
    new("pexpiretime", 2, 0, expire::pexpiretime),
    command("ping", -1, 0, connection::ping),
    command("psetex", 4, WRITE | GROWS, string::psetex),
    command("psync", -3, NO_SCRIPT, replication::psync),
    command("pttl", 2, 0, expire::pttl),
    command("publish", 3, MAY_WRITE, admin::publish),
    command(
        "quit",
        -1,
        NO_SCRIPT | NO_AUTH | NEVER_QUEUED,
        connection::quit,
    ),
    command("readonly", 1, 0, admin::no_cluster),
    command("readwrite", 1, 0, admin::no_cluster),
    command("rename", 3, WRITE, keys::rename),
    command("replconf", -1, NO_SCRIPT, replication::replconf),
    command("replicaof", 3, NO_SCRIPT, replication::replicaof),
    command(
        "reset",
        1,
        NO_SCRIPT | NO_AUTH | NEVER_QUEUED,
        connection::reset,
    ),
    command("role", 1, NO_SCRIPT, replication::role),
    command("save", 1, NO_SCRIPT, admin::save),
    command("scan", -2, 0, keys::scan),
    changed("script|exists", (-3, -2), NO_SCRIPT, scripting::exists),
    command("script|flush", -2, NO_SCRIPT, scripting::flush),
    command("script|load", 3, NO_SCRIPT, scripting::load),
    command("select", 2, 0, connection::select),
    command("set", -3, WRITE | GROWS, string::set),
    command("setex", 4, WRITE | GROWS, string::setex),
    command("setnx", 3, WRITE | GROWS, string::setnx),
    command("slaveof", 3, NO_SCRIPT, replication::replicaof),
    command("strlen", 2, 0, string::strlen),
    command("time", 1, 0, admin::time),
    command("touch", -2, 0, keys::exists),
    command("ttl", 2, 0, expire::ttl),
    command("type", 2, 0, keys::kind),
    command("unlink", -2, WRITE, keys::del),
    command("unwatch", 1, NO_SCRIPT, transaction::unwatch),
    command("wait", 3, NO_SCRIPT, admin::wait),
    command("watch", -2, NO_SCRIPT | NEVER_QUEUED, transaction::watch),
];

/// What the words of a request name.
#[derive(Clone, Copy, Debug)]
pub(in crate::redis) enum Found {
    Command(&'static Command),
    /// A command with subcommands, but none of that name.
    NoSubcommand(&'static str),
    /// A command with subcommands, alone.
    Bare(&'static str),
    Nothing,
}

fn by_name(name: &str, version: Version) -> Option<&'static Command> {
    let at = COMMANDS
        .binary_search_by(|command| command.name.cmp(name))
        .ok()?;
    let command = COMMANDS.get(at)?;
    (version.is_7() || !command.new).then_some(command)
}

/// Finds the command of a request.
pub(in crate::redis) fn find(words: &[Vec<u8>], version: Version) -> Found {
    let word = |index: usize| words.get(index).map(Vec::as_slice).unwrap_or_default();
    let mut name = [0; 32];
    let Some(name) = lower(&mut name, word(0)) else {
        return Found::Nothing;
    };
    if let Some(container) = CONTAINERS.iter().find(|container| **container == name) {
        if words.len() < 2 {
            return Found::Bare(container);
        }
        let sub = String::from_utf8_lossy(word(1)).to_ascii_lowercase();
        return match by_name(&format!("{name}|{sub}"), version) {
            Some(command) => Found::Command(command),
            None => Found::NoSubcommand(container),
        };
    }
    by_name(name, version).map_or(Found::Nothing, Found::Command)
}

/// Lower case without allocating: this is done for every command.
fn lower<'a>(buffer: &'a mut [u8; 32], word: &[u8]) -> Option<&'a str> {
    let place = buffer.get_mut(..word.len())?;
    place.copy_from_slice(word);
    place.make_ascii_lowercase();
    std::str::from_utf8(place).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(COMMANDS.is_sorted_by(|a, b| a.name < b.name));
    }
}
