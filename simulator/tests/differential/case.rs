//! A sequence of what happens to two servers alike, and how it is drawn.

use std::fmt;

use proptest::prelude::*;

use crate::{compare::shown, template};

/// Connections that are open at once.
pub(crate) const CONNECTIONS: usize = 3;

/// A word of a request. Some differ between the servers, or depend on when it is sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Bytes(Vec<u8>),
    /// The number of one of our connections, as its server counts.
    ClientId(usize),
    /// A time from now on: huge, and never twice the same. The unit is in milliseconds.
    Huge {
        unit_ms: i64,
        pick: u16,
    },
    /// The SHA-1 of a script.
    Sha(Vec<u8>),
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{}", shown(bytes)),
            Self::ClientId(connection) => write!(f, "<id of {connection}>"),
            Self::Huge { unit_ms, pick } => write!(f, "<huge {pick}, {unit_ms} ms>"),
            Self::Sha(source) => write!(f, "<sha of {}>", shown(source)),
        }
    }
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Requests arrive together on a connection.
    Say(usize, Vec<Vec<Word>>),
    /// Bytes that are no well-formed request arrive.
    Raw(usize, &'static [u8]),
    /// The wall clock is stepped by so many milliseconds.
    Clock(i64),
    /// The process is killed and started again.
    Restart,
}

/// Which steps a bench can do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Abilities {
    /// The clock obeys.
    pub(crate) clock: bool,
    /// There is a disk worth restarting for.
    pub(crate) disk: bool,
}

/// What is no request, or one as people type them.
const RAW: &[&[u8]] = &[
    b"\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"PING\r\n",
    b"set a \"x\\x41\\n\" \r\n",
    b"get 'a\\'b'\r\nping\r\n",
    b"*1\r\n$4\r\nPINGxxping\r\n",
    b"ping \"a\r\n",
    b"get \"a\"b\r\n",
    b"*x\r\n",
    b"*1\r\n+x\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n$-1\r\n",
    b"*2\r\n$3\r\nGET\r\n:1\r\n",
    b"ping\n*99999999999\r\n",
];

fn request(abilities: Abilities) -> impl Strategy<Value = Vec<Word>> {
    let draws = proptest::collection::vec(any::<u16>(), 16);
    (any::<u16>(), draws, 0..24_u8).prop_map(move |(template, draws, mutation)| {
        let mut words = template::expand(template, draws, abilities);
        match mutation {
            0 => drop(words.pop()),
            1 => words.push(Word::Bytes(b"1".to_vec())),
            2 => words.truncate(2),
            3 => {
                if let Some(Word::Bytes(name)) = words.first_mut() {
                    name.make_ascii_uppercase();
                }
            }
            _ => {}
        }
        if words.is_empty() {
            words.push(Word::Bytes(b"PING".to_vec()));
        }
        words
    })
}

fn step(abilities: Abilities) -> impl Strategy<Value = Step> {
    let clock = prop::sample::select(vec![
        -200, -51, -50, -49, -10, -1, 1, 9, 10, 11, 49, 50, 51, 200, 999, 1000, 1001, 60_000,
    ]);
    let requests = proptest::collection::vec(request(abilities), 1..4);
    prop_oneof![
        20 => (0..CONNECTIONS, requests).prop_map(|(connection, requests)| Step::Say(connection, requests)),
        1 => (0..CONNECTIONS, prop::sample::select(RAW)).prop_map(|(connection, bytes)| Step::Raw(connection, bytes)),
        if abilities.clock { 6 } else { 0 } => clock.prop_map(Step::Clock),
        if abilities.disk { 2 } else { 0 } => Just(Step::Restart),
    ]
}

/// Draws sequences.
pub(crate) fn cases(abilities: Abilities) -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(abilities), 1..40)
}
