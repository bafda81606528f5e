//! The network between hosts: a link layer of our own around streams whose bytes turmoil carries.
//!
//! turmoil moves bytes at its smallest latency and never delays, drops or breaks anything; what it does under
//! faults is not what TCP does. Whatever happens to a message happens here: a stream writes its bytes to
//! turmoil and says what it wrote as a *segment* (`segment`); the other end may read these bytes once the
//! segment has crossed the `link`. When it crosses is a function of true time, of the faults on that link,
//! and of a latency drawn from (seed, link, direction, connection, sequence), so that what is changed on one
//! link changes nothing on another.
//!
//! What the links do, as TCP over IP does it:
//!
//! - *hold*: segments wait at the far end and arrive, in order, when it ends.
//! - *cut*: a segment that would arrive meanwhile is dropped, and sent again after 200 ms, 400 ms, 800 ms …
//!   (connection requests after 1 s, 2 s, 4 s …), up to two minutes apart. It arrives with the first of these that
//!   gets through.
//! - *lose*: each transmission is dropped with a probability; otherwise as above.
//! - *slow*: a latency more, drawn for each segment.
//! - *reset*: both ends of the connections there are told at once.
//!
//! A process that dies or closes a stream has its kernel say so (FIN, or RST when it left bytes unread), even while the
//! link holds or drops for a while. A machine that loses power says nothing: its peers wait, until it is up
//! again and answers the next retransmission with RST. A paused process's kernel goes on accepting and buffering.
//! Connecting to a host whose process does not listen is refused after a round trip, to a host without
//! power not at all.
//!
//! The rules are in [`Network`] and know nothing of what carries the bytes: [`Network::crossing`] says of a [`Segment`] when it may
//! go on. A proxy between real processes asks it in the same way as simulated streams do.

mod carrier;
mod connect;
mod connection;
mod latency;
mod link;
mod segment;
mod state;
mod stream;

pub(crate) use self::{
    carrier::{now, sleep_until, try_now},
    connect::{accept, connect},
    state::lock,
};
pub use self::{
    connect::Listener,
    latency::Latency,
    link::{Block, Crossing, Trouble},
    segment::Segment,
    state::{HostId, Network},
    stream::Stream,
};
