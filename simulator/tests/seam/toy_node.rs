//! A toy of a node: enough RESP to connect to, and the client's calls recognised by their shape.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    time::Instant,
};
use turmoil::net::TcpListener;

pub(crate) type BoxError = Box<dyn std::error::Error>;

/// One server; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct ToyNode {
    index: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    locks: BTreeMap<Vec<u8>, (Vec<u8>, Instant)>,
    counter: u64,
    admitted: bool,
    commands: usize,
    connections: u64,
}

impl ToyNode {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            state: Arc::default(),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("node-{}", self.index)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}:6379", self.name())
    }

    /// How many commands arrived.
    pub(crate) fn commands(&self) -> usize {
        self.state.lock().unwrap().commands
    }

    pub(crate) async fn serve(self) -> Result<(), BoxError> {
        let listener = TcpListener::bind("0.0.0.0:6379").await?;
        loop {
            let (stream, _) = listener.accept().await?;
            let node = self.clone();
            node.state.lock().unwrap().connections += 1;
            tokio::task::spawn_local(async move {
                let mut stream = BufReader::new(stream);
                while let Some(command) = read_command(&mut stream).await {
                    let reply = node.answer(&command);
                    if stream.get_mut().write_all(reply.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    fn answer(&self, command: &[Vec<u8>]) -> String {
        let mut state = self.state.lock().unwrap();
        state.commands += 1;
        let words: Vec<_> = command
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        match (words[0].as_ref(), words.get(1).map(AsRef::as_ref)) {
            ("HELLO", _) => "%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:3\r\n".into(),
            ("CLIENT", Some("ID")) => format!(":{}\r\n", state.connections),
            ("INFO", Some("server")) => bulk(&format!(
                "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nrun_id:{:040x}\r\n",
                self.index
            )),
            ("INFO", _) => bulk(&format!(
                "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_replid:{:040x}\r\n",
                self.index
            )),
            ("SCRIPT", _) => bulk(&"0".repeat(40)),
            ("EVAL" | "EVALSHA", _) => {
                let keys: usize = words[2].parse().unwrap();
                let (keys, arguments) = command[3..].split_at(keys);
                state.call(keys, arguments)
            }
            _ => "-ERR unknown command\r\n".into(),
        }
    }
}

impl State {
    fn call(&mut self, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> String {
        let now = Instant::now();
        self.locks.retain(|_, (_, expires)| *expires > now);
        let number =
            |at: usize| -> u64 { String::from_utf8_lossy(&arguments[at]).parse().unwrap() };
        let ours = |state: &Self| {
            state
                .locks
                .get(&keys[0])
                .map(|(owner, _)| owner == &arguments[0])
        };
        match (keys.len(), arguments.len()) {
            // watch: as acquire, on the guard record, with one argument more
            (3, 11) => words(&[if self.admitted { "admitted" } else { "absent" }], None),
            // look, then admit
            (2, 0) if self.admitted => {
                "*7\r\n$6\r\nrecord\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n:-2\r\n$0\r\n\r\n:0\r\n".into()
            }
            (2, 0) => words(&["absent"], None),
            (1, 3) => {
                self.admitted = true;
                words(&["ok"], None)
            }
            // acquire: owner, ttl, identity, proof, field, proposal, seen
            (1, 7) => match self.locks.get(&keys[0]) {
                Some((_, expires)) => {
                    let left = u64::try_from((*expires - now).as_millis()).unwrap();
                    words(&["held"], Some(left))
                }
                None => {
                    let expires = now + Duration::from_millis(number(1));
                    self.locks
                        .insert(keys[0].clone(), (arguments[0].clone(), expires));
                    self.counter = number(5).max(self.counter + 1);
                    words(&["granted"], Some(self.counter))
                }
            },
            // extend: owner, ttl, max_ttl, field, counter
            (2, 5) | (2, 3) | (1, 1) if ours(self) != Some(true) => {
                words(&["not_owner"], Some(u64::from(ours(self).is_some())))
            }
            (2, 5) => {
                let expires = now + Duration::from_millis(number(1));
                self.locks
                    .insert(keys[0].clone(), (arguments[0].clone(), expires));
                words(&["ok"], None)
            }
            // publish: owner, field, counter
            (2, 3) => {
                self.counter = self.counter.max(number(2));
                words(&["ok"], None)
            }
            // release: owner
            (1, 1) => {
                self.locks.remove(&keys[0]);
                words(&["released"], None)
            }
            shape => {
                format!("-ERR the toy does not know a script with {shape:?} keys and arguments\r\n")
            }
        }
    }
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn words(words: &[&str], number: Option<u64>) -> String {
    let mut reply = format!("*{}\r\n", words.len() + usize::from(number.is_some()));
    for word in words {
        reply += &bulk(word);
    }
    if let Some(number) = number {
        reply += &format!(":{number}\r\n");
    }
    reply
}

async fn read_command(stream: &mut BufReader<turmoil::net::TcpStream>) -> Option<Vec<Vec<u8>>> {
    let count = read_header(stream, '*').await?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let length = read_header(stream, '$').await?;
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(length);
        words.push(word);
    }
    Some(words)
}

async fn read_header(stream: &mut BufReader<turmoil::net::TcpStream>, kind: char) -> Option<usize> {
    let mut line = String::new();
    stream
        .read_line(&mut line)
        .await
        .ok()
        .filter(|read| *read > 0)?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}
