//! CONFIG: the few settings that matter to locks.

use super::{Call, c_string, keys::glob};
use crate::redis::{
    config::{Config, MaxmemoryPolicy, Persistence},
    reply::{Failure, Outcome, Reply},
};

/// Settings and their values, sorted by name.
fn settings(config: &Config) -> Vec<(&'static str, String)> {
    let save = match &config.persistence {
        Persistence::Rdb { save_points } => {
            let points = save_points
                .iter()
                .map(|point| format!("{} {}", point.seconds, point.changes));
            points.collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    };
    let fsync = match config.persistence {
        Persistence::AofAlways => "always",
        _ => "everysec",
    };
    let yes = |yes: bool| String::from(if yes { "yes" } else { "no" });
    vec![
        ("appendfsync", fsync.into()),
        ("appendonly", yes(config.persistence.appends())),
        ("databases", crate::redis::db::DATABASES.to_string()),
        ("maxmemory", config.maxmemory.to_string()),
        ("maxmemory-policy", config.maxmemory_policy.name().into()),
        ("requirepass", config.password.clone().unwrap_or_default()),
        ("save", save),
    ]
}

pub(super) fn read(call: &mut Call<'_>) -> Outcome {
    let patterns: Vec<_> = call
        .rest(2)
        .iter()
        .map(|word| word.to_ascii_lowercase())
        .collect();
    let matching = settings(&call.state.config).into_iter();
    let matching = matching.filter(|(name, _)| {
        patterns
            .iter()
            .any(|pattern| glob(pattern, name.as_bytes()))
    });
    Ok(Reply::Map(
        matching
            .map(|(name, value)| (Reply::bulk(name), Reply::bulk(value)))
            .collect(),
    ))
}

pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    if !call.words.len().is_multiple_of(2) {
        return Err(super::SYNTAX.into());
    }
    // All or none.
    let mut config = call.state.config.clone();
    for pair in call.rest(2).chunks_exact(2) {
        if let [name, value] = pair {
            change(&mut config, name, value)?;
        }
    }
    call.state.config = config;
    Ok(Reply::OK)
}

fn change(config: &mut Config, name: &[u8], value: &[u8]) -> Result<(), Failure> {
    let setting = String::from_utf8_lossy(name).to_ascii_lowercase();
    let is_7 = config.version.is_7();
    let wrong = |why: String| -> Failure {
        let value = String::from_utf8_lossy(c_string(value));
        if is_7 {
            format!("ERR CONFIG SET failed (possibly related to argument '{setting}') - {why}")
                .into()
        } else {
            let why = why.replace("argument(s)", "argument");
            format!("ERR Invalid argument '{value}' for CONFIG SET '{setting}' - {why}").into()
        }
    };
    match &*setting {
        "maxmemory" => {
            let bytes = bytes(value);
            config.maxmemory =
                bytes.ok_or_else(|| wrong("argument must be a memory value".into()))?;
        }
        "maxmemory-policy" => {
            let names = MaxmemoryPolicy::names();
            let policy = MaxmemoryPolicy::by_name(value);
            config.maxmemory_policy = policy.ok_or_else(|| {
                wrong(format!("argument(s) must be one of the following: {names}"))
            })?;
        }
        "appendfsync" => {
            let appends = config.persistence.appends();
            let persistence = match &*value.to_ascii_lowercase() {
                b"always" => Persistence::AofAlways,
                b"everysec" => Persistence::AofEverysec,
                _ => {
                    return Err(wrong(
                        "argument(s) must be one of the following: everysec, always, no".into(),
                    ));
                }
            };
            if appends {
                config.persistence = persistence;
            }
        }
        "requirepass" => {
            let text = String::from_utf8_lossy(value).into_owned();
            config.password = Some(text).filter(|text| !text.is_empty());
        }
        _ if is_7 => {
            let text = [
                b"ERR Unknown option or number of arguments for CONFIG SET - '",
                c_string(name),
                b"'",
            ];
            return Err(text.concat().into());
        }
        _ => {
            return Err([
                b"ERR Unsupported CONFIG parameter: ".as_slice(),
                c_string(name),
            ]
            .concat()
            .into());
        }
    }
    Ok(())
}

/// A number of bytes, with a unit perhaps.
fn bytes(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(c_string(value))
        .ok()?
        .to_ascii_lowercase();
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at_checked(end)?;
    let factor: u64 = match unit {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    // No digits at all are zero.
    let number: u64 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    number.checked_mul(factor)
}

pub(super) fn resetstat(call: &mut Call<'_>) -> Outcome {
    call.state.commands_processed = 0;
    call.state.expired_keys = 0;
    call.state.evicted_keys = 0;
    Ok(Reply::OK)
}
