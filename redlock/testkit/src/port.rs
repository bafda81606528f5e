//! Loopback ports that stay ours while nobody listens on them.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::Error;

/// Below the range from which Linux and macOS take the source ports of outgoing connections, so that none of these sits on
/// the port of a server that is down for a moment.
const FIRST: u16 = 12_000;
const LAST: u16 = 31_999;

/// A claim on a TCP port, held by a UDP socket with the same number: the kernel gives that to one process at a time and
/// takes it back when the process dies, while TCP stays free for the server to bind. So two test binaries never start
/// their servers on one port, not even while one of these servers is down.
#[derive(Debug)]
pub(crate) struct PortClaim {
    port: u16,
    _claim: UdpSocket,
}

impl PortClaim {
    /// Claims a port on which nobody listens.
    pub(crate) fn new() -> Result<Self, Error> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let size = u32::from(LAST - FIRST) + 1;
        // Processes begin in different places, so that they seldom try the same port.
        let start = std::process::id().wrapping_mul(613);
        for _ in 0..size {
            let offset = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % size;
            let port = FIRST + u16::try_from(offset).unwrap_or_default();
            if let Some(claim) = Self::claim(port) {
                return Ok(claim);
            }
        }
        Err(Error::NoFreePort(FIRST, LAST))
    }

    fn claim(port: u16) -> Option<Self> {
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        let claim = UdpSocket::bind(address).ok()?;
        // A server of somebody else may listen here without any claim.
        TcpListener::bind(address).ok()?;
        Some(Self {
            port,
            _claim: claim,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// A loopback port on which nobody listens: a connection to it is refused at once.
#[derive(Debug)]
pub struct ClosedPort {
    claim: PortClaim,
}

impl ClosedPort {
    /// Claims such a port until the value is dropped.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            claim: PortClaim::new()?,
        })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.claim.port()
    }

    /// The address as a Redis URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_claimed_port_is_not_given_twice_and_free_again_afterwards() {
        let first = PortClaim::new().unwrap();
        assert!(PortClaim::claim(first.port()).is_none());
        let port = first.port();
        drop(first);
        assert!(PortClaim::claim(port).is_some());
    }

    #[test]
    fn a_port_with_a_listener_is_not_claimed() {
        let claim = PortClaim::new().unwrap();
        let port = claim.port();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        drop(claim);
        assert!(PortClaim::claim(port).is_none());
    }

    #[test]
    fn a_closed_port_refuses_connections() {
        let closed = ClosedPort::new().unwrap();
        let error = TcpStream::connect((Ipv4Addr::LOCALHOST, closed.port())).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
