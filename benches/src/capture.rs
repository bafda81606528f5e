//! What our client writes to a node, taken down on its way, so that the raw loop can send the same.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use redis::Cmd;
use redlock::{
    Address, BoxFuture, ConnectError, Connector, NodeStream, SystemConnector,
    protocol::{OwnerToken, key::LockKey},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    clock,
    contender::{Error, TTL, builder},
    raw::{self, wall_micros},
    variant::Mode,
};

const RESOURCE: &str = "taken-down";
/// How long a node may take to be sent its part.
const PATIENCE: Duration = Duration::from_secs(10);

/// A part of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Fixed(Vec<u8>),
    Key,
    Owner,
    /// The counter's field, of the resource's stripe.
    Field,
    /// The proposed counter: the wall clock in microseconds.
    Proposal,
}

/// A command with gaps for what differs between calls.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<Word>);

impl Template {
    fn new(words: Vec<Vec<u8>>, key: &LockKey, owner: &[u8], micros: u64) -> Self {
        let field = format!("f{}", key.stripe()).into_bytes();
        let is_proposal = |word: &[u8]| {
            let number = std::str::from_utf8(word)
                .ok()
                .and_then(|text| text.parse().ok());
            number.is_some_and(|number: u64| number.abs_diff(micros) < 60_000_000)
        };
        let gap = |word: Vec<u8>| match word {
            word if word == key.key() => Word::Key,
            word if word == owner => Word::Owner,
            word if word == field => Word::Field,
            word if is_proposal(&word) => Word::Proposal,
            word => Word::Fixed(word),
        };
        Self(words.into_iter().map(gap).collect())
    }

    /// The command for one call.
    pub(crate) fn fill(&self, key: &LockKey, owner: &OwnerToken, proposal: u64) -> Cmd {
        let mut cmd = Cmd::with_capacity(self.0.len(), 512);
        for word in &self.0 {
            match word {
                Word::Fixed(bytes) => cmd.arg(bytes),
                Word::Key => cmd.arg(key.key()),
                Word::Owner => cmd.arg(owner.as_bytes()),
                Word::Field => cmd.arg(format!("f{}", key.stripe())),
                Word::Proposal => cmd.arg(proposal),
            };
        }
        cmd
    }
}

/// What one node is sent for a lease.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub(crate) acquire: Template,
    pub(crate) extend: Template,
    pub(crate) release: Template,
}

/// Acquires, extends and releases one lease, and returns what each node was sent for it, in the order of `urls`.
pub(crate) async fn take_down(urls: &[String], mode: Mode) -> Result<Vec<Calls>, Error> {
    let recorder = Recorder::default();
    let client = builder(urls, mode)
        .connector(Arc::new(recorder.clone()))
        .build()?;
    let key = raw::lock_key(mode, RESOURCE);
    let lease = client.acquire(RESOURCE).await?;
    let micros = wall_micros();
    let begun = clock::now();
    // Only nodes whose grant has arrived are sent the extension.
    while lease.report().granted() < urls.len() && begun.elapsed() < PATIENCE {
        clock::sleep(Duration::from_millis(2)).await;
    }
    lease.extend(TTL).await?;
    lease.release().await;
    loop {
        let calls: Option<Vec<_>> = urls
            .iter()
            .map(|url| calls(recorder.commands(url), &key, micros))
            .collect();
        match calls {
            Some(calls) => return Ok(calls),
            None if begun.elapsed() > PATIENCE => return Err(Error::Capture),
            None => clock::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// The three commands of one lease, once all were written. A publication between them belongs to the client, not to a lease.
fn calls(commands: Vec<Vec<Vec<u8>>>, key: &LockKey, micros: u64) -> Option<Calls> {
    let mut ours = commands
        .into_iter()
        .filter(|command| command.iter().any(|word| word == key.key()));
    let (acquire, extend, release) = (ours.next()?, ours.next()?, ours.next_back()?);
    // A release ends with the owner token, whatever else it carries.
    let owner = release.iter().rev().find(|word| word.len() == 40)?.clone();
    let template = |words| Template::new(words, key, &owner, micros);
    Some(Calls {
        acquire: template(acquire),
        extend: template(extend),
        release: template(release.clone()),
    })
}

/// The commands in a stream of them; what is incomplete at its end is left out.
fn parse(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn line<'a>(rest: &mut &'a [u8], mark: u8) -> Option<usize> {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, after): (&'a [u8], &'a [u8]) = (&rest[..end], &rest[end + 2..]);
        *rest = after;
        let number = std::str::from_utf8(line.strip_prefix(&[mark])?).ok()?;
        number.parse().ok()
    }
    fn command(rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
        let words = line(rest, b'*')?;
        let mut command = Vec::new();
        for _ in 0..words {
            let length = line(rest, b'$')?;
            command.push(rest.get(..length)?.to_vec());
            *rest = rest.get(length + 2..)?;
        }
        Some(command)
    }
    let mut rest = bytes;
    std::iter::from_fn(|| command(&mut rest)).collect()
}

/// What was written to each address.
#[derive(Clone, Debug, Default)]
struct Recorder {
    written: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Recorder {
    fn commands(&self, url: &str) -> Vec<Vec<Vec<u8>>> {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let of_url = |(address, _): &(&String, _)| url.contains(address.as_str());
        let bytes = written.iter().find(of_url).map(|(_, bytes)| parse(bytes));
        bytes.unwrap_or_default()
    }
}

impl Connector for Recorder {
    fn connect<'a>(
        &'a self,
        address: &'a Address,
    ) -> BoxFuture<'a, Result<Box<dyn NodeStream>, ConnectError>> {
        Box::pin(async move {
            let inner = SystemConnector.connect(address).await?;
            let recorded = Recorded {
                inner,
                address: address.to_string(),
                to: self.clone(),
            };
            Ok(Box::new(recorded) as Box<dyn NodeStream>)
        })
    }
}

struct Recorded {
    inner: Box<dyn NodeStream>,
    address: String,
    to: Recorder,
}

impl NodeStream for Recorded {
    fn reset_on_close(&mut self) {
        self.inner.reset_on_close();
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = &written {
            let mut all = self
                .to
                .written
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let log = all.entry(self.address.clone()).or_default();
            log.extend_from_slice(&buf[..*count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_back_and_an_unfinished_one_is_left_out() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n*2\r\n$3\r\nGE";
        let expected = vec![vec![b"GET".to_vec(), b"k".to_vec()], vec![b"PING".to_vec()]];
        assert_eq!(parse(bytes), expected);
    }

    #[test]
    fn a_template_has_gaps_for_all_that_differs() {
        let key = raw::lock_key(Mode::Both, "a");
        let owner = [b'7'; 40];
        let field = format!("f{}", key.stripe());
        let words = [
            b"SET",
            key.key(),
            &owner,
            field.as_bytes(),
            b"1000000123",
            b"10000",
        ];
        let words = words.map(<[u8]>::to_vec).to_vec();
        let template = Template::new(words, &key, &owner, 1_000_000_000);
        let fixed = |text: &str| Word::Fixed(text.into());
        let gaps = [
            fixed("SET"),
            Word::Key,
            Word::Owner,
            Word::Field,
            Word::Proposal,
            fixed("10000"),
        ];
        assert_eq!(template.0, gaps);

        let other = raw::lock_key(Mode::Both, "b");
        let filled = template.fill(&other, &OwnerToken::from_random([0xab; 20]), 9);
        let bytes = filled.get_packed_command();
        let stripe = format!("f{}", other.stripe());
        let sent = [
            b"SET",
            other.key(),
            &b"ab".repeat(20),
            stripe.as_bytes(),
            b"9",
            b"10000",
        ];
        assert_eq!(parse(&bytes), [sent.map(<[u8]>::to_vec).to_vec()]);
    }
}
