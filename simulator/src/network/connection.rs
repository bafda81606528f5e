//! What both ends of a connection share.

use std::{collections::VecDeque, task::Waker};

use super::{segment::Segment, state::HostId};
use crate::time::TrueTime;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What became of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Open,
    /// Closed by its process or, in its place, by its kernel.
    Closed,
    /// Gone since then without a word: its machine lost power.
    Silent(TrueTime),
}

#[derive(Debug)]
pub(super) struct Direction {
    /// Sent and not yet taken.
    pub(super) segments: VecDeque<Segment>,
    pub(super) next_sequence: u64,
    /// Segments are handed over in order.
    pub(super) last_arrival: TrueTime,
    pub(super) reader: Option<Waker>,
    pub(super) fin_sent: bool,
}

impl Direction {
    const fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            next_sequence: 1,
            last_arrival: TrueTime::ZERO,
            reader: None,
            fin_sent: false,
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Segments that were not received by `now` are not sent again.
    pub(super) fn give_up(&mut self, now: TrueTime) {
        for segment in &mut self.segments {
            segment.given_up = Some(now);
        }
    }
}

/// One connection; each end has a [`super::Stream`] on it.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Counts the connections from this client host to this server host.
    pub(super) number: u64,
    pub(super) client: HostId,
    pub(super) server: HostId,
    pub(super) port: u16,
    up: Direction,
    down: Direction,
    ends: [End; 2],
    /// Both ends were told that it is broken.
    pub(super) reset_at: Option<TrueTime>,
}

impl Connection {
    pub(super) const fn new(number: u64, client: HostId, server: HostId, port: u16) -> Self {
        Self {
            number,
            client,
            server,
            port,
            up: Direction::new(),
            down: Direction::new(),
            ends: [End::Open, End::Open],
            reset_at: None,
        }
    }

    pub(super) const fn host(&self, side: Side) -> HostId {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// What `side` sends.
    pub(super) const fn outgoing(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.up,
            Side::Server => &mut self.down,
        }
    }

    /// What `side` receives.
    pub(super) const fn incoming(&mut self, side: Side) -> &mut Direction {
        self.outgoing(side.peer())
    }

    pub(super) const fn end(&self, side: Side) -> End {
        self.ends[side as usize]
    }

    pub(super) const fn set_end(&mut self, side: Side, end: End) {
        self.ends[side as usize] = end;
    }

    pub(super) fn wake_both(&mut self) {
        self.up.wake();
        self.down.wake();
    }
}
