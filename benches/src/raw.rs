//! The least that a client has to do: the same bytes to all nodes, and waiting for the third reply. It renews nothing by
//! itself, measures no validity, has no deadlines and forgets nothing on its own: no lock client, but a floor under one.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures::{Future, StreamExt as _, stream::FuturesUnordered};
use rand::TryRng as _;
use redis::{AsyncConnectionConfig, RedisResult, Value, aio::MultiplexedConnection};
use redlock::protocol::{OwnerToken, key::LockKey, retry::Backoff};

use crate::{
    capture::{Calls, Template, take_down},
    clock,
    contender::Error,
    variant::Mode,
};

/// The default of the client whose bytes are sent.
const STRIPES: u32 = 256;

/// Connections to all nodes, and what to write to them.
pub(crate) struct Raw {
    mode: Mode,
    nodes: Vec<(MultiplexedConnection, Calls)>,
}

impl Raw {
    /// Takes down what our client sends in `mode`, and connects.
    pub(crate) async fn connect(urls: &[String], mode: Mode) -> Result<Self, Error> {
        let mut nodes = Vec::new();
        for (url, calls) in urls.iter().zip(take_down(urls, mode).await?) {
            let config = AsyncConnectionConfig::new().set_response_timeout(None);
            let client = redis::Client::open(url.as_str())?;
            let connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            nodes.push((connection, calls));
        }
        Ok(Self { mode, nodes })
    }
}

type Exchange = Pin<Box<dyn Future<Output = (u64, RedisResult<Value>)> + Send>>;

/// One task's use of them. Replies past the third are received with those of the next call.
pub(crate) struct Session {
    raw: Arc<Raw>,
    flight: FuturesUnordered<Exchange>,
    phase: u64,
}

/// A lock key on most nodes.
pub(crate) struct Held {
    key: LockKey,
    owner: OwnerToken,
}

impl Session {
    pub(crate) fn new(raw: Arc<Raw>) -> Self {
        Self {
            raw,
            flight: FuturesUnordered::new(),
            phase: 0,
        }
    }

    /// Acquires, waiting between attempts as our client does.
    pub(crate) async fn acquire(&mut self, resource: &str) -> Held {
        let mut failures = 0;
        loop {
            let held = Held {
                key: lock_key(self.raw.mode, resource),
                owner: OwnerToken::from_random(random()),
            };
            if self.ask(|calls| &calls.acquire, &held).await {
                return held;
            }
            self.release(&held).await;
            let wait = Backoff::default().wait(failures, None, u64::from_le_bytes(random()));
            clock::sleep(wait).await;
            failures += 1;
        }
    }

    /// Whether a majority still held the key.
    pub(crate) async fn extend(&mut self, held: &Held) -> bool {
        self.ask(|calls| &calls.extend, held).await
    }

    pub(crate) async fn release(&mut self, held: &Held) {
        self.ask(|calls| &calls.release, held).await;
    }

    /// Sends to all, and waits until three agree or three do not.
    async fn ask(&mut self, template: impl Fn(&Calls) -> &Template, held: &Held) -> bool {
        self.phase += 1;
        let proposal = wall_micros();
        for (connection, calls) in &self.raw.nodes {
            let cmd = template(calls).fill(&held.key, &held.owner, proposal);
            let (mut connection, phase) = (connection.clone(), self.phase);
            self.flight.push(Box::pin(async move {
                (phase, connection.send_packed_command(&cmd).await)
            }));
        }
        let needed = self.raw.nodes.len() / 2 + 1;
        let (mut yes, mut no) = (0, 0);
        while let Some((phase, reply)) = self.flight.next().await {
            match reply {
                _ if phase != self.phase => {}
                Ok(reply) if agrees(&reply) => yes += 1,
                _ => no += 1,
            }
            if yes == needed || no == needed {
                return yes == needed;
            }
        }
        false
    }
}

fn agrees(reply: &Value) -> bool {
    let word = match reply {
        Value::Array(values) => values.first(),
        other => Some(other),
    };
    match word {
        Some(Value::Okay) => true,
        Some(Value::BulkString(word)) => {
            matches!(word.as_slice(), b"granted" | b"released" | b"ok")
        }
        _ => false,
    }
}

/// The key of `resource` as our client makes it.
pub(crate) fn lock_key(mode: Mode, resource: &str) -> LockKey {
    LockKey::new(mode.prefix(), resource.as_bytes(), STRIPES)
}

/// The wall clock in microseconds since 1970, as fencing counters are proposed from it.
#[expect(clippy::disallowed_methods, reason = "measures on real time")]
pub(crate) fn wall_micros() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.unwrap_or(Duration::ZERO).as_micros()).unwrap_or(u64::MAX)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system's random generator works");
    bytes
}
