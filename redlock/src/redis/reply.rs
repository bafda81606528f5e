//! From what a server replied to what a node answered. Pure, and total: any value is read as
//! something, and only the exact shape of a grant is read as a vote.

use std::{sync::Arc, time::Duration};

use redis::{ServerError, Value};

use crate::{
    node::Verb,
    protocol::{Answer, FencingToken, Reason},
    settings::Settings,
};

/// What a reply is read against.
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    /// See [`Answer::NotOwner`].
    pub(super) same_identity: bool,
}

/// The reply as an answer to `verb`.
pub(super) fn read_reply(verb: &Verb, context: &Context<'_>, value: &Value) -> Answer {
    if let Value::ServerError(error) = value {
        return read_error(verb, error);
    }
    let read = match verb {
        Verb::Acquire { .. } if !context.settings.keeps_record() => read_plain(value),
        Verb::Acquire { ttl, .. } => read_acquire(*ttl, context.settings, value),
        Verb::Release { .. } if text(value) == Some("released") => Some(Answer::Released),
        Verb::Release { .. } => read_owned(None, Duration::ZERO, context, value),
        Verb::Publish { .. } => read_owned(Some("ok"), Duration::ZERO, context, value),
        Verb::Extend { ttl, .. } => match words(value) {
            Some(("settings", [stored])) => read_settings(context.settings, stored),
            _ => read_owned(Some("ok"), *ttl, context, value),
        },
    };
    read.unwrap_or_else(|| Answer::Unknown(Reason::Unreadable(shape(value))))
}

/// Whether the script was not there: it has certainly not been run.
pub(super) fn is_noscript(value: &Value) -> bool {
    matches!(value, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

/// The replies to the calls of a pack of `length`. An error of the whole command is the reply to every one of them: nobody
/// knows how far it came. Anything but an array of one value per call is no reply to any.
pub(super) fn split(value: Option<Value>, length: usize) -> Vec<Value> {
    // No call can be answered with this.
    let nothing = || Value::Array(Vec::new());
    match value {
        Some(Value::Array(values)) if values.len() == length => {
            // A call inside a script that ran was not kept from running by a missing script.
            let credible = |value| {
                if is_noscript(&value) {
                    Value::Nil
                } else {
                    value
                }
            };
            values.into_iter().map(credible).collect()
        }
        Some(error @ Value::ServerError(_)) => vec![error; length],
        _ => vec![nothing(); length],
    }
}

fn read_plain(value: &Value) -> Option<Answer> {
    match value {
        Value::Okay => Some(Answer::Granted { counter: 0 }),
        Value::Nil => Some(Answer::Contended { remaining: None }),
        _ => None,
    }
}

fn read_acquire(ttl: Duration, settings: &Settings, value: &Value) -> Option<Answer> {
    if let Some(text) = text(value) {
        let counter = text.strip_prefix("granted ")?;
        // No sign and no leading zeros: only the exact shape is a vote.
        return match counter.as_bytes() {
            [b'0'] | [b'1'..=b'9', ..] => read_granted(settings, counter.parse().ok()?),
            _ => None,
        };
    }
    let (word, rest) = words(value)?;
    match (word, rest) {
        ("granted", [Value::Int(counter)]) => read_granted(settings, u64::try_from(*counter).ok()?),
        ("held", [left]) => Some(Answer::Contended {
            remaining: Some(millis(left)?),
        }),
        ("quarantined" | "went_back", _) => Some(Answer::Quarantined {
            remaining: read_quarantine(value)?.left,
        }),
        ("settings", [stored]) => read_settings(settings, stored),
        ("stale", []) => Some(Answer::Refused(Reason::IdentityChanged)),
        ("foreign", [what]) => Some(Answer::Refused(Reason::ForeignKey(text(what)?.into()))),
        ("exhausted", []) => Some(Answer::Refused(Reason::CounterExhausted)),
        _ => read_common(ttl, word, rest),
    }
}

fn read_settings(settings: &Settings, stored: &Value) -> Option<Answer> {
    let differences = settings.differences(text(stored)?);
    Some(Answer::Refused(Reason::Settings(differences.into())))
}

fn read_granted(settings: &Settings, counter: u64) -> Option<Answer> {
    let fits = if settings.fencing {
        (1..=FencingToken::MAX.as_u64()).contains(&counter)
    } else {
        counter == 0
    };
    fits.then_some(Answer::Granted { counter })
}

/// What a node said about its quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quarantine {
    /// What the node's own clock still asks for.
    pub(super) left: Duration,
    pub(super) nonce: Arc<str>,
    /// How long it takes from its start.
    pub(super) length: Duration,
}

/// The quarantine in a reply, if that is what it says.
pub(super) fn read_quarantine(value: &Value) -> Option<Quarantine> {
    let ("quarantined" | "went_back", [left, nonce, length]) = words(value)? else {
        return None;
    };
    quarantine(left, nonce, length)
}

/// Whether the node was quarantined because a counter of its was lower than one that it had reached.
pub(super) fn is_set_back(value: &Value) -> bool {
    words(value).is_some_and(|(word, _)| word == "went_back")
}

/// A quarantine of which these three values are said.
pub(super) fn quarantine(left: &Value, nonce: &Value, length: &Value) -> Option<Quarantine> {
    Some(Quarantine {
        left: millis(left)?,
        nonce: text(nonce).filter(|nonce| !nonce.is_empty())?.into(),
        length: millis(length)?,
    })
}

fn read_owned(
    done: Option<&str>,
    ttl: Duration,
    context: &Context<'_>,
    value: &Value,
) -> Option<Answer> {
    let (word, rest) = words(value)?;
    match (word, rest) {
        (word, []) if done == Some(word) => Some(Answer::Confirmed),
        ("not_owner", [Value::Int(exists @ (0 | 1))]) => Some(Answer::NotOwner {
            gone: *exists == 0,
            same_identity: context.same_identity,
        }),
        _ => read_common(ttl, word, rest),
    }
}

fn read_common(ttl: Duration, word: &str, rest: &[Value]) -> Option<Answer> {
    match (word, rest) {
        ("damaged", [what]) => Some(Answer::Refused(Reason::DamagedGuard(text(what)?.into()))),
        ("ttl_above_max", [max]) => Some(Answer::Refused(Reason::TtlAboveMax {
            asked: ttl,
            max: millis(max)?,
        })),
        _ => None,
    }
}

fn read_error(verb: &Verb, error: &ServerError) -> Answer {
    let text = error_text(error);
    if matches!(verb, Verb::Release { .. }) {
        return Answer::Refused(Reason::Server(text));
    }
    match error.code() {
        "LOADING" => Answer::Refused(Reason::Loading),
        "READONLY" => Answer::Refused(Reason::Replica),
        "NOAUTH" => Answer::Refused(Reason::Credentials(text)),
        // A script that is forbidden one of its commands may have run the ones before it.
        "NOPERM" if text.contains("script") => Answer::Unknown(Reason::Failed(text)),
        "NOPERM" => Answer::Refused(Reason::Forbidden(text)),
        "BUSY" | "OOM" | "NOSCRIPT" => Answer::Refused(Reason::Server(text)),
        _ => Answer::Unknown(Reason::Failed(text)),
    }
}

/// The server's words, without anything that could be a token: some errors repeat arguments.
pub(super) fn error_text(error: &ServerError) -> Arc<str> {
    mask(&format!(
        "{} {}",
        error.code(),
        error.details().unwrap_or_default()
    ))
}

/// Cuts text off where it repeats arguments, hides long runs of hexadecimal digits, and keeps it short.
pub(super) fn mask(text: &str) -> Arc<str> {
    let text = text.split(", with args").next().unwrap_or_default().trim();
    let mut shown = String::new();
    let mut run = String::new();
    for character in text.chars().take(200).chain([' ']) {
        if character.is_ascii_hexdigit() {
            run.push(character);
            continue;
        }
        if run.len() >= 16 {
            shown.push('…');
        } else {
            shown.push_str(&run);
        }
        run.clear();
        shown.push(character);
    }
    shown.trim_end().into()
}

/// An array that starts with a word, and what follows it.
pub(super) fn words(value: &Value) -> Option<(&str, &[Value])> {
    let Value::Array(values) = value else {
        return None;
    };
    let (first, rest) = values.split_first()?;
    Some((text(first)?, rest))
}

pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}

pub(super) fn millis(value: &Value) -> Option<Duration> {
    match value {
        Value::Int(ms) => Some(Duration::from_millis(u64::try_from(*ms).ok()?)),
        _ => None,
    }
}

/// What kind of value it is, and nothing of what is in it.
pub(super) fn shape(value: &Value) -> Arc<str> {
    match value {
        Value::Nil => "nil".into(),
        Value::Int(_) => "an integer".into(),
        Value::BulkString(bytes) => format!("a string of {} bytes", bytes.len()).into(),
        Value::Array(values) => match words(value) {
            Some((word, rest)) => {
                let word: String = word.chars().take(16).collect();
                format!("{:?} and {} more values", &*mask(&word), rest.len()).into()
            }
            None => format!("an array of {}", values.len()).into(),
        },
        Value::SimpleString(_) | Value::Okay => "a status".into(),
        Value::Map(_) => "a map".into(),
        Value::Set(_) => "a set".into(),
        Value::Double(_) | Value::BigNumber(_) => "a number".into(),
        Value::Boolean(_) => "a boolean".into(),
        Value::Push { .. } => "a push message".into(),
        Value::ServerError(error) => error_text(error),
        _ => "another kind of value".into(),
    }
}

#[cfg(test)]
#[path = "reply/tests.rs"]
mod tests;
