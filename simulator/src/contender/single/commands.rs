//! The commands of each rule.

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::{master::Servers, server::CallError, settings::SingleRule};

/// Deletes the key if it holds the value.
const RELEASE: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
/// Gives the key another TTL if it holds the value.
const EXTEND: &str = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";

/// One key and what is written into it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) rule: SingleRule,
    pub(super) key: String,
    pub(super) value: String,
}

/// Milliseconds, of which there is at least one.
fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// A TTL as an option of SET: in seconds, as such code writes it, where that says the same.
fn expiring(set: &mut Cmd, ttl: Duration) {
    match millis(ttl) {
        ms if ms.is_multiple_of(1_000) => set.arg("EX").arg(ms / 1_000),
        ms => set.arg("PX").arg(ms),
    };
}

impl Entry {
    fn set(&self, ttl: Duration) -> Cmd {
        let mut set = cmd("SET");
        set.arg(&self.key).arg(&self.value);
        expiring(&mut set, ttl);
        set
    }

    fn set_nx(&self, ttl: Duration) -> Cmd {
        let mut set = cmd("SET");
        set.arg(&self.key).arg(&self.value).arg("NX");
        match self.rule {
            SingleRule::ExpireThenSet => expiring(&mut set, ttl),
            _ => {
                set.arg("PX").arg(millis(ttl));
            }
        }
        set
    }

    fn expire(&self, ttl: Duration) -> Cmd {
        match millis(ttl) {
            ms if ms.is_multiple_of(1_000) => on("EXPIRE", &self.key, ms / 1_000),
            ms => on("PEXPIRE", &self.key, ms),
        }
    }

    fn script(&self, source: &str) -> Cmd {
        let mut eval = cmd("EVAL");
        eval.arg(source).arg(1).arg(&self.key).arg(&self.value);
        eval
    }

    /// What is done once, before the first attempt.
    pub(super) async fn arrive(&self, servers: &Servers, ttl: Duration) -> Result<(), CallError> {
        if self.rule == SingleRule::ExpireThenSet {
            servers.call(&self.expire(ttl)).await?;
        }
        Ok(())
    }

    /// One attempt to take the key: the host of the server that gave it.
    pub(super) async fn take(
        &self,
        servers: &Servers,
        ttl: Duration,
    ) -> Result<Option<String>, CallError> {
        use SingleRule as Rule;
        if matches!(self.rule, Rule::CheckThenSet | Rule::ExpireThenSet) {
            let mut get = cmd("GET");
            get.arg(&self.key);
            if servers.call(&get).await?.0 != Value::Nil {
                return Ok(None);
            }
        }
        let command = match self.rule {
            Rule::BlindSet | Rule::CheckThenSet => self.set(ttl),
            Rule::SetThenExpire => on("SETNX", &self.key, &self.value),
            Rule::ExpireThenSet | Rule::BlindDelete | Rule::OwnerChecked => self.set_nx(ttl),
        };
        let (reply, host) = servers.call(&command).await?;
        let taken = matches!(reply, Value::Okay | Value::Int(1));
        if taken && self.rule == Rule::SetThenExpire {
            servers.call(&self.expire(ttl)).await?;
        }
        Ok(taken.then_some(host))
    }

    /// Gives the key another TTL: whether there was one, which for the rule that looks means one of its own.
    pub(super) async fn prolong(
        &self,
        servers: &Servers,
        ttl: Duration,
    ) -> Result<bool, CallError> {
        let command = match self.rule {
            SingleRule::OwnerChecked => {
                let mut eval = self.script(EXTEND);
                eval.arg(millis(ttl));
                eval
            }
            _ => self.expire(ttl),
        };
        Ok(servers.call(&command).await?.0 == Value::Int(1))
    }

    /// Gives the key back: whether there was one, which for the rule that looks means one of its own.
    pub(super) async fn give_back(&self, servers: &Servers) -> Result<bool, CallError> {
        let command = match self.rule {
            SingleRule::OwnerChecked => self.script(RELEASE),
            _ => {
                let mut del = cmd("DEL");
                del.arg(&self.key);
                del
            }
        };
        Ok(servers.call(&command).await?.0 == Value::Int(1))
    }
}

fn on(name: &str, key: &str, argument: impl redis::ToRedisArgs) -> Cmd {
    let mut command = cmd(name);
    command.arg(key).arg(argument);
    command
}
