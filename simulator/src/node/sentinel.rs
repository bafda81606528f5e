//! The part of a Sentinel that goes on after a promotion: the old master becomes a replica of the new one, as soon as
//! they reach each other.
//!
//! It sits on the host of the promoted server and goes over the simulated network, so "reach" is what the network says.

use std::{io, time::Duration};

use redlock::Runtime as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::program::RedisNode;
use crate::{host::Process, redis::Master};

/// How often it tries, and how long a try may take.
const BEAT: Duration = Duration::from_secs(1);

/// Demotes whom it is told to demote, for ever.
pub(super) async fn watch(node: RedisNode, process: Process) {
    loop {
        let Some(old) = node.to_demote() else {
            node.promoted().notified().await;
            continue;
        };
        let done = tokio::select! {
            biased;
            done = demote(&process, &old) => done.is_ok(),
            () = process.runtime().sleep(BEAT) => false,
        };
        if done {
            node.demoted(&old);
        } else {
            process.runtime().sleep(BEAT).await;
        }
    }
}

/// What a Sentinel sends. Clients are disconnected so that they look for the master anew.
async fn demote(process: &Process, old: &Master) -> io::Result<()> {
    let mut stream = process.connect(&old.host, old.port).await?;
    let request = format!(
        "MULTI\r\nREPLICAOF {} {}\r\nCONFIG REWRITE\r\nCLIENT KILL TYPE normal\r\nEXEC\r\n",
        process.host().name(),
        super::PORT
    );
    stream.write_all(request.as_bytes()).await?;
    let mut replies = Vec::new();
    let done = b"\r\n*3\r\n";
    while !replies.windows(done.len()).any(|part| part == done) {
        let mut room = [0; 256];
        match stream.read(&mut room).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => replies.extend_from_slice(&room[..read]),
        }
    }
    Ok(())
}
