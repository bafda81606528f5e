//! Replies, and how RESP2 and RESP3 write them.

use std::borrow::Cow;

/// A reply before it is written. What one version of the protocol lacks is written as Redis writes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Status(Cow<'static, [u8]>),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    /// A transaction that did not run.
    NilArray,
    Bool(bool),
    /// The number as text.
    Double(String),
    BigNumber(Vec<u8>),
    /// Text that RESP3 marks as such.
    Text(Vec<u8>),
    Array(Vec<Reply>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    /// An error inside of an array; elsewhere errors travel as [`Failure`].
    Error(Failure),
    /// Bytes that are written already: in a transaction the protocol may change between two replies.
    Written(Vec<u8>),
    /// No reply at all.
    Silence,
}

impl Reply {
    pub(super) const OK: Self = Self::status("OK");

    pub(super) const fn status(text: &'static str) -> Self {
        Self::Status(Cow::Borrowed(text.as_bytes()))
    }

    pub(super) fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(bytes.as_ref().to_vec())
    }

    pub(super) fn bulk_or_nil(bytes: Option<impl AsRef<[u8]>>) -> Self {
        bytes.map_or(Self::Nil, Self::bulk)
    }

    pub(super) fn size(size: usize) -> Self {
        Self::Int(i64::try_from(size).unwrap_or(i64::MAX))
    }

    pub(super) fn flag(flag: bool) -> Self {
        Self::Int(i64::from(flag))
    }
}

/// The answer to a command that was refused or failed: its text, code first, without the dash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure(pub(super) Cow<'static, [u8]>);

impl From<&'static str> for Failure {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Failure {
    fn from(text: Vec<u8>) -> Self {
        Self(Cow::Owned(text))
    }
}

/// What a command comes to.
pub(super) type Outcome = Result<Reply, Failure>;

/// Which version of the protocol a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }

    /// Appends the reply's bytes.
    pub(super) fn write(self, out: &mut Vec<u8>, reply: &Reply) {
        let new = self == Self::Resp3;
        match reply {
            Reply::Status(text) => line(out, b'+', &one_line(text)),
            Reply::Error(failure) => error(out, failure),
            Reply::Int(n) => number(out, b':', *n),
            Reply::Bulk(bytes) => bulk(out, b'$', bytes),
            Reply::Nil if new => line(out, b'_', b""),
            Reply::NilArray if new => line(out, b'_', b""),
            Reply::Nil => line(out, b'$', b"-1"),
            Reply::NilArray => line(out, b'*', b"-1"),
            Reply::Bool(yes) if new => line(out, b'#', if *yes { b"t" } else { b"f" }),
            Reply::Bool(yes) => number(out, b':', i64::from(*yes)),
            Reply::Double(text) if new => line(out, b',', text.as_bytes()),
            Reply::Double(text) => bulk(out, b'$', text.as_bytes()),
            Reply::BigNumber(text) if new => line(out, b'(', text),
            Reply::BigNumber(text) => bulk(out, b'$', text),
            Reply::Text(text) if new => {
                let mut marked = b"txt:".to_vec();
                marked.extend_from_slice(text);
                bulk(out, b'=', &marked);
            }
            Reply::Text(text) => bulk(out, b'$', text),
            Reply::Array(items) => {
                head(out, b'*', items.len());
                items.iter().for_each(|item| self.write(out, item));
            }
            Reply::Set(items) => {
                head(out, if new { b'~' } else { b'*' }, items.len());
                items.iter().for_each(|item| self.write(out, item));
            }
            Reply::Map(pairs) => {
                let (mark, len) = if new {
                    (b'%', pairs.len())
                } else {
                    (b'*', pairs.len() * 2)
                };
                head(out, mark, len);
                for (key, value) in pairs {
                    self.write(out, key);
                    self.write(out, value);
                }
            }
            Reply::Written(bytes) => out.extend_from_slice(bytes),
            Reply::Silence => {}
        }
    }
}

/// Appends an error's bytes.
pub(super) fn error(out: &mut Vec<u8>, failure: &Failure) {
    line(out, b'-', &one_line(&failure.0));
}

/// Line breaks would end the reply early: Redis trims the ends and blanks the rest.
fn one_line(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
        return Cow::Borrowed(text);
    }
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let end = text
        .iter()
        .rposition(|byte| !is_break(byte))
        .map_or(0, |at| at + 1);
    let blank = |byte: &u8| if is_break(byte) { b' ' } else { *byte };
    Cow::Owned(
        text.get(..end)
            .unwrap_or_default()
            .iter()
            .map(blank)
            .collect(),
    )
}

fn line(out: &mut Vec<u8>, mark: u8, text: &[u8]) {
    out.push(mark);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, mark: u8, n: i64) {
    line(out, mark, n.to_string().as_bytes());
}

fn head(out: &mut Vec<u8>, mark: u8, len: usize) {
    line(out, mark, len.to_string().as_bytes());
}

fn bulk(out: &mut Vec<u8>, mark: u8, bytes: &[u8]) {
    head(out, mark, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
