//! The stream under a connection: looks at the first bytes received, and remembers how it ended.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{connector::NodeStream, protocol::Reason};

/// What the owner of a connection knows about the stream inside it.
#[derive(Debug, Default)]
pub(super) struct Health {
    reset: AtomicBool,
    ended: Mutex<Ended>,
}

#[derive(Debug, Default)]
struct Ended {
    received: bool,
    not_redis: Option<Reason>,
    broke: Option<Arc<str>>,
}

impl Health {
    /// Whether what the server has not received yet is thrown away when the stream is dropped.
    pub(super) fn reset_on_close(&self, reset: bool) {
        self.reset.store(reset, Ordering::Relaxed);
    }

    /// What answered, if it was not a Redis server.
    pub(super) fn not_redis(&self) -> Option<Reason> {
        self.lock().not_redis.clone()
    }

    /// Whether anything came from the server.
    pub(super) fn has_received(&self) -> bool {
        self.lock().received
    }

    /// How the stream ended.
    pub(super) fn broke(&self) -> Arc<str> {
        let broke = self.lock().broke.clone();
        broke.unwrap_or_else(|| "the connection was closed".into())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, how: &str) {
        self.lock().broke.get_or_insert_with(|| how.into());
    }
}

/// A [`NodeStream`] that reports to a [`Health`].
pub(super) struct Watched {
    inner: Box<dyn NodeStream>,
    health: Arc<Health>,
    sniffed: bool,
}

impl Watched {
    pub(super) fn new(inner: Box<dyn NodeStream>, health: Arc<Health>) -> Self {
        Self {
            inner,
            health,
            sniffed: false,
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.health.reset.load(Ordering::Relaxed) {
            self.inner.reset_on_close();
        }
    }
}

/// Why these first bytes are not those of a Redis server.
fn sniff(received: &[u8]) -> Option<Reason> {
    match received.first()? {
        // A TLS alert or handshake record.
        0x15 | 0x16 => Some(Reason::TlsExpected),
        first if b"+-:$*%_#,!=(>~|".contains(first) => None,
        _ => {
            let line = received.split(|byte| matches!(byte, b'\r' | b'\n')).next();
            let line = line.unwrap_or_default();
            let shown = &line[..line.len().min(60)];
            Some(Reason::NotRedis(
                format!("it answered \"{}\"", shown.escape_ascii()).into(),
            ))
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining();
        if let Err(error) = ready!(Pin::new(&mut self.inner).poll_read(cx, buf)) {
            self.health.record(&error.to_string());
            return Poll::Ready(Err(error));
        }
        let received = &buf.filled()[before..];
        if received.is_empty() && room > 0 {
            self.health.record("the server closed it");
        } else if !self.sniffed {
            self.sniffed = true;
            self.health.lock().received = true;
            if let Some(reason) = sniff(received) {
                self.health.lock().not_redis = Some(reason);
                self.health.reset_on_close(true);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buf));
        if let Err(error) = &written {
            self.health.record(&error.to_string());
        }
        Poll::Ready(written)
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
    fn the_first_bytes_tell_what_answered() {
        for redis in [&b"+OK\r\n"[..], b"%7\r\n", b"-ERR no\r\n", b"*1\r\n", b""] {
            assert_eq!(sniff(redis), None);
        }
        assert_eq!(sniff(&[0x15, 3, 3, 0, 2, 2, 70]), Some(Reason::TlsExpected));
        assert_eq!(
            sniff(b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"),
            Some(Reason::NotRedis(
                "it answered \"HTTP/1.1 400 Bad Request\"".into()
            ))
        );
        assert_eq!(
            sniff(b"\0\xff"),
            Some(Reason::NotRedis("it answered \"\\x00\\xff\"".into()))
        );
    }
}
