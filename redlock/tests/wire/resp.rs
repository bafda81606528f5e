//! Values of the Redis protocol, well-formed and not, and how they are drawn.

use proptest::{prelude::*, strategy::Union};

/// One value as a server may put it on the wire. Unlike the parser's own type it can lie.
#[derive(Clone, Debug)]
pub(crate) enum Resp {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    /// A type's first byte and what follows on its line: `$-1`, `*-1`, `_`, `#t`, `,1.5`, `(123`.
    Line(u8, String),
    /// A type's first byte and text whose length is told: `=` verbatim, `!` error.
    Blob(u8, Vec<u8>),
    /// `*`, `~` or `>` and the values.
    Many(u8, Vec<Self>),
    /// `%` or `|` and pairs of values; an attribute is followed by what it is about.
    Pairs(u8, Vec<(Self, Self)>),
    /// A header that tells another number than follows.
    Lie(u8, i64, Vec<Self>),
    /// Bytes that are no value at all.
    Garbage(Vec<u8>),
}

impl Resp {
    pub(crate) fn text(text: &str) -> Self {
        Self::Bulk(text.as_bytes().to_vec())
    }

    /// What our scripts reply: a word and what belongs to it.
    pub(crate) fn words(word: &str, rest: impl IntoIterator<Item = Self>) -> Self {
        let first = std::iter::once(Self::text(word));
        Self::Many(b'*', first.chain(rest).collect())
    }

    /// A grant in short: its scripts also reply `["granted", counter]`.
    pub(crate) fn granted(counter: i64) -> Self {
        Self::text(&format!("granted {counter}"))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut line = |kind: u8, text: &str| {
            out.push(kind);
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        match self {
            Self::Simple(text) => line(b'+', text),
            Self::Error(text) => line(b'-', text),
            Self::Int(number) => line(b':', &number.to_string()),
            Self::Line(kind, text) => line(*kind, text),
            Self::Bulk(bytes) => Self::Blob(b'$', bytes.clone()).write(out),
            Self::Blob(kind, bytes) => {
                line(*kind, &bytes.len().to_string());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Many(kind, values) => {
                line(*kind, &values.len().to_string());
                values.iter().for_each(|value| value.write(out));
            }
            Self::Pairs(kind, pairs) => {
                line(*kind, &pairs.len().to_string());
                for (key, value) in pairs {
                    key.write(out);
                    value.write(out);
                }
            }
            Self::Lie(kind, told, values) => {
                line(*kind, &told.to_string());
                values.iter().for_each(|value| value.write(out));
            }
            Self::Garbage(bytes) => out.extend_from_slice(bytes),
        }
    }
}

/// Numbers at the edges, and any.
pub(crate) fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![
        -2_i64..4,
        Just(i64::MIN),
        Just(i64::MAX),
        Just((1 << 53) - 1),
        Just(1 << 53),
        any::<i64>(),
    ]
}

/// The words that our scripts reply, in any case, and others.
fn known_words() -> impl Strategy<Value = String> {
    let words = [
        "granted",
        "held",
        "quarantined",
        "went_back",
        "admitted",
        "absent",
        "settings",
        "stale",
        "foreign",
        "exhausted",
        "damaged",
        "ttl_above_max",
        "ok",
        "released",
        "not_owner",
    ];
    prop_oneof![
        8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        1 => proptest::sample::select(words.to_vec()).prop_map(str::to_uppercase),
        1 => "[a-z_]{0,12}",
    ]
}

fn error_lines() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("NOSCRIPT No matching script.".to_owned()),
        Just("LOADING Redis is loading the dataset in memory".to_owned()),
        Just("READONLY You can't write against a read only replica.".to_owned()),
        Just("BUSY Redis is busy running a script.".to_owned()),
        Just("OOM command not allowed when used memory > 'maxmemory'.".to_owned()),
        Just("NOAUTH Authentication required.".to_owned()),
        Just("NOPERM this user has no permissions".to_owned()),
        Just("ERR something".to_owned()),
        "[A-Z]{0,8}( [ -~]{0,40})?",
    ]
}

fn leaves() -> impl Strategy<Value = Resp> {
    let strange = [
        "$-1", "*-1", "_", "#t", "#f", "#x", ",nan", ",1.5", ",x", "(12", ":", ":x",
    ];
    prop_oneof![
        numbers().prop_map(Resp::Int),
        known_words().prop_map(|word| Resp::text(&word)),
        known_words().prop_map(Resp::Simple),
        Just(Resp::Simple("OK".into())),
        error_lines().prop_map(Resp::Error),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Resp::Bulk),
        proptest::sample::select(strange.to_vec())
            .prop_map(|line| Resp::Line(line.as_bytes()[0], line[1..].to_owned())),
        (
            proptest::sample::select(vec![b'=', b'!']),
            "(txt:)?[ -~]{0,20}"
        )
            .prop_map(|(kind, text)| Resp::Blob(kind, text.into_bytes())),
    ]
}

/// Any value, with lies in the lengths now and then.
pub(crate) fn values() -> impl Strategy<Value = Resp> {
    leaves().prop_recursive(3, 20, 4, |inner| {
        let many = proptest::collection::vec(inner.clone(), 0..4);
        let pairs = proptest::collection::vec((inner.clone(), inner), 0..3);
        prop_oneof![
            3 => (proptest::sample::select(b"**~>".to_vec()), many.clone())
                .prop_map(|(kind, values)| Resp::Many(kind, values)),
            1 => (proptest::sample::select(b"%|".to_vec()), pairs)
                .prop_map(|(kind, pairs)| Resp::Pairs(kind, pairs)),
            1 => (proptest::sample::select(b"*~>%|$=!".to_vec()), numbers(), many)
                .prop_map(|(kind, told, values)| Resp::Lie(kind, told, values)),
        ]
    })
}

/// A word of ours and what does, or does not, belong to it.
pub(crate) fn near_misses() -> impl Strategy<Value = Resp> {
    let rest = proptest::collection::vec(leaves(), 0..3);
    prop_oneof![
        3 => (known_words(), rest).prop_map(|(word, rest)| Resp::words(&word, rest)),
        1 => numbers().prop_map(Resp::granted),
        1 => numbers().prop_map(|counter| Resp::words("granted", [Resp::Int(counter)])),
        1 => (proptest::sample::select(b"~>%".to_vec()), numbers()).prop_map(|(kind, number)| {
            Resp::Many(kind, vec![Resp::text("granted"), Resp::Int(number)])
        }),
    ]
}

/// What several calls that share a command may be answered with: an array of near misses, seldom of the right length.
pub(crate) fn near_packs() -> impl Strategy<Value = Resp> {
    let answer = prop_oneof![
        4 => numbers().prop_map(Resp::granted),
        1 => Just(Resp::text("released")),
        2 => near_misses(),
    ];
    prop_oneof![
        4 => proptest::collection::vec(answer.clone(), 6).prop_map(|values| Resp::Many(b'*', values)),
        1 => proptest::collection::vec(answer, 0..9).prop_map(|values| Resp::Many(b'*', values)),
    ]
}

/// Whatever bytes.
pub(crate) fn garbage() -> impl Strategy<Value = Resp> {
    let bytes = Union::new([
        proptest::collection::vec(any::<u8>(), 1..40).boxed(),
        proptest::collection::vec(
            proptest::sample::select(b"*$:+-~%>|_#,(=!0129\r\n".to_vec()),
            1..40,
        )
        .boxed(),
        Just(b"*1\r\n".repeat(200)).boxed(),
        Just(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).boxed(),
    ]);
    bytes.prop_map(Resp::Garbage)
}
