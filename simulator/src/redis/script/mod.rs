//! Scripts, in the Lua that Redis embeds.
//!
//! Making an interpreter takes longer than most servers of a simulation live, so a thread has one for all its servers
//! ([`vm`]). Nothing of a server stays in it: a script can reach no variable that outlives it, and what a server remembers of
//! its scripts is their text. [`convert`] turns replies into Lua's values and back, [`call`] is `redis.call` and the rest of
//! that library, [`base`] what is changed in Lua's own, [`failure`] says what went wrong and where, in the words of 6.2 and of 7.0.
//!
//! What Redis has and these scripts do not: `cjson`, `cmsgpack`, `struct` and `bit`; `getfenv`, `setfenv`, `newproxy` and
//! `print`, which 7.0 took away; memory figures of the collector, and addresses in `tostring`, which would differ from run to
//! run. A script that does not end is stopped after 200 million instructions with an error, and nobody is told BUSY meanwhile.

mod base;
mod call;
mod convert;
mod failure;
mod vm;

pub(super) use base::SEED_7_0;

use std::sync::Arc;

use super::{
    reply::{Failure, Outcome},
    session::Session,
    state::State,
};

/// A script's name.
pub(super) fn sha1(source: &[u8]) -> String {
    sha1_smol::Sha1::from(source).digest().to_string()
}

/// Whether a script is Lua at all.
pub(super) fn compile(sha: &str, source: &Arc<[u8]>) -> Result<(), Failure> {
    vm::with(|vm| vm.function(sha, source).map(|_| ()))
}

/// Runs a script on a server.
pub(super) fn run(
    state: &mut State,
    session: &mut Session,
    sha: &str,
    source: &Arc<[u8]>,
    keys: &[Vec<u8>],
    args: &[Vec<u8>],
) -> Outcome {
    vm::with(|vm| {
        let function = vm.function(sha, source)?;
        vm.run(state, session, sha, &function, keys, args)
    })
}
