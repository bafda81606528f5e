//! From words to a reply: finding the command, refusing it, queueing it, running it.

use super::{
    Call, c_string,
    table::{self, Command, Found},
    wrong_arity,
};
use crate::redis::{
    reply::{Failure, Outcome, Reply},
    session::Session,
    state::State,
};

/// What became of a request.
pub(in crate::redis) enum Fate {
    Answered(Outcome),
    /// The server is paused; the request waits.
    Held,
}

/// The error for a request that names no command, or names it with the wrong number of words.
pub(in crate::redis) fn check(
    state: &State,
    words: &[Vec<u8>],
) -> Result<&'static Command, Failure> {
    let version = state.config.version;
    match table::find(words, version) {
        Found::Command(command) if command.takes(words.len(), version) => Ok(command),
        Found::Command(command) if !version.is_7() && command.name.contains('|') => {
            let container = command.name.split('|').next().unwrap_or_default();
            Err(no_subcommand(words, container, false))
        }
        Found::Command(command) => Err(wrong_arity(command.name)),
        Found::NoSubcommand(container) => Err(no_subcommand(words, container, version.is_7())),
        Found::Bare(container) => Err(wrong_arity(container)),
        Found::Nothing => Err(unknown(words, version.is_7())),
    }
}

fn word(words: &[Vec<u8>], index: usize) -> &[u8] {
    let word = words.get(index).map(Vec::as_slice).unwrap_or_default();
    c_string(word.get(..128).unwrap_or(word))
}

fn no_subcommand(words: &[Vec<u8>], container: &str, is_7: bool) -> Failure {
    if !is_7 {
        return misused(words, container, is_7);
    }
    let help = format!("'. Try {} HELP.", container.to_ascii_uppercase());
    let what = b"ERR unknown subcommand '".as_slice();
    [what, word(words, 1), help.as_bytes()].concat().into()
}

/// The error for arguments that a subcommand does not take, where it looks at them itself.
pub(super) fn misused(words: &[Vec<u8>], container: &str, is_7: bool) -> Failure {
    let first = if is_7 { "u" } else { "U" };
    let what = format!("ERR {first}nknown subcommand or wrong number of arguments for '");
    let help = format!("'. Try {} HELP.", container.to_ascii_uppercase());
    [what.as_bytes(), word(words, 1), help.as_bytes()]
        .concat()
        .into()
}

fn unknown(words: &[Vec<u8>], is_7: bool) -> Failure {
    let mut shown: Vec<u8> = Vec::new();
    let (open, close, after): (&[u8], &[u8], &[u8]) = if is_7 {
        (b"'", b"'", b" ")
    } else {
        (b"`", b"`", b", ")
    };
    for argument in words.get(1..).unwrap_or_default() {
        if shown.len() >= 128 {
            break;
        }
        let room = 128 - shown.len();
        shown.extend_from_slice(open);
        shown.extend_from_slice(c_string(argument.get(..room).unwrap_or(argument)));
        shown.extend_from_slice(close);
        shown.extend_from_slice(after);
    }
    let name = word(words, 0);
    [
        b"ERR unknown command ",
        open,
        name,
        close,
        b", with args beginning with: ",
        &shown,
    ]
    .concat()
    .into()
}

/// Handles a request of a client: refuses, holds, queues or runs it.
pub(in crate::redis) fn request(
    state: &mut State,
    session: &mut Session,
    words: &[Vec<u8>],
) -> Fate {
    let command = match admit(state, session, words) {
        Ok(command) => command,
        Err(failure) => {
            if let Some(transaction) = &mut session.transaction {
                transaction.broken = true;
            }
            return Fate::Answered(Err(match table::find(words, state.config.version) {
                Found::Command(command) if command.name == "exec" => {
                    abort(state, session, &failure)
                }
                _ => failure,
            }));
        }
    };
    if is_held(state, session, command) {
        return Fate::Held;
    }
    state.commands_processed += 1;
    if let (Some(transaction), false) = (
        &mut session.transaction,
        command.is_some_and(|c| c.has(table::NEVER_QUEUED)),
    ) {
        transaction.commands.push(words.to_vec());
        return Fate::Answered(Ok(Reply::status("QUEUED")));
    }
    Fate::Answered(match command {
        Some(command) => run(state, session, command, words),
        None => check(state, words).map(|_| Reply::Silence),
    })
}

/// A refused EXEC ends the transaction and gives the reason.
fn abort(state: &mut State, session: &mut Session, reason: &Failure) -> Failure {
    let mut call = Call {
        state,
        session,
        words: &[],
        name: "exec",
    };
    super::transaction::abandon(&mut call);
    let reason = reason.0.strip_prefix(b"ERR ").unwrap_or(&reason.0);
    [
        b"EXECABORT Transaction discarded because of: ".as_slice(),
        reason,
    ]
    .concat()
    .into()
}

/// Checks what Redis checks before it runs or queues a command. 6.2 looks at subcommands only when it runs them: no command
/// then, and no error yet.
fn admit(
    state: &mut State,
    session: &Session,
    words: &[Vec<u8>],
) -> Result<Option<&'static Command>, Failure> {
    let version = state.config.version;
    let command = match check(state, words) {
        Ok(command) => Some(command),
        Err(failure) => match table::find(words, version) {
            Found::Command(command) if !version.is_7() && command.name.contains('|') => None,
            Found::NoSubcommand(_) if !version.is_7() => None,
            _ => return Err(failure),
        },
    };
    if !session.authenticated && !command.is_some_and(|command| command.has(table::NO_AUTH)) {
        return Err("NOAUTH Authentication required.".into());
    }
    let Some(command) = command else {
        if session.transaction.is_some() && !state.make_room() {
            return Err(OOM.into());
        }
        return Ok(None);
    };
    if let Some(name) = denied(state, command) {
        let (name, suffix) = if version.is_7() {
            (name, "")
        } else {
            (base(name), " or its subcommand")
        };
        return Err(format!(
            "NOPERM this user has no permissions to run the '{name}' command{suffix}"
        )
        .into());
    }
    if state.config.maxmemory > 0 && !state.make_room() {
        let leaves = matches!(command.name, "exec" | "discard" | "quit" | "reset");
        let queues = session.transaction.is_some() && !leaves;
        if command.has(table::GROWS) || queues {
            return Err(OOM.into());
        }
    }
    if state.is_replica() && command.has(table::WRITE) {
        return Err(READ_ONLY.into());
    }
    Ok(Some(command))
}

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";
const READ_ONLY: &str = "READONLY You can't write against a read only replica.";

fn base(name: &'static str) -> &'static str {
    name.split('|').next().unwrap_or_default()
}

/// The name under which a command is denied.
fn denied(state: &State, command: &Command) -> Option<&'static str> {
    let denied = &state.config.denied_commands;
    (!denied.is_empty() && (denied.contains(command.name) || denied.contains(base(command.name))))
        .then_some(command.name)
}

fn is_held(state: &mut State, session: &Session, command: Option<&'static Command>) -> bool {
    let Some(pause) = state.paused() else {
        return false;
    };
    let writes = |command: &Command| command.has(table::WRITE) || command.has(table::MAY_WRITE);
    let version = state.config.version;
    let queued = || {
        session.transaction.iter().flat_map(|transaction| &transaction.commands).any(|words| {
            matches!(table::find(words, version), Found::Command(command) if writes(command))
        })
    };
    pause.all
        || command.is_some_and(|command| writes(command) || (command.name == "exec" && queued()))
}

fn run(
    state: &mut State,
    session: &mut Session,
    command: &'static Command,
    words: &[Vec<u8>],
) -> Outcome {
    let mut call = Call {
        state,
        session,
        words,
        name: command.name,
    };
    (command.run)(&mut call)
}

/// Runs a command that was queued.
pub(super) fn execute(state: &mut State, session: &mut Session, words: &[Vec<u8>]) -> Outcome {
    let command = check(state, words)?;
    run(state, session, command, words)
}

/// Why a script may not run a command just now. `full`: memory was full when the script began and it has written nothing yet.
pub(in crate::redis) fn refused_to_script(
    state: &State,
    command: &Command,
    full: bool,
) -> Option<&'static str> {
    if denied(state, command).is_some() {
        return Some("NOPERM The user executing the script can't run this command or subcommand");
    }
    if command.has(table::WRITE) && state.is_replica() {
        return Some(READ_ONLY);
    }
    (command.has(table::GROWS) && full).then_some(OOM)
}

/// Runs a command for a script.
pub(in crate::redis) fn from_script(
    state: &mut State,
    session: &mut Session,
    command: &'static Command,
    words: &[Vec<u8>],
) -> Outcome {
    run(state, session, command, words)
}
