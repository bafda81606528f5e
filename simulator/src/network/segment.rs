//! What travels on a connection.

use std::time::Duration;

use crate::time::TrueTime;

/// What a segment carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A connection request, or the answer to it.
    Handshake,
    /// So many bytes that the reader has not taken yet.
    Data(usize),
    /// The sender will send no more.
    Fin,
    /// The sender threw the connection away.
    Reset,
}

/// One segment of one direction of a connection. The bytes themselves are with the carrier.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub(crate) connection: u64,
    /// 0 for the handshake, then counted up per direction.
    pub(crate) sequence: u64,
    pub(crate) sent: TrueTime,
    pub(crate) latency: Duration,
    /// How long its sender waits before it sends it a second time; zero when it never does.
    pub(crate) retransmits_after: Duration,
    /// When its sender stopped sending it again: it threw the connection away.
    pub(crate) given_up: Option<TrueTime>,
    pub(crate) content: Content,
}

/// Linux: the smallest retransmission time-out, which a data centre's round trips never reach.
const DATA_RETRANSMITS_AFTER: Duration = Duration::from_millis(200);
/// RFC 6298: the first retransmission time-out of a connection request.
const HANDSHAKE_RETRANSMITS_AFTER: Duration = Duration::from_secs(1);

impl Segment {
    /// A connection request, or the answer to it.
    pub const fn handshake(connection: u64, sent: TrueTime, latency: Duration) -> Self {
        Self {
            connection,
            sequence: 0,
            sent,
            latency,
            retransmits_after: HANDSHAKE_RETRANSMITS_AFTER,
            given_up: None,
            content: Content::Handshake,
        }
    }

    /// So many bytes.
    pub const fn data(
        connection: u64,
        sequence: u64,
        sent: TrueTime,
        latency: Duration,
        bytes: usize,
    ) -> Self {
        Self {
            sequence,
            retransmits_after: DATA_RETRANSMITS_AFTER,
            content: Content::Data(bytes),
            ..Self::handshake(connection, sent, latency)
        }
    }

    /// The sender will send no more.
    pub const fn fin(connection: u64, sequence: u64, sent: TrueTime, latency: Duration) -> Self {
        Self {
            content: Content::Fin,
            ..Self::data(connection, sequence, sent, latency, 0)
        }
    }

    /// The sender threw the connection away. Sent once: nobody is left who would notice that it was lost.
    pub const fn reset(connection: u64, sequence: u64, sent: TrueTime, latency: Duration) -> Self {
        Self {
            content: Content::Reset,
            retransmits_after: Duration::ZERO,
            ..Self::data(connection, sequence, sent, latency, 0)
        }
    }
}
