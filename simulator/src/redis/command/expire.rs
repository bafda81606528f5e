//! Expiry times.

use super::{Call, c_string, is};
use crate::redis::reply::{Failure, Outcome, Reply};

/// How a time is given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    /// Since the Unix epoch.
    AtSeconds,
    /// Since the Unix epoch.
    AtMillis,
}

impl Unit {
    /// The unit that an option of SET stands for.
    pub(super) fn of(word: &[u8]) -> Option<Self> {
        let units = [
            ("ex", Self::Seconds),
            ("px", Self::Millis),
            ("exat", Self::AtSeconds),
            ("pxat", Self::AtMillis),
        ];
        let found = units.into_iter().find(|(name, _)| is(word, name));
        found.map(|(_, unit)| unit)
    }

    /// The moment that a number means, in milliseconds since the Unix epoch, if it can be written so.
    pub(super) fn moment(self, given: i64, now_ms: i64) -> Option<i64> {
        let millis = match self {
            Self::Seconds | Self::AtSeconds => given.checked_mul(1000)?,
            Self::Millis | Self::AtMillis => given,
        };
        match self {
            Self::Seconds | Self::Millis => millis.checked_add(now_ms),
            Self::AtSeconds | Self::AtMillis => Some(millis),
        }
    }
}

pub(super) fn invalid(name: &str, is_7: bool) -> Failure {
    if is_7 {
        format!("ERR invalid expire time in '{name}' command").into()
    } else {
        format!("ERR invalid expire time in {name}").into()
    }
}

/// When an EXPIRE applies.
#[derive(Default)]
struct Condition {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Condition {
    fn read(call: &Call<'_>) -> Result<Self, Failure> {
        let mut condition = Self::default();
        for word in call.rest(3) {
            match () {
                () if is(word, "nx") => condition.nx = true,
                () if is(word, "xx") => condition.xx = true,
                () if is(word, "gt") => condition.gt = true,
                () if is(word, "lt") => condition.lt = true,
                () => {
                    return Err([b"ERR Unsupported option ".as_slice(), c_string(word)]
                        .concat()
                        .into());
                }
            }
        }
        if condition.nx && (condition.xx || condition.gt || condition.lt) {
            return Err(
                "ERR NX and XX, GT or LT options at the same time are not compatible".into(),
            );
        }
        if condition.gt && condition.lt {
            return Err("ERR GT and LT options at the same time are not compatible".into());
        }
        Ok(condition)
    }

    /// Whether a key that expires at `current` (none: never, which counts as later than anything) may expire at `new`.
    fn allows(&self, current: Option<i64>, new: i64) -> bool {
        let refused = (self.nx && current.is_some())
            || (self.xx && current.is_none())
            || (self.gt && current.is_none_or(|current| new <= current))
            || (self.lt && current.is_some_and(|current| new >= current));
        !refused
    }
}

fn set(call: &mut Call<'_>, unit: Unit) -> Outcome {
    let condition = Condition::read(call)?;
    let given = call.integer(2)?;
    let moment = unit.moment(given, call.state.now.wall_ms());
    let moment = moment.ok_or_else(|| invalid(call.name, call.is_7()))?;
    let (db, key) = (call.db(), call.word(1));
    let Some(entry) = call.state.lookup(db, key) else {
        return Ok(Reply::Int(0));
    };
    if !condition.allows(entry.expires_at_ms, moment) {
        return Ok(Reply::Int(0));
    }
    set_or_delete(call, key, moment);
    Ok(Reply::Int(1))
}

/// Gives a key an expiry time, or deletes it if that has passed: at the very millisecond as well, unlike the rule by which
/// keys expire.
pub(super) fn set_or_delete(call: &mut Call<'_>, key: &[u8], moment: i64) {
    let db = call.db();
    if moment <= call.state.now.wall_ms() {
        call.state.delete(db, key);
    } else {
        call.state.set_expiry(db, key, Some(moment));
    }
}

/// Takes a key's expiry time away.
pub(super) fn remove(call: &mut Call<'_>, key: &[u8]) {
    let db = call.db();
    let entry = call.state.lookup(db, key);
    if entry.is_some_and(|entry| entry.expires_at_ms.is_some()) {
        call.state.set_expiry(db, key, None);
    }
}

pub(super) fn expire(call: &mut Call<'_>) -> Outcome {
    set(call, Unit::Seconds)
}

pub(super) fn pexpire(call: &mut Call<'_>) -> Outcome {
    set(call, Unit::Millis)
}

pub(super) fn expireat(call: &mut Call<'_>) -> Outcome {
    set(call, Unit::AtSeconds)
}

pub(super) fn pexpireat(call: &mut Call<'_>) -> Outcome {
    set(call, Unit::AtMillis)
}

pub(super) fn persist(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let entry = call.state.lookup(db, key);
    let had = entry.is_some_and(|entry| entry.expires_at_ms.is_some());
    remove(call, key);
    Ok(Reply::flag(had))
}

/// Answers −2 without a key, −1 without an expiry time, and else what `answer` makes of now and then, in milliseconds.
fn tell(call: &mut Call<'_>, answer: fn(i64, i64) -> i64) -> Outcome {
    let (db, key, now) = (call.db(), call.word(1), call.state.now.wall_ms());
    Ok(Reply::Int(match call.state.lookup(db, key) {
        None => -2,
        Some(entry) => entry.expires_at_ms.map_or(-1, |at| answer(now, at)),
    }))
}

fn round(ms: i64) -> i64 {
    ms.saturating_add(500) / 1000
}

pub(super) fn ttl(call: &mut Call<'_>) -> Outcome {
    tell(call, |now, at| round(at.saturating_sub(now).max(0)))
}

pub(super) fn pttl(call: &mut Call<'_>) -> Outcome {
    tell(call, |now, at| at.saturating_sub(now).max(0))
}

pub(super) fn expiretime(call: &mut Call<'_>) -> Outcome {
    tell(call, |_, at| round(at))
}

pub(super) fn pexpiretime(call: &mut Call<'_>) -> Outcome {
    tell(call, |_, at| at)
}
