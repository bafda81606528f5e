//! Requests as clients send them: RESP arrays of bulk strings, or lines as typed into telnet.

use super::number;

/// Longest line: an inline request, or the header of an array or a string.
const MAX_LINE: usize = 64 * 1024;
/// Longest string in a request.
const MAX_BULK: i64 = 512 * 1024 * 1024;
/// Limits before a client that must authenticate has done so.
const STRANGER_ARGS: i64 = 10;
const STRANGER_BULK: i64 = 16_384;

/// What the beginning of a buffer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A command's words, and how many bytes it took.
    Command(Vec<Vec<u8>>, usize),
    /// Nothing to do, and how many bytes that took.
    Empty(usize),
    /// More bytes are needed.
    Incomplete,
    /// Not the protocol; the connection ends after this was said.
    Broken(String),
}

/// What a server tolerates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Longest array: 7.0 raised it.
    pub(super) args: i64,
    /// Whether the client has yet to authenticate.
    pub(super) stranger: bool,
}

/// Reads the first request in a buffer.
pub(super) fn parse(buffer: &[u8], limits: Limits) -> Request {
    match buffer.first() {
        None => Request::Incomplete,
        Some(b'*') => array(buffer, limits).unwrap_or_else(|request| request),
        Some(_) => inline(buffer),
    }
}

fn broken(text: &str) -> Request {
    Request::Broken(format!("ERR Protocol error: {text}"))
}

/// The line that starts at `at`, without its end, and where the next one starts. Redis looks for the carriage return alone
/// and skips whatever follows it.
fn line<'a>(buffer: &'a [u8], at: usize, too_long: &str) -> Result<(&'a [u8], usize), Request> {
    let rest = buffer.get(at..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == b'\r') {
        Some(end) if rest.len() > end + 1 => {
            Ok((rest.get(..end).unwrap_or_default(), at + end + 2))
        }
        Some(_) => Err(Request::Incomplete),
        None if rest.len() > MAX_LINE => Err(broken(too_long)),
        None => Err(Request::Incomplete),
    }
}

fn array(buffer: &[u8], limits: Limits) -> Result<Request, Request> {
    let (header, mut at) = line(buffer, 0, "too big mbulk count string")?;
    let count = header.get(1..).and_then(number::parse);
    let count = match count {
        Some(count) if count <= limits.args => count,
        _ => return Err(broken("invalid multibulk length")),
    };
    if count > STRANGER_ARGS && limits.stranger {
        return Err(broken("unauthenticated multibulk length"));
    }
    if count <= 0 {
        return Ok(Request::Empty(at));
    }
    let mut words = Vec::new();
    for _ in 0..count {
        let (header, start) = line(buffer, at, "too big bulk count string")?;
        let Some((b'$', length)) = header.split_first() else {
            let got = header.first().copied().unwrap_or(b'\r');
            return Err(broken(&format!("expected '$', got '{}'", char::from(got))));
        };
        let length = match number::parse(length) {
            Some(length) if (0..=MAX_BULK).contains(&length) => length,
            _ => return Err(broken("invalid bulk length")),
        };
        if length > STRANGER_BULK && limits.stranger {
            return Err(broken("unauthenticated bulk length"));
        }
        let end = start + usize::try_from(length).unwrap_or(usize::MAX);
        if buffer.len() < end + 2 {
            return Err(Request::Incomplete);
        }
        words.push(buffer.get(start..end).unwrap_or_default().to_vec());
        at = end + 2;
    }
    Ok(Request::Command(words, at))
}

fn inline(buffer: &[u8]) -> Request {
    let Some(end) = buffer.iter().position(|byte| *byte == b'\n') else {
        return if buffer.len() > MAX_LINE {
            broken("too big inline request")
        } else {
            Request::Incomplete
        };
    };
    let text = buffer.get(..end).unwrap_or_default();
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    match split(text) {
        None => broken("unbalanced quotes in request"),
        Some(words) if words.is_empty() => Request::Empty(end + 1),
        Some(words) => Request::Command(words, end + 1),
    }
}

/// Splits a line into words, some of them quoted; `None` if a quote does not end, or ends inside of a word.
fn split(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        loop {
            match rest {
                [] => break,
                [byte, after @ ..] if byte.is_ascii_whitespace() || *byte == 0 => {
                    rest = after;
                    break;
                }
                [b'"', after @ ..] => {
                    rest = double_quoted(after, &mut word)?;
                    break;
                }
                [b'\'', after @ ..] => {
                    rest = single_quoted(after, &mut word)?;
                    break;
                }
                [byte, after @ ..] => {
                    word.push(*byte);
                    rest = after;
                }
            }
        }
        words.push(word);
    }
}

/// What follows a closing quote must be a blank or the end.
fn closed(rest: &[u8]) -> Option<&[u8]> {
    rest.first()
        .is_none_or(u8::is_ascii_whitespace)
        .then_some(rest)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|n| u8::try_from(n).ok())
    };
    loop {
        match rest {
            [b'\\', b'x', high, low, after @ ..]
                if digit(*high).is_some() && digit(*low).is_some() =>
            {
                word.push(digit(*high)? * 16 + digit(*low)?);
                rest = after;
            }
            [b'\\', byte, after @ ..] => {
                word.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = after;
            }
            [b'"', after @ ..] => return closed(after),
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                rest = after;
            }
            [b'\'', after @ ..] => return closed(after),
            [byte, after @ ..] => {
                word.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        args: 1024 * 1024,
        stranger: false,
    };

    #[test]
    fn a_request_is_incomplete_at_every_byte_but_its_last() {
        for request in [
            &b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n"[..],
            b"GET \"a b\"\r\n",
        ] {
            for end in 0..request.len() {
                let part = request.get(..end).unwrap_or_default();
                assert_eq!(parse(part, LIMITS), Request::Incomplete, "{end}");
            }
            assert!(
                matches!(parse(request, LIMITS), Request::Command(words, used) if words.len() == 2 && used == request.len())
            );
        }
    }

    #[test]
    fn a_stranger_may_send_little() {
        let limits = Limits {
            stranger: true,
            ..LIMITS
        };
        let broken = |text: &[u8]| matches!(parse(text, limits), Request::Broken(_));
        assert!(!broken(b"*10\r\n") && broken(b"*11\r\n"));
        assert!(!broken(b"*1\r\n$16384\r\n") && broken(b"*1\r\n$16385\r\n"));
    }
}
