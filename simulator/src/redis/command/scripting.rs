//! Scripts.

use std::sync::Arc;

use super::{Call, is};
use crate::redis::{
    reply::{Outcome, Reply},
    script,
};

fn run(call: &mut Call<'_>, sha: &str, source: &Arc<[u8]>) -> Outcome {
    let count = usize::try_from(call.integer(2)?).unwrap_or_default();
    let (keys, args) = call.rest(3).split_at(count);
    script::run(call.state, call.session, sha, source, keys, args)
}

/// Checks the number of keys before anything else, as Redis does.
fn check_keys(call: &Call<'_>) -> Result<(), crate::redis::reply::Failure> {
    let count = call.integer(2)?;
    let given = i64::try_from(call.words.len()).unwrap_or(i64::MAX) - 3;
    if count > given {
        return Err("ERR Number of keys can't be greater than number of args".into());
    }
    if count < 0 {
        return Err("ERR Number of keys can't be negative".into());
    }
    Ok(())
}

pub(super) fn eval(call: &mut Call<'_>) -> Outcome {
    check_keys(call)?;
    // A script that is known is found faster by its text than by its name, which has to be computed from all of it.
    let mut scripts = call.state.scripts.iter();
    if let Some((sha, source)) = scripts.find(|(_, source)| ***source == *call.word(1)) {
        let (sha, source) = (sha.clone(), Arc::clone(source));
        return run(call, &sha, &source);
    }
    let sha = script::sha1(call.word(1));
    let source: Arc<[u8]> = call.word(1).into();
    script::compile(&sha, &source)?;
    call.state.scripts.insert(sha.clone(), Arc::clone(&source));
    run(call, &sha, &source)
}

pub(super) fn evalsha(call: &mut Call<'_>) -> Outcome {
    const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
    if call.word(1).len() != 40 {
        return Err(NO_SCRIPT.into());
    }
    check_keys(call)?;
    let sha = String::from_utf8_lossy(call.word(1)).to_ascii_lowercase();
    let source = call
        .state
        .scripts
        .get(&sha)
        .map(Arc::clone)
        .ok_or(NO_SCRIPT)?;
    run(call, &sha, &source)
}

pub(super) fn load(call: &mut Call<'_>) -> Outcome {
    let sha = script::sha1(call.word(2));
    if !call.state.scripts.contains_key(&sha) {
        let source: Arc<[u8]> = call.word(2).into();
        script::compile(&sha, &source)?;
        call.state.scripts.insert(sha.clone(), source);
    }
    Ok(Reply::bulk(sha))
}

pub(super) fn exists(call: &mut Call<'_>) -> Outcome {
    let known = call.rest(2).iter().map(|sha| {
        let known = std::str::from_utf8(sha).is_ok_and(|sha| call.state.scripts.contains_key(sha));
        Reply::flag(known)
    });
    Ok(Reply::Array(known.collect()))
}

pub(super) fn flush(call: &mut Call<'_>) -> Outcome {
    match call.rest(2) {
        [] => {}
        [mode] if is(mode, "sync") || is(mode, "async") => {}
        _ => return Err("ERR SCRIPT FLUSH only support SYNC|ASYNC option".into()),
    }
    call.state.scripts.clear();
    Ok(Reply::OK)
}
