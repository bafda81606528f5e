//! What a server's host does for it because of replication: it opens the connection to the master and carries the bytes.

use super::{
    config::Now,
    replication::{Master, MasterLink, TIMEOUT_US},
    request::{self, Limits, Request},
    server::{ConnectionId, Received, Server},
    stream,
};

/// The master's copy or stream cannot be read: the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the master does not speak as masters do")]
pub struct BadStream;

impl Server {
    /// Whom it follows, if it is a replica.
    #[must_use]
    pub fn master(&self) -> Option<&Master> {
        self.state.replication.master.as_ref()
    }

    /// Raised whenever it is told to follow somebody else, or nobody.
    #[must_use]
    pub fn master_turns(&self) -> u64 {
        self.state.replication.turns
    }

    /// How much of the master's stream it has, in bytes.
    #[must_use]
    pub fn replication_offset(&self) -> u64 {
        self.state.replication.offset
    }

    /// The host says how far the connection to the master has come. One that is lost is [`MasterLink::Connect`].
    pub fn set_master_link(&mut self, link: MasterLink, now: Now) {
        self.state.now = now;
        let replication = &mut self.state.replication;
        if replication.link == MasterLink::Connected && link != MasterLink::Connected {
            replication.down_since_us = now.monotonic_us;
        }
        replication.inbox.clear();
        replication.link = link;
        replication.heard_us = now.monotonic_us;
    }

    /// Whether the master was silent for so long that it is gone (60 s).
    #[must_use]
    pub fn is_master_silent(&self, now: Now) -> bool {
        now.monotonic_us
            .saturating_sub(self.state.replication.heard_us)
            > TIMEOUT_US
    }

    /// The master's copy is here: it replaces everything. `id` and `offset` are what came with FULLRESYNC.
    ///
    /// # Errors
    /// When it is none; what could be read of it is there then.
    pub fn take_copy(
        &mut self,
        id: &str,
        offset: u64,
        copy: &[u8],
        now: Now,
    ) -> Result<(), BadStream> {
        self.advance(now);
        self.state.now = now;
        self.state.drop_replicas(|_| true);
        if self.state.data.all().next().is_some() {
            self.state.flush(None);
        }
        self.set_master_link(MasterLink::Connected, now);
        self.state.replication.inbox_db = 0;
        self.take_commands(copy)?;
        id.clone_into(&mut self.state.replication_id);
        let replication = &mut self.state.replication;
        let whole = replication.inbox.is_empty();
        replication.inbox_db = 0;
        (replication.backlog, replication.offset) = (true, offset);
        replication.inherited = None;
        whole.then_some(()).ok_or(BadStream)
    }

    /// Takes bytes of the master's stream, and does what the commands in it say.
    ///
    /// # Errors
    /// When it is no stream of commands.
    pub fn take_stream(&mut self, bytes: &[u8], now: Now) -> Result<(), BadStream> {
        self.advance(now);
        self.state.now = now;
        self.state.replication.heard_us = now.monotonic_us;
        self.take_commands(bytes)?;
        self.state.disk.fsync_when_due(now);
        Ok(())
    }

    fn take_commands(&mut self, bytes: &[u8]) -> Result<(), BadStream> {
        const LIMITS: Limits = Limits {
            args: i32::MAX as i64,
            stranger: false,
        };
        let state = &mut self.state;
        let mut inbox = std::mem::take(&mut state.replication.inbox);
        inbox.extend_from_slice(bytes);
        let mut used = 0;
        loop {
            let rest = inbox.get(used..).unwrap_or_default();
            let (words, length) = match request::parse(rest, LIMITS) {
                Request::Command(words, length) => (words, length),
                Request::Empty(length) => (Vec::new(), length),
                Request::Incomplete => break,
                Request::Broken(_) => return Err(BadStream),
            };
            // Replicas of a replica hear what it heard.
            let heard = rest.get(..length).unwrap_or_default().to_vec();
            state.replication.send(&heard);
            used += length;
            if let [name, db] = words.as_slice()
                && name == b"SELECT"
            {
                let db = std::str::from_utf8(db).ok().and_then(|db| db.parse().ok());
                state.replication.inbox_db = db.ok_or(BadStream)?;
            } else if let Some(change) = stream::read(state, state.replication.inbox_db, &words) {
                state.change(change);
            }
        }
        inbox.drain(..used);
        state.replication.inbox = inbox;
        Ok(())
    }

    /// The connections to replicas on which something is to be sent.
    #[must_use]
    pub fn replicas_to_tell(&self) -> Vec<ConnectionId> {
        let waiting = self.state.replication.replicas.iter();
        let waiting = waiting.filter(|(_, replica)| !replica.output.is_empty());
        waiting
            .filter_map(|(client, _)| self.connection_of(*client))
            .collect()
    }

    /// What is to be sent on the connection to a replica.
    #[must_use]
    pub fn take_output(&mut self, id: ConnectionId) -> Vec<u8> {
        let Some(client) = self.client_of(id) else {
            return Vec::new();
        };
        let replica = self.state.replication.replicas.get_mut(&client);
        replica.map_or_else(Vec::new, |replica| std::mem::take(&mut replica.output))
    }

    /// The connections that the server gave up by itself since it was last asked: replicas that were silent for 60 s.
    #[must_use]
    pub fn drain_closed(&mut self) -> Received {
        let mut received = Received::default();
        self.end_killed(&mut received);
        received
    }
}
