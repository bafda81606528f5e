//! Where one message of the Redis protocol ends.

/// What the start of a buffer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// A whole message of this many bytes.
    Whole(usize),
    /// The beginning of a message.
    Part,
    /// Something else: TLS, HTTP, an inline command.
    Foreign,
}

/// Cuts what is read from a connection into messages. Bytes that are no RESP come as they are, as soon as they come, and so
/// does everything after them: a proxy in front of TLS still delays, holds and cuts, but sees no messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What has been read and not taken.
    pub(super) buffer: Vec<u8>,
    foreign: bool,
}

impl Frames {
    /// Takes the first whole message off the buffer.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let found = if self.foreign && !self.buffer.is_empty() {
            Found::Foreign
        } else {
            find(&self.buffer)
        };
        let length = match found {
            Found::Whole(length) => length,
            Found::Foreign => {
                self.foreign = true;
                self.buffer.len()
            }
            Found::Part => return None,
        };
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }
}

/// Whether a message is of the kind that answers no request (RESP3's push).
pub(super) fn is_push(message: &[u8]) -> bool {
    message.first() == Some(&b'>')
}

/// Walks over the headers of RESP2 and RESP3. Aggregates only add to the number of values that still have to come, so there
/// is no recursion that a peer could drive deep.
fn find(bytes: &[u8]) -> Found {
    let mut at = 0;
    let mut values: usize = 1;
    while values > 0 {
        values -= 1;
        let Some(&kind) = bytes.get(at) else {
            return Found::Part;
        };
        if !b"+-:_,#($=!*~>%|".contains(&kind) {
            return Found::Foreign;
        }
        let Some(line) = bytes[at..].windows(2).position(|pair| pair == b"\r\n") else {
            return Found::Part;
        };
        let head = &bytes[at + 1..at + line];
        at += line + 2;
        if b"$=!*~>%|".contains(&kind) {
            let Some(count) = count(head) else {
                return Found::Foreign;
            };
            match kind {
                b'*' | b'~' | b'>' => values += count.unwrap_or(0),
                b'%' => values += 2 * count.unwrap_or(0),
                // An attribute precedes the value that it describes.
                b'|' => values += 2 * count.unwrap_or(0) + 1,
                _ => at += count.map_or(0, |length| length + 2),
            }
        }
    }
    if at <= bytes.len() {
        Found::Whole(at)
    } else {
        Found::Part
    }
}

/// Reads the number of a header: none for the null of RESP2, no answer at all for something that is no such number.
fn count(head: &[u8]) -> Option<Option<usize>> {
    /// What Redis itself allows at most.
    const MOST: usize = 512 * 1024 * 1024;
    if head == b"-1" {
        return Some(None);
    }
    let number: usize = std::str::from_utf8(head).ok()?.parse().ok()?;
    (number <= MOST).then_some(Some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: [&[u8]; 11] = [
        b"+OK\r\n",
        b"$3\r\na\r\n\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
        b"%1\r\n+a\r\n*2\r\n:1\r\n_\r\n",
        b"|1\r\n+ttl\r\n:3\r\n+OK\r\n",
        b">2\r\n+message\r\n$0\r\n\r\n",
        b"!5\r\nERR x\r\n",
        b"=7\r\ntxt:abc\r\n",
        b"#t\r\n",
    ];

    #[test]
    fn every_kind_of_message_is_cut_at_its_end_and_nowhere_before() {
        for message in MESSAGES {
            for end in 0..message.len() {
                assert_eq!(
                    find(&message[..end]),
                    Found::Part,
                    "{:?}",
                    String::from_utf8_lossy(&message[..end])
                );
            }
            let mut frames = Frames {
                buffer: [message, b"+next\r\n".as_slice()].concat(),
                foreign: false,
            };
            assert_eq!(frames.take().as_deref(), Some(message));
            assert_eq!(frames.take().as_deref(), Some(b"+next\r\n".as_slice()));
            assert_eq!(frames.take(), None);
        }
    }

    #[test]
    fn foreign_bytes_pass_at_once_and_so_does_all_that_follows() {
        for bytes in [
            b"PING\r\n".as_slice(),
            b"\x16\x03\x01",
            b"$x\r\n",
            b"*99999999999999\r\n",
        ] {
            let mut frames = Frames {
                buffer: bytes.to_vec(),
                foreign: false,
            };
            assert_eq!(frames.take().as_deref(), Some(bytes));
            assert_eq!(frames.take(), None);
            // The middle of a TLS record may look like the beginning of a message.
            frames.buffer.extend(b"*3\r\n");
            assert_eq!(frames.take().as_deref(), Some(b"*3\r\n".as_slice()));
        }
    }
}
