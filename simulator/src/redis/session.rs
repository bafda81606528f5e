//! What a server knows about one connection.

use std::collections::BTreeSet;

use super::{binary::Binary, reply::Protocol};

/// A watched key, and whether it had expired already when it was watched.
pub(super) type Watched = (usize, Binary, bool);

/// One connection, as commands see it.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    /// The number that CLIENT ID answers; starts anew with each process.
    pub(super) client_id: u64,
    pub(super) db: usize,
    pub(super) protocol: Protocol,
    pub(super) authenticated: bool,
    pub(super) name: Vec<u8>,
    pub(super) lib_name: Vec<u8>,
    pub(super) lib_ver: Vec<u8>,
    pub(super) transaction: Option<Transaction>,
    pub(super) watched: Vec<Watched>,
    /// Replies that are not sent: CLIENT REPLY.
    pub(super) muted: Muted,
    /// Whether the connection ends after the replies so far.
    pub(super) closing: bool,
    pub(super) since_us: u64,
}

/// Commands after MULTI.
#[derive(Clone, Debug, Default)]
pub(super) struct Transaction {
    pub(super) commands: Vec<Vec<Vec<u8>>>,
    /// A command was refused while queueing.
    pub(super) broken: bool,
}

/// What CLIENT REPLY asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Muted {
    #[default]
    No,
    /// The reply to the next command is left out.
    Next,
    /// The reply to this command is left out.
    This,
    /// All are.
    Always,
}

/// Connections whose watched keys were touched.
pub(super) type Dirty = BTreeSet<u64>;
