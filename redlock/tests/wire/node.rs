//! A node that introduces itself properly and then does as it is told, on streams in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use redlock::{Address, ConnectError, Connector, NodeStream, runtime::BoxFuture};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::resp::Resp;

/// What a node does instead of answering a call, or with the answer.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Answers as a node of its memory should.
    Answer,
    /// Answers this instead.
    Say(Resp),
    /// Answers, and says this as well.
    SayMore(Resp),
    /// Sends this part of its answer, in thousandths, and hangs or closes the connection.
    Cut { part: usize, close: bool },
    /// Keeps its answer back until it has answered the next call.
    Swap,
    /// Answers later.
    Late(Duration),
    /// Answers nothing.
    Silence,
    /// Closes the connection.
    Close,
}

/// Which calls follow the plan; the others are answered properly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Locks,
    Everything,
}

/// A server: what it holds, and what it did.
#[derive(Debug)]
pub(crate) struct Server {
    name: String,
    scope: Scope,
    plan: VecDeque<Act>,
    scripts: BTreeMap<String, Kind>,
    owners: BTreeMap<Vec<u8>, Vec<u8>>,
    counter: i64,
    packs: usize,
    sent: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Acquire,
    Publish,
    Extend,
    Release,
    /// Releases and acquisitions in one command.
    Pack,
    Other,
}

impl Kind {
    fn of(code: &str) -> Self {
        let first = |words: &str| code.contains(words);
        // The acquire script in another mode, which only looks after the quarantine.
        let modes = code.lines().next().unwrap_or_default();
        if modes.contains("watching") && modes.ends_with("true") {
            Self::Other
        } else if first("-- Several calls in one") {
            Self::Pack
        } else if first("-- Sets the lock key") {
            Self::Acquire
        } else if first("-- Raises a fencing counter") {
            Self::Publish
        } else if first("-- Prolongs the lock key") {
            Self::Extend
        } else if first("-- Deletes the lock key") {
            Self::Release
        } else {
            Self::Other
        }
    }
}

impl Server {
    /// `counter` is where its fencing counters stand.
    pub(crate) fn new(index: usize, scope: Scope, counter: i64, plan: Vec<Act>) -> Self {
        Self {
            name: format!("node-{index}"),
            scope,
            plan: plan.into(),
            scripts: BTreeMap::new(),
            owners: BTreeMap::new(),
            counter,
            packs: 0,
            sent: Vec::new(),
        }
    }

    /// How many commands carried several calls.
    pub(crate) const fn packs(&self) -> usize {
        self.packs
    }

    /// How often something that reads as a grant was sent: no client may count more votes.
    pub(crate) fn grants(&self) -> usize {
        let long = self.after(b"*2\r\n$7\r\ngranted\r\n:");
        let short = self.after(b"\r\ngranted ");
        long.chain(short)
            .filter(|rest| {
                let number = rest.split(|byte| *byte == b'\r').next();
                let number = number.and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                number.is_some_and(|number: i64| (1..1 << 53).contains(&number))
            })
            .count()
    }

    /// How often something that reads as a confirmation was sent.
    pub(crate) fn confirmations(&self) -> usize {
        self.after(b"*1\r\n$2\r\nok\r\n").count()
    }

    fn after(&self, head: &'static [u8]) -> impl Iterator<Item = &[u8]> {
        let places = self.sent.windows(head.len()).enumerate();
        let places = places.filter(move |(_, window)| *window == head);
        places.map(move |(at, _)| &self.sent[at + head.len()..])
    }

    fn act(&mut self, is_lock: bool) -> Act {
        if is_lock || self.scope == Scope::Everything {
            self.plan.pop_front().unwrap_or(Act::Answer)
        } else {
            Act::Answer
        }
    }

    /// The proper reply to a command, and whether it is a call about a lock.
    fn reply(&mut self, command: &[Vec<u8>]) -> (Resp, bool) {
        let word = |index: usize| {
            let bytes = command.get(index).map_or(&b""[..], Vec::as_slice);
            String::from_utf8_lossy(bytes).to_ascii_uppercase()
        };
        let raw = |index: usize| String::from_utf8_lossy(&command[index]).into_owned();
        match (word(0).as_str(), word(1).as_str()) {
            ("HELLO", _) => {
                let pair = (Resp::text("server"), Resp::text("redis"));
                (Resp::Pairs(b'%', vec![pair]), false)
            }
            ("CLIENT", "ID") => (Resp::Int(7), false),
            ("CLIENT", "KILL") => (Resp::Int(1), false),
            ("INFO", _) => (Resp::text(&self.info()), false),
            ("SCRIPT", "LOAD") => {
                let code = raw(2);
                let sha = redis::Script::new(&code).get_hash().to_owned();
                self.scripts.insert(sha.clone(), Kind::of(&code));
                (Resp::text(&sha), false)
            }
            ("EVALSHA", _) => {
                let kind = self.scripts.get(&raw(1)).copied();
                (self.run(kind.unwrap_or(Kind::Other), command), true)
            }
            ("EVAL", _) => match Kind::of(&raw(1)) {
                Kind::Other => (Resp::words("admitted", []), false),
                kind => (self.run(kind, command), true),
            },
            _ => (Resp::Simple("OK".into()), false),
        }
    }

    fn run(&mut self, kind: Kind, command: &[Vec<u8>]) -> Resp {
        let number = |word: &[u8]| -> usize { String::from_utf8_lossy(word).parse().unwrap() };
        let (keys, arguments) = command[3..].split_at(number(&command[2]));
        if !matches!(kind, Kind::Pack) {
            return self.call(kind, &keys[0], &arguments[0]);
        }
        self.packs += 1;
        let released = number(&arguments[0]);
        let (releases, acquires) = arguments[1..].split_at(released);
        // Behind identity and proof, an acquisition is an owner and four words more.
        let acquires = acquires[2..].iter().step_by(5);
        let calls = releases.iter().map(|owner| (Kind::Release, owner));
        let calls = calls.chain(acquires.map(|owner| (Kind::Acquire, owner)));
        let replies = keys.iter().zip(calls);
        let replies = replies.map(|(key, (kind, owner))| self.call(kind, key, owner));
        Resp::Many(b'*', replies.collect())
    }

    fn call(&mut self, kind: Kind, key: &[u8], caller: &[u8]) -> Resp {
        let owner = self.owners.get(key);
        let owns = owner.is_some_and(|owner| owner == caller);
        match kind {
            Kind::Acquire if owner.is_some() => Resp::words("held", [Resp::Int(10_000)]),
            Kind::Acquire => {
                self.owners.insert(key.to_vec(), caller.to_vec());
                self.counter += 1;
                Resp::granted(self.counter)
            }
            Kind::Publish | Kind::Extend if owns => Resp::words("ok", []),
            Kind::Release if owns => {
                self.owners.remove(key);
                Resp::text("released")
            }
            Kind::Other => Resp::Error("NOSCRIPT No matching script.".into()),
            _ => Resp::words("not_owner", [Resp::Int(i64::from(owner.is_some()))]),
        }
    }

    fn info(&self) -> String {
        let name = self.name.bytes().map(|byte| format!("{byte:02x}"));
        let id = format!("{:0<40}", name.collect::<String>());
        format!(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:{id}\r\n\
             # Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:{id}\r\n"
        )
    }
}

/// The servers, by the host's name.
#[derive(Clone, Debug)]
pub(crate) struct Servers(pub(crate) Vec<Arc<Mutex<Server>>>);

/// A stream in memory.
struct Stream(DuplexStream);

impl Connector for Servers {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        let Address::Tcp { host, .. } = address else {
            unreachable!("the nodes' URLs say redis://");
        };
        let is_it = |server: &&Arc<Mutex<Server>>| server.lock().unwrap().name == *host;
        let server = Arc::clone(self.0.iter().find(is_it).unwrap());
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(1 << 16);
            tokio::spawn(serve(server, theirs));
            Ok(Box::new(Stream(ours)) as Box<dyn NodeStream>)
        })
    }
}

/// Answers until either side closes.
async fn serve(server: Arc<Mutex<Server>>, mut stream: DuplexStream) {
    let mut received = Vec::new();
    let mut kept = Vec::new();
    loop {
        while let Some(command) = take_command(&mut received) {
            let (reply, act) = {
                let mut server = server.lock().unwrap();
                let (reply, is_lock) = server.reply(&command);
                (reply.bytes(), server.act(is_lock))
            };
            let mut say = Vec::new();
            let mut goes_on = true;
            match act {
                Act::Answer => say = reply,
                Act::Say(instead) => say = instead.bytes(),
                Act::SayMore(more) => say = [reply, more.bytes()].concat(),
                Act::Cut { part, close } => {
                    say = reply[..reply.len() * part / 1_000].to_vec();
                    goes_on = !close;
                }
                Act::Swap => kept.extend_from_slice(&reply),
                Act::Late(delay) => {
                    tokio::time::sleep(delay).await;
                    say = reply;
                }
                Act::Silence => {}
                Act::Close => goes_on = false,
            }
            if !say.is_empty() {
                say.append(&mut kept);
                server.lock().unwrap().sent.extend_from_slice(&say);
                goes_on &= stream.write_all(&say).await.is_ok();
            }
            if !goes_on {
                return;
            }
        }
        if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
            return;
        }
    }
}

/// The first command in `received`, an array of strings, once it is complete.
fn take_command(received: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let mut rest = received.as_slice();
    let count = take_number(&mut rest, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = take_number(&mut rest, b'$')?;
        words.push(rest.get(..length)?.to_vec());
        rest = rest.get(length + 2..)?;
    }
    let left = rest.len();
    received.drain(..received.len() - left);
    Some(words)
}

fn take_number(rest: &mut &[u8], kind: u8) -> Option<usize> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    assert_eq!(rest[0], kind, "the client speaks the protocol");
    let number = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
    *rest = &rest[end + 2..];
    Some(number)
}

mod stream {
    //! A [`Stream`] is what it wraps.

    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::{NodeStream, Stream};

    impl NodeStream for Stream {}

    impl AsyncRead for Stream {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Stream {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}
