//! Deleting what nobody asks for any more: expired keys, and keys for which there is no memory.

use super::{
    change::{Change, Why},
    config::MaxmemoryPolicy,
    state::State,
};

/// What an empty server takes; an estimate.
const BASE: usize = 900_000;

impl State {
    /// Roughly the memory that the server uses.
    pub(super) fn used_memory(&self) -> u64 {
        u64::try_from(BASE + self.data.size()).unwrap_or(u64::MAX)
    }

    /// Deletes all expired keys. Redis samples; it finds nearly all of them soon.
    pub(super) fn expire_all(&mut self) {
        let due = self.data.earliest_expiry_ms();
        if self.is_replica() || self.paused().is_some() || !self.is_past(due) {
            return;
        }
        let mut earliest: Option<i64> = None;
        let mut gone = Vec::new();
        for (db, key, entry) in self.data.all() {
            if self.is_past(entry.expires_at_ms) {
                gone.push((db, key.clone()));
            } else if let Some(at) = entry.expires_at_ms {
                earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
            }
        }
        for (db, key) in gone {
            self.expire(db, &key);
        }
        self.data.set_earliest_expiry_ms(earliest);
    }

    /// Makes room as the policy says; false when memory stays too full.
    pub(super) fn make_room(&mut self) -> bool {
        while self.config.maxmemory > 0 && self.used_memory() > self.config.maxmemory {
            let Some((db, key)) = self.victim() else {
                return false;
            };
            self.evicted_keys += 1;
            let why = Why::Evicted;
            self.change(Change::Deleted { db, key, why });
        }
        true
    }

    /// The key that goes next.
    fn victim(&mut self) -> Option<(usize, super::binary::Binary)> {
        use MaxmemoryPolicy as Policy;
        let policy = self.config.maxmemory_policy;
        if policy == Policy::Noeviction || self.is_replica() {
            return None;
        }
        let volatile = !matches!(
            policy,
            Policy::AllkeysLru | Policy::AllkeysLfu | Policy::AllkeysRandom
        );
        let by_chance = matches!(policy, Policy::AllkeysRandom | Policy::VolatileRandom);
        let salt = self.evicted_keys;
        let candidates = self
            .data
            .all()
            .filter(|(_, _, entry)| !volatile || entry.expires_at_ms.is_some());
        let rank = |(_, key, entry): &(usize, &super::binary::Binary, &super::db::Entry)| {
            if policy == Policy::VolatileTtl {
                entry
                    .expires_at_ms
                    .and_then(|at| u64::try_from(at).ok())
                    .unwrap_or_default()
            } else if by_chance {
                // Any order will do that depends on nothing but the keys and how many went before.
                key.0.iter().fold(salt, |hash, byte| {
                    super::server::mix(hash ^ u64::from(*byte))
                })
            } else {
                entry.used
            }
        };
        let chosen = candidates.min_by_key(rank);
        chosen.map(|(db, key, _)| (db, key.clone()))
    }
}
