//! Two servers side by side, and a sequence that runs on both.

use std::fmt::Write as _;

use redlock_testkit::{AppendFsync, Binary, RedisServer, ServerOptions};
use simulator::redis::{Config, ConnectionId, Now, Persistence, Server, Version};

use crate::{
    case::{Abilities, CONNECTIONS, Step, Word},
    compare::{Mask, frames, same, shown},
    faketime::FakeTime,
    real::{Wire, encode},
};

/// What clocks that obey show at the beginning of each sequence, in milliseconds since the Unix epoch.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A real server, and how to make a simulated one like it.
pub(crate) struct Bench {
    pub(crate) server: RedisServer,
    clock: Option<FakeTime>,
    pub(crate) config: Config,
    pub(crate) abilities: Abilities,
    now_ms: i64,
    serial: i64,
    pub(crate) simulated: Server,
    ends: Vec<End>,
}

/// A connection to both.
struct End {
    wire: Wire,
    id: ConnectionId,
    /// What CLIENT ID answers: theirs and ours.
    numbers: (i64, i64),
    /// What may differ in the reply to EXEC.
    queued: Mask,
}

/// A real server lives in real time.
fn real_time_us() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

fn integer(reply: &[u8]) -> i64 {
    let text = std::str::from_utf8(reply).unwrap();
    text.trim_start_matches(':').trim_end().parse().unwrap()
}

impl Bench {
    /// Redis 7.0, in real time.
    pub(crate) fn real_7_0() -> Self {
        let server = RedisServer::start(&ServerOptions::new()).unwrap();
        Self::new(server, None, Version::V7_0, Persistence::None)
    }

    /// Redis 6.2 with a clock that obeys; none if nobody wants tests on 6.2. `disk`: it appends to a file.
    pub(crate) fn faked_6_2(disk: bool) -> Option<Self> {
        let Binary::At(path) = Binary::redis_6_2()? else {
            panic!("redis-server 6.2 is a file");
        };
        let clock = FakeTime::new(START_MS);
        let path = path.canonicalize().unwrap();
        let mut options = ServerOptions::new().binary(clock.wrap(&path));
        if disk {
            // With `everysec` Redis puts a write off while an fsync is under way, and a crash then loses what was answered.
            options = options.append_only(AppendFsync::Always);
        }
        let server = RedisServer::start(&options).unwrap();
        let persistence = if disk {
            Persistence::AofAlways
        } else {
            Persistence::None
        };
        Some(Self::new(server, Some(clock), Version::V6_2, persistence))
    }

    fn new(
        server: RedisServer,
        clock: Option<FakeTime>,
        version: Version,
        persistence: Persistence,
    ) -> Self {
        let abilities = Abilities {
            clock: clock.is_some(),
            disk: persistence != Persistence::None,
        };
        let config = Config {
            version,
            persistence,
            lazy_expiry_only: true,
            ..Config::default()
        };
        let simulated = Server::new(config.clone(), Now::default());
        Self {
            server,
            clock,
            config,
            abilities,
            now_ms: START_MS,
            serial: 0,
            simulated,
            ends: Vec::new(),
        }
    }

    pub(crate) fn now(&self) -> Now {
        let wall_us = match self.clock {
            Some(_) => u64::try_from(self.now_ms * 1000).unwrap(),
            None => real_time_us(),
        };
        Now {
            wall_us,
            monotonic_us: 0,
        }
    }

    fn set_clock(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        if let Some(clock) = &self.clock {
            clock.set(now_ms);
        }
    }

    /// Two servers that know nothing, and connections to both.
    pub(crate) fn reset(&mut self) {
        self.set_clock(START_MS);
        self.ends.clear();
        let mut admin = Wire::new(&self.server);
        let settings = [("maxmemory", "0"), ("maxmemory-policy", "noeviction")];
        for (name, value) in settings {
            assert_eq!(admin.ask(&["CONFIG", "SET", name, value]), b"+OK\r\n");
        }
        for words in [
            &["FLUSHALL"][..],
            &["SCRIPT", "FLUSH"],
            &["CLIENT", "UNPAUSE"],
        ] {
            assert_eq!(admin.ask(words), b"+OK\r\n", "{words:?}");
        }
        self.keep_expired(&mut admin);
        self.simulated = Server::new(self.config.clone(), self.now());
        self.connect_all();
    }

    /// Expired keys stay until somebody looks at them: when else is up to a real server's mood.
    fn keep_expired(&self, admin: &mut Wire) {
        assert_eq!(admin.ask(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), b"+OK\r\n");
    }

    fn connect_all(&mut self) {
        self.ends = (0..CONNECTIONS).map(|_| self.connect()).collect();
    }

    fn connect(&mut self) -> End {
        let now = self.now();
        let mut wire = Wire::new(&self.server);
        let id = self.simulated.connect(now);
        let ours = self.simulated.receive(id, b"CLIENT ID\r\n", now).reply;
        End {
            numbers: (integer(&wire.ask(&["CLIENT", "ID"])), integer(&ours)),
            wire,
            id,
            queued: Mask::default(),
        }
    }

    fn restart(&mut self) {
        self.server.kill();
        self.server.restart().unwrap();
        let mut admin = Wire::new(&self.server);
        self.keep_expired(&mut admin);
        let now = self.now();
        self.simulated.crash(now);
        self.simulated.restart(now);
        // Before it was told not to, the real one may have deleted keys whose time is over: now both have.
        let id = self.simulated.connect(now);
        for db in 0..16 {
            admin.ask(&["SELECT", &db.to_string()]);
            admin.ask(&["SCAN", "0", "COUNT", "1000"]);
            let bytes = format!("SELECT {db}\r\nSCAN 0\r\n");
            let _ = self.simulated.receive(id, bytes.as_bytes(), now);
        }
        self.simulated.disconnect(id);
        self.connect_all();
    }

    /// Runs a sequence on both.
    ///
    /// # Errors
    /// Where they first differ, and how that came.
    pub(crate) fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        self.reset();
        let mut trace = String::new();
        for step in steps {
            let result = match step {
                Step::Clock(ms) => {
                    writeln!(trace, "clock {ms:+} ms").unwrap();
                    self.set_clock(self.now_ms + ms);
                    Ok(())
                }
                Step::Restart => {
                    writeln!(trace, "restart").unwrap();
                    self.restart();
                    Ok(())
                }
                Step::Raw(connection, bytes) => {
                    writeln!(trace, "{connection}> {}", shown(bytes)).unwrap();
                    self.exchange(*connection, (bytes, bytes), &[], &mut trace)
                }
                Step::Say(connection, requests) => self.say(*connection, requests, &mut trace),
            };
            result.map_err(|how| format!("{how}\n{trace}"))?;
        }
        // Whatever one of them says too much comes before the answer to this.
        for connection in 0..CONNECTIONS {
            let echo = b"*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n";
            let result = self.exchange(connection, (echo, echo), &[Mask::default()], &mut trace);
            result.map_err(|how| format!("{how}\n{trace}"))?;
        }
        Ok(())
    }

    fn resolve(&mut self, word: &Word) -> (Vec<u8>, Vec<u8>) {
        match word {
            Word::Bytes(bytes) => (bytes.clone(), bytes.clone()),
            Word::ClientId(connection) => {
                let (theirs, ours) = self.ends[*connection].numbers;
                (
                    theirs.to_string().into_bytes(),
                    ours.to_string().into_bytes(),
                )
            }
            Word::Huge { unit_ms, pick } => {
                self.serial += 1;
                // No two are as close as the tolerance, so that comparing them is no matter of luck.
                let ms =
                    5_000_000_000_000 + i64::from(*pick) * 10_000_000_000 + self.serial * 100_000;
                let text = (ms / unit_ms).to_string().into_bytes();
                (text.clone(), text)
            }
            Word::Sha(source) => {
                let sha = sha1_smol::Sha1::from(source)
                    .digest()
                    .to_string()
                    .into_bytes();
                (sha.clone(), sha)
            }
        }
    }

    fn say(
        &mut self,
        connection: usize,
        requests: &[Vec<Word>],
        trace: &mut String,
    ) -> Result<(), String> {
        let (mut theirs, mut ours, mut masks) = (Vec::new(), Vec::new(), Vec::new());
        for request in requests {
            writeln!(trace, "{connection}> {request:?}").unwrap();
            let (their_words, our_words): (Vec<_>, Vec<_>) =
                request.iter().map(|word| self.resolve(word)).unzip();
            theirs.extend(encode(&their_words));
            ours.extend(encode(&our_words));
            masks.push(self.mask(connection, &their_words));
        }
        self.exchange(connection, (&theirs, &ours), &masks, trace)
    }

    fn mask(&mut self, connection: usize, words: &[Vec<u8>]) -> Mask {
        let mask = Mask::of(words, !self.abilities.clock);
        let end = &mut self.ends[connection];
        let name = words[0].to_ascii_lowercase();
        if name == b"exec" {
            return mask.and(std::mem::take(&mut end.queued));
        }
        end.queued = end.queued.and(mask);
        mask
    }

    /// Sends bytes to both on a connection, theirs first, and compares what comes back.
    fn exchange(
        &mut self,
        connection: usize,
        bytes: (&[u8], &[u8]),
        masks: &[Mask],
        trace: &mut String,
    ) -> Result<(), String> {
        self.ends[connection].wire.send(bytes.0);
        let now = self.now();
        let received = self
            .simulated
            .receive(self.ends[connection].id, bytes.1, now);
        let ours = frames(&received.reply);
        let end = &mut self.ends[connection];
        let mut theirs = end.wire.replies(ours.len());
        if received.close {
            match end.wire.rest() {
                Some(rest) => theirs.extend(frames(&rest)),
                None => return Err("only ours closed the connection".into()),
            }
        }
        for at in 0..ours.len().max(theirs.len()) {
            let reply = |of: &[Vec<u8>]| of.get(at).map(|frame| shown(frame));
            let mask = masks.get(at).copied().unwrap_or_default();
            match (ours.get(at), theirs.get(at)) {
                (Some(ours), Some(theirs)) if same(ours, theirs, mask) => {
                    writeln!(trace, "   {}", shown(theirs)).unwrap()
                }
                _ => {
                    return Err(format!(
                        "ours:   {:?}\ntheirs: {:?}",
                        reply(&ours),
                        reply(&theirs)
                    ));
                }
            }
        }
        let killed: Vec<_> = (0..CONNECTIONS)
            .filter(|at| received.closed.contains(&self.ends[*at].id))
            .collect();
        for at in killed {
            if self.ends[at].wire.rest().is_none() {
                return Err(format!("only ours closed connection {at}"));
            }
            self.ends[at] = self.connect();
        }
        if received.close {
            self.ends[connection] = self.connect();
        }
        Ok(())
    }
}
