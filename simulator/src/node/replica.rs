//! A node as a replica: the connection to its master.
//!
//! Opened at once when the server is told whom to follow or lost its master, and then every second. It goes over the
//! simulated network like any other, so whatever befalls the link between the two hosts befalls replication.

use std::{io, time::Duration};

use redlock::Runtime as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{PORT, program::RedisNode};
use crate::{
    host::Process,
    network::Stream,
    redis::{Master, MasterLink},
};

/// How often a replica says how far it is, and tries again.
const BEAT: Duration = Duration::from_secs(1);

/// A connection to the master, and what was read of it too much.
struct Line {
    stream: Stream,
    buffer: Vec<u8>,
}

fn unexpected() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

impl Line {
    async fn more(&mut self) -> io::Result<()> {
        let mut room = [0; 4096];
        match self.stream.read(&mut room).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(&room[..read]);
                Ok(())
            }
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            self.more().await?;
        }
    }

    async fn bytes(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn ask(&mut self, request: &str, expected: &str) -> io::Result<String> {
        let request = format!("{request}\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        let reply = self.line().await?;
        match reply.strip_prefix(expected) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => Err(unexpected()),
        }
    }
}

/// Follows whomever the server is told to follow, for ever.
pub(super) async fn follow(node: RedisNode, process: Process) {
    loop {
        let turned = node.turned();
        let Some(master) = node.server(|server| server.master().cloned()) else {
            turned.notified().await;
            continue;
        };
        let began = process.runtime().monotonic();
        tokio::select! {
            biased;
            // Told anew whom to follow, or that it was before.
            () = turned.notified() => continue,
            // Why it ended does not matter: it is opened again.
            _ = serve(&node, &process, &master) => {}
        }
        node.link(&process, MasterLink::Connect);
        // One that lasted is opened again at once.
        if process.runtime().monotonic().saturating_sub(began) < BEAT {
            tokio::select! {
                biased;
                () = turned.notified() => {}
                () = process.runtime().sleep(BEAT) => {}
            }
        }
    }
}

async fn serve(node: &RedisNode, process: &Process, master: &Master) -> io::Result<()> {
    node.link(process, MasterLink::Connecting);
    let opening = introduce(node, process, master);
    let patience = Duration::from_secs(60);
    let mut line = tokio::select! {
        biased;
        line = opening => line?,
        () = process.runtime().sleep(patience) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let mut first = std::mem::take(&mut line.buffer);
    let mut room = [0; 4096];
    let mut next = process.runtime().sleep(Duration::ZERO);
    loop {
        node.take_stream(process, &std::mem::take(&mut first))?;
        tokio::select! {
            biased;
            () = &mut next => {
                if node.is_master_silent(process) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                let offset = node.server(|server| server.replication_offset());
                let ack = format!("REPLCONF ACK {offset}\r\n");
                line.stream.write_all(ack.as_bytes()).await?;
                next = process.runtime().sleep(BEAT);
            }
            read = line.stream.read(&mut room) => match read? {
                0 => return Ok(()),
                read => first.extend_from_slice(&room[..read]),
            },
        }
    }
}

/// From the connection to the copy.
async fn introduce(node: &RedisNode, process: &Process, master: &Master) -> io::Result<Line> {
    let stream = process.connect(&master.host, master.port).await?;
    node.link(process, MasterLink::Handshake);
    let mut line = Line {
        stream,
        buffer: Vec::new(),
    };
    if let Some(password) = node.server(|server| server.config().password.clone()) {
        line.ask(&format!("AUTH {password}"), "+OK").await?;
    }
    line.ask("PING", "+PONG").await?;
    let port = format!("REPLCONF listening-port {PORT}");
    line.ask(&port, "+OK").await?;
    let name = format!("REPLCONF ip-address {}", process.host().name());
    line.ask(&name, "+OK").await?;
    line.ask("REPLCONF capa eof capa psync2", "+OK").await?;
    let answer = line.ask("PSYNC ? -1", "+FULLRESYNC").await?;
    node.link(process, MasterLink::Sync);
    let (id, offset) = answer.split_once(' ').ok_or_else(unexpected)?;
    let offset = offset.parse().map_err(|_| unexpected())?;
    let length = line.line().await?;
    let length = length.strip_prefix('$').and_then(|text| text.parse().ok());
    let copy = line.bytes(length.ok_or_else(unexpected)?).await?;
    node.take_copy(process, id, offset, &copy)?;
    Ok(line)
}
