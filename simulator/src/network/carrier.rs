//! What carries bytes and true time: turmoil.
//!
//! The only file under [`crate::network`] that knows it. It is asked for nothing but connections that work: no
//! partitions, holds or crashes, which it does otherwise than TCP (DESIGN.md lists how).

use std::{future::Future, io};

use tokio::time::Sleep;
pub(super) use turmoil::net::TcpStream as Carrier;

use crate::time::TrueTime;

/// The one port that every host's kernel listens on; the first bytes of a connection say what it is for.
const PORT: u16 = 1;

/// True time, from within a host.
///
/// # Panics
///
/// Outside of hosts there is no carrier to ask.
#[expect(
    clippy::expect_used,
    reason = "a caller outside of a host is a bug of the world"
)]
pub(crate) fn now() -> TrueTime {
    try_now().expect("called from within a host")
}

/// True time, if this is called from within a host: not when the world is being taken down.
pub(crate) fn try_now() -> Option<TrueTime> {
    turmoil::sim_elapsed().map(TrueTime::from)
}

/// Resolves at `at`, on the next full millisecond.
#[expect(
    clippy::disallowed_methods,
    reason = "the world's own timers run on true time"
)]
pub(crate) fn sleep_until(at: TrueTime) -> Sleep {
    tokio::time::sleep(at.since(now()))
}

/// Opens a connection that is known to be answered, and says what it is for. Must not be cancelled: turmoil
/// keeps the socket of a connection request that was given up.
pub(super) async fn connect(host: String, preamble: [u8; 8]) -> io::Result<Carrier> {
    use tokio::io::AsyncWriteExt as _;
    let mut carrier = Carrier::connect((host, PORT)).await?;
    carrier.write_all(&preamble).await?;
    Ok(carrier)
}

/// Accepts connections for ever, and hands each to `accepted` with what it is for.
pub(crate) async fn accept<F, Fut>(accepted: F) -> io::Result<()>
where
    F: Fn(Carrier, [u8; 8]) -> Fut,
    Fut: Future<Output = ()>,
{
    use tokio::io::AsyncReadExt as _;
    let listener = turmoil::net::TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (mut carrier, _) = listener.accept().await?;
        let mut preamble = [0; 8];
        // Its opener writes these at once; nobody else is kept waiting for long.
        carrier.read_exact(&mut preamble).await?;
        accepted(carrier, preamble).await;
    }
}
