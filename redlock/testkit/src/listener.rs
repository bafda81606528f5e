//! Listeners that are no Redis.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;
use crate::runtime::{bounded, handle};

/// Something on a loopback port that is not a Redis server: it stays silent, says something else, or does not even accept.
#[derive(Debug)]
pub struct Listener {
    port: u16,
    connections: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Listener {
    /// What a web server answers to bytes that it does not understand.
    pub const HTTP: &'static [u8] =
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    /// What a TLS server answers to bytes that are no TLS: a fatal alert, "unexpected message".
    pub const TLS_ALERT: &'static [u8] = b"\x15\x03\x03\x00\x02\x02\x0a";

    /// Accepts connections, reads nothing and answers nothing: a host whose process hangs.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn silent() -> Result<Self, Error> {
        Self::banner(b"".as_slice())
    }

    /// Sends these bytes on every connection, whatever comes, and leaves it open.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn banner(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let (listener, port) = listen(128)?;
        let (count, connections) = watch::channel(0);
        let task = handle().spawn(async move {
            let mut open: Vec<TcpStream> = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                // A peer that is gone already is no reason to stop listening.
                let _ = stream.write_all(&bytes).await;
                open.push(stream);
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self {
            port,
            connections,
            task,
        })
    }

    /// Answers no attempt to connect, like a host behind a firewall that drops packets: the queue of connections that nobody
    /// accepts is full, and Linux then ignores new ones.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn unreachable() -> Result<Self, Error> {
        let (listener, port) = listen(1)?;
        let filled = handle().spawn(async move {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let mut queued = Vec::new();
            // On loopback a connection is there in microseconds or not at all.
            while let Ok(Ok(stream)) =
                tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
            {
                queued.push(stream);
            }
            (listener, queued)
        });
        let filled = filled.await.expect("filling the queue does not panic");
        let (_, connections) = watch::channel(0);
        let task = handle().spawn(async move {
            let _filled = filled;
            std::future::pending().await
        });
        Ok(Self {
            port,
            connections,
            task,
        })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address as a Redis URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.connections.borrow()
    }

    /// Waits until so many connections were accepted since the start.
    ///
    /// # Panics
    /// When that does not happen within 20 seconds.
    pub async fn connected(&self, count: usize) {
        let mut connections = self.connections.clone();
        let reached =
            bounded(async move { connections.wait_for(|&seen| seen >= count).await.is_ok() }).await;
        assert_eq!(
            reached,
            Some(true),
            "{} of {count} connections came",
            self.connections()
        );
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on a port that the system picks.
pub(crate) fn listen(backlog: u32) -> Result<(TcpListener, u16), Error> {
    let _inside = handle().enter();
    let bound = || {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(backlog)?;
        let port = listener.local_addr()?.port();
        Ok::<_, std::io::Error>((listener, port))
    };
    bound().map_err(Error::system("listening on a loopback port"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read};
    use std::net::TcpStream as Blocking;

    fn connect(listener: &Listener) -> Blocking {
        let stream = Blocking::connect((Ipv4Addr::LOCALHOST, listener.port())).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        stream
    }

    #[tokio::test]
    async fn a_silent_listener_accepts_and_never_answers() {
        let listener = Listener::silent().unwrap();
        let mut first = connect(&listener);
        let _second = connect(&listener);
        listener.connected(2).await;
        assert_eq!(
            first.read(&mut [0; 1]).unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_banner_comes_unasked_also_when_the_tests_own_clock_is_paused() {
        let listener = Listener::banner(Listener::HTTP).unwrap();
        let mut stream = connect(&listener);
        listener.connected(1).await;
        let mut answer = vec![0; Listener::HTTP.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, Listener::HTTP);
    }

    #[tokio::test]
    async fn an_unreachable_listener_lets_nobody_connect() {
        let listener = Listener::unreachable().await.unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, listener.port()));
        let error = Blocking::connect_timeout(&address, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
