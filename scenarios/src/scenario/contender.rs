//! The locks that scenarios compare.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulator::contender::SingleRule;

/// A lock under test, by the name that files and command lines give it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Contender {
    /// A mutex in the memory of one process.
    Memory,
    /// `flock` on a file of one machine.
    Flock,
    /// A file or folder whose creation is exclusive.
    Mkdir,
    /// A row that a database locks in the transaction that also does the work.
    Sql,
    /// One Redis: SET with a TTL and nothing else, which always succeeds; released by a DEL that asks nobody.
    RedisBlindSet,
    /// One Redis: EXPIRE on arrival, whoever has the key; then GET, and SET NX with a TTL when nothing was there; released by a DEL that
    /// asks nobody.
    RedisExpireThenSet,
    /// One Redis: GET, then SET with a TTL when nothing was there; released by a DEL that asks nobody.
    RedisCheckThenSet,
    /// One Redis: SETNX, then EXPIRE; released by a DEL that asks nobody.
    RedisSetThenExpire,
    /// One Redis: SET NX PX; released by a DEL that asks nobody.
    RedisBlindDelete,
    /// One Redis, as its documentation says: SET NX PX with a random value, which the release compares.
    RedisSingle,
    /// The same on a master with an asynchronous replica that takes over.
    RedisReplicated,
    /// Redlock without an allowance for drift, on a clock that stops while the machine sleeps.
    RedlockNoDrift,
    /// Redlock without the restart guard: nodes that forgot vote at once.
    RedlockNoGuard,
    /// Redlock whose fencing tokens are off.
    RedlockNoFencing,
    /// Redlock, and a holder that asks neither whether its lease is valid nor when it was lost.
    RedlockDeaf,
    /// Redlock on one node.
    RedlockN1,
    /// Redlock on three nodes.
    RedlockN3,
    /// Redlock on seven nodes.
    RedlockN7,
    /// Redlock as it is; the resource checks no fencing token.
    Redlock,
    /// Redlock as it is; the resource checks fencing tokens on writes only.
    RedlockFencedWrites,
    /// Redlock as it is; the resource checks fencing tokens on reads and writes.
    RedlockFenced,
    /// ZooKeeper's lock recipe.
    Zookeeper,
    /// etcd's lock.
    Etcd,
}

impl Contender {
    /// All of them, in the order of tables: from what people build first to what they end with.
    pub const ALL: [Self; 23] = [
        Self::Memory,
        Self::Flock,
        Self::Mkdir,
        Self::Sql,
        Self::RedisBlindSet,
        Self::RedisCheckThenSet,
        Self::RedisSetThenExpire,
        Self::RedisExpireThenSet,
        Self::RedisBlindDelete,
        Self::RedisSingle,
        Self::RedisReplicated,
        Self::RedlockNoDrift,
        Self::RedlockNoGuard,
        Self::RedlockNoFencing,
        Self::RedlockDeaf,
        Self::RedlockN1,
        Self::RedlockN3,
        Self::RedlockN7,
        Self::Redlock,
        Self::RedlockFencedWrites,
        Self::RedlockFenced,
        Self::Zookeeper,
        Self::Etcd,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Flock => "flock",
            Self::Mkdir => "mkdir",
            Self::Sql => "sql",
            Self::RedisBlindSet => "redis-blind-set",
            Self::RedisExpireThenSet => "redis-expire-then-set",
            Self::RedisCheckThenSet => "redis-check-then-set",
            Self::RedisSetThenExpire => "redis-set-then-expire",
            Self::RedisBlindDelete => "redis-blind-delete",
            Self::RedisSingle => "redis-single",
            Self::RedisReplicated => "redis-replicated",
            Self::RedlockNoDrift => "redlock-no-drift",
            Self::RedlockNoGuard => "redlock-no-guard",
            Self::RedlockNoFencing => "redlock-no-fencing",
            Self::RedlockDeaf => "redlock-deaf",
            Self::RedlockN1 => "redlock-n1",
            Self::RedlockN3 => "redlock-n3",
            Self::RedlockN7 => "redlock-n7",
            Self::Redlock => "redlock",
            Self::RedlockFencedWrites => "redlock-fenced-writes",
            Self::RedlockFenced => "redlock-fenced",
            Self::Zookeeper => "zookeeper",
            Self::Etcd => "etcd",
        }
    }

    /// Two or three letters for the head of a table.
    pub const fn short(self) -> &'static str {
        match self {
            Self::Memory => "MEM",
            Self::Flock => "FLK",
            Self::Mkdir => "MKD",
            Self::Sql => "SQL",
            Self::RedisBlindSet => "BLS",
            Self::RedisExpireThenSet => "EXS",
            Self::RedisCheckThenSet => "NAI",
            Self::RedisSetThenExpire => "SEX",
            Self::RedisBlindDelete => "BLD",
            Self::RedisSingle => "R1",
            Self::RedisReplicated => "MR",
            Self::RedlockNoDrift => "RL0",
            Self::RedlockNoGuard => "RLq",
            Self::RedlockNoFencing => "RLn",
            Self::RedlockDeaf => "RLd",
            Self::RedlockN1 => "RL1",
            Self::RedlockN3 => "RL3",
            Self::RedlockN7 => "RL7",
            Self::Redlock => "RL",
            Self::RedlockFencedWrites => "RLw",
            Self::RedlockFenced => "RLF",
            Self::Zookeeper => "ZK",
            Self::Etcd => "ET",
        }
    }

    /// Whether it exists here. What is expected of the others is kept until they do.
    pub const fn exists(self) -> bool {
        self.is_redlock() || self.is_single()
    }

    /// Whether it is one Redis, replicated or not.
    pub const fn is_single(self) -> bool {
        self.rule().is_some()
    }

    /// Its commands, if it is a lock on one Redis.
    pub const fn rule(self) -> Option<SingleRule> {
        match self {
            Self::RedisBlindSet => Some(SingleRule::BlindSet),
            Self::RedisCheckThenSet => Some(SingleRule::CheckThenSet),
            Self::RedisSetThenExpire => Some(SingleRule::SetThenExpire),
            Self::RedisExpireThenSet => Some(SingleRule::ExpireThenSet),
            Self::RedisBlindDelete => Some(SingleRule::BlindDelete),
            Self::RedisSingle | Self::RedisReplicated => Some(SingleRule::OwnerChecked),
            _ => None,
        }
    }

    /// Whether it is the shipped client, however it is configured.
    pub const fn is_redlock(self) -> bool {
        matches!(
            self,
            Self::RedlockNoDrift
                | Self::RedlockNoGuard
                | Self::RedlockNoFencing
                | Self::RedlockDeaf
                | Self::RedlockN1
                | Self::RedlockN3
                | Self::RedlockN7
                | Self::Redlock
                | Self::RedlockFencedWrites
                | Self::RedlockFenced
        )
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_files_and_different() {
        let mut shorts: Vec<_> = Contender::ALL.iter().map(|it| it.short()).collect();
        shorts.sort_unstable();
        shorts.dedup();
        assert_eq!(shorts.len(), Contender::ALL.len());
        for contender in Contender::ALL {
            let written = serde_json::to_string(&contender).unwrap();
            assert_eq!(written, format!("{:?}", contender.name()));
        }
    }
}
