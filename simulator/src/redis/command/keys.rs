//! Keys, whatever they hold.

use super::{Call, SYNTAX, c_string, is};
use crate::redis::{
    number,
    reply::{Failure, Outcome, Reply},
};

pub(super) fn del(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let (state, keys) = (&mut *call.state, call.words.get(1..).unwrap_or_default());
    let deleted = keys.iter().filter(|key| state.delete(db, key)).count();
    Ok(Reply::size(deleted))
}

pub(super) fn exists(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let (state, keys) = (&mut *call.state, call.words.get(1..).unwrap_or_default());
    let there = keys
        .iter()
        .filter(|key| state.lookup(db, key).is_some())
        .count();
    Ok(Reply::size(there))
}

pub(super) fn kind(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.db(), call.word(1));
    let entry = call.state.lookup(db, key);
    Ok(Reply::status(
        entry.map_or("none", |entry| entry.value.kind()),
    ))
}

pub(super) fn rename(call: &mut Call<'_>) -> Outcome {
    let (db, from, to) = (call.db(), call.word(1), call.word(2));
    let Some(entry) = call.state.lookup(db, from) else {
        return Err("ERR no such key".into());
    };
    if from != to {
        let (value, expires_at_ms) = (entry.value.clone(), entry.expires_at_ms);
        call.state.set(db, to, value, expires_at_ms);
        call.state.delete(db, from);
    }
    Ok(Reply::OK)
}

/// Expired keys count until they are deleted.
pub(super) fn dbsize(call: &mut Call<'_>) -> Outcome {
    Ok(Reply::size(call.state.data.len(call.db())))
}

fn flush(call: &mut Call<'_>, db: Option<usize>) -> Outcome {
    match call.rest(1) {
        [] => {}
        [mode] if is(mode, "sync") || is(mode, "async") => {}
        _ => return Err(SYNTAX.into()),
    }
    call.state.flush(db);
    Ok(Reply::OK)
}

pub(super) fn flushall(call: &mut Call<'_>) -> Outcome {
    flush(call, None)
}

pub(super) fn flushdb(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    flush(call, Some(db))
}

/// All keys that match, sorted; Redis gives no order.
fn matching(call: &Call<'_>, pattern: &[u8]) -> Vec<Vec<u8>> {
    let keys = call.state.data.keys(call.db());
    let keys = keys.filter(|(key, _)| glob(pattern, key.as_bytes()));
    keys.map(|(key, _)| key.0.clone()).collect()
}

/// Leaves out expired keys, but leaves them where they are.
pub(super) fn keys(call: &mut Call<'_>) -> Outcome {
    let db = call.db();
    let mut keys = matching(call, call.word(1));
    keys.retain(|key| {
        let entry = call.state.data.entry(db, key);
        entry.is_some_and(|entry| !call.state.is_past(entry.expires_at_ms))
    });
    Ok(Reply::Array(keys.into_iter().map(Reply::Bulk).collect()))
}

/// A cursor as C reads it: nothing is zero, and a sign may stand before it.
fn cursor(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(c_string(word)).ok()?;
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if text.is_empty() {
        return Some(0);
    }
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Answers everything at once, with a cursor of zero.
pub(super) fn scan(call: &mut Call<'_>) -> Outcome {
    let cursor = cursor(call.word(1));
    if cursor.is_none() {
        return Err("ERR invalid cursor".into());
    }
    let mut pattern = b"*".as_slice();
    let mut kind = None;
    for option in call.rest(2).chunks(2) {
        match option {
            [name, value] if is(name, "match") => pattern = value,
            [name, value] if is(name, "type") => kind = Some(value.clone()),
            [name, value] if is(name, "count") => {
                let count = number::parse(value).ok_or(super::NOT_INTEGER)?;
                if count < 1 {
                    return Err(SYNTAX.into());
                }
            }
            _ => return Err(Failure::from(SYNTAX)),
        }
    }
    let db = call.db();
    let mut found = if cursor == Some(0) {
        matching(call, pattern)
    } else {
        Vec::new()
    };
    // Unlike KEYS it deletes those that have expired.
    found.retain(|key| {
        let kind_of = call.state.lookup(db, key).map(|entry| entry.value.kind());
        kind_of.is_some_and(|of| kind.as_ref().is_none_or(|kind: &Vec<u8>| is(kind, of)))
    });
    let found = found.into_iter().map(Reply::Bulk).collect();
    Ok(Reply::Array(vec![Reply::bulk("0"), Reply::Array(found)]))
}

/// Whether text matches a pattern with `*`, `?`, `[…]` and `\`.
pub(super) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], _) => text.is_empty(),
        ([b'*', rest @ ..], _) => {
            (0..=text.len()).any(|at| glob(rest, text.get(at..).unwrap_or_default()))
        }
        (_, []) => false,
        ([b'?', rest @ ..], [_, after @ ..]) => glob(rest, after),
        ([b'[', rest @ ..], [byte, after @ ..]) => {
            let (matched, rest) = class(rest, *byte);
            matched && glob(rest, after)
        }
        ([b'\\', literal, rest @ ..], [byte, after @ ..]) => literal == byte && glob(rest, after),
        ([literal, rest @ ..], [byte, after @ ..]) => literal == byte && glob(rest, after),
    }
}

/// Whether a byte is in the class that starts here, and what follows the class. One that does not end goes to the end.
fn class(pattern: &[u8], byte: u8) -> (bool, &[u8]) {
    let (not, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut matched = false;
    loop {
        match rest {
            [] => return (matched != not, rest),
            [b']', after @ ..] => return (matched != not, after),
            [b'\\', literal, after @ ..] => {
                matched |= *literal == byte;
                rest = after;
            }
            [from, b'-', to, after @ ..] => {
                let (low, high) = (from.min(to), from.max(to));
                matched |= (low..=high).contains(&&byte);
                rest = after;
            }
            [literal, after @ ..] => {
                matched |= *literal == byte;
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, matches) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[^a]x", "ax", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[ab", "a", true),
        ] {
            assert_eq!(
                glob(pattern.as_bytes(), text.as_bytes()),
                matches,
                "{pattern} {text}"
            );
        }
    }
}
