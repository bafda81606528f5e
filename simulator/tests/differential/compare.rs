//! When two replies are the same.

use simulator::redis::Binary;

/// How far apart the times of a server in real time and ours may be.
pub(crate) const TOLERANCE_MS: i64 = 20_000;
/// Whole numbers below this are compared exactly even there.
const HUGE: i64 = 100_000_000;

/// What of a reply may differ.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mask {
    /// Whole numbers: client ids.
    pub(crate) numbers: bool,
    /// The order of strings: keys.
    pub(crate) order: bool,
    /// Huge numbers, by a little: times, where these are real.
    pub(crate) times: bool,
}

impl Mask {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            numbers: self.numbers || other.numbers,
            order: self.order || other.order,
            times: self.times || other.times,
        }
    }

    /// What may differ in the reply to a request.
    pub(crate) fn of(words: &[Vec<u8>], real_time: bool) -> Self {
        let word = |index: usize| {
            words.get(index).map_or(String::new(), |word| {
                String::from_utf8_lossy(word).to_lowercase()
            })
        };
        let name = word(0);
        let any = |wanted: &str| {
            words
                .iter()
                .any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
        };
        let script = name.starts_with("eval");
        Self {
            numbers: name == "hello"
                || (name == "client"
                    && (word(1) == "id"
                        || (word(1) == "kill" && (word(2) == "type" || word(3) == "0")))),
            order: matches!(&*name, "keys" | "scan") || (script && (any("keys") || any("scan"))),
            times: real_time,
        }
    }
}

/// Where the first reply in a buffer ends, if it is complete.
pub(crate) fn frame_end(buffer: &[u8]) -> Option<usize> {
    let line = buffer.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || {
        std::str::from_utf8(&buffer[1..line - 2])
            .unwrap()
            .parse::<i64>()
            .unwrap()
    };
    let elements =
        |count: i64| (0..count.max(0)).try_fold(line, |at, _| Some(at + frame_end(&buffer[at..])?));
    match buffer[0] {
        b'$' | b'=' => match usize::try_from(number()) {
            Ok(length) => (buffer.len() >= line + length + 2).then_some(line + length + 2),
            Err(_) => Some(line),
        },
        b'*' | b'~' | b'>' => elements(number()),
        b'%' => elements(number() * 2),
        _ => Some(line),
    }
}

/// Splits bytes into replies; what is left over is one more.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let end = frame_end(bytes).unwrap_or(bytes.len());
        frames.push(bytes[..end].to_vec());
        bytes = &bytes[end..];
    }
    frames
}

/// The lines of a reply, headers and contents: what masks look at. Contents of strings are taken whole.
fn parts(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < frame.len() {
        let line = at
            + frame[at..]
                .windows(2)
                .position(|pair| pair == b"\r\n")
                .map_or(frame.len() - at, |end| end + 2);
        parts.push(frame[at..line].to_vec());
        let length = std::str::from_utf8(&frame[at + 1..line])
            .ok()
            .and_then(|text| text.trim_end().parse::<usize>().ok());
        at = line;
        if let (b'$' | b'=', Some(length)) = (parts[parts.len() - 1][0], length) {
            parts.push(frame[at..at + length + 2].to_vec());
            at += length + 2;
        }
    }
    parts
}

fn number(part: &[u8]) -> Option<i64> {
    std::str::from_utf8(part.strip_prefix(b":")?)
        .ok()?
        .trim_end()
        .parse()
        .ok()
}

/// Whether two replies are the same but for what the mask lets pass.
pub(crate) fn same(ours: &[u8], theirs: &[u8], mask: Mask) -> bool {
    if ours == theirs {
        return true;
    }
    let (mut ours, mut theirs) = (parts(ours), parts(theirs));
    if mask.order {
        ours.sort();
        theirs.sort();
    }
    let alike = |(ours, theirs): (&Vec<u8>, &Vec<u8>)| {
        let passes = |ours: i64, theirs: i64| {
            let close = ours > HUGE && theirs > HUGE && (ours - theirs).abs() <= TOLERANCE_MS;
            mask.numbers || (mask.times && close)
        };
        ours == theirs
            || number(ours)
                .zip(number(theirs))
                .is_some_and(|(ours, theirs)| passes(ours, theirs))
    };
    ours.len() == theirs.len() && ours.iter().zip(&theirs).all(alike)
}

/// Bytes for people.
pub(crate) fn shown(bytes: &[u8]) -> String {
    Binary::from(bytes).to_string().replace("\\x0d\\x0a", "⏎")
}

#[test]
fn masks_let_pass_what_they_say_and_no_more() {
    let times = Mask {
        times: true,
        ..Mask::default()
    };
    assert!(same(b":1700000000000\r\n", b":1700000000900\r\n", times));
    assert!(!same(
        b":1700000000000\r\n",
        b":1700000000900\r\n",
        Mask::default()
    ));
    assert!(!same(b":1700000000000\r\n", b":1700000900000\r\n", times));
    assert!(!same(b":1000\r\n", b":1001\r\n", times));
    assert!(!same(
        b"$2\r\n:1\r\n",
        b"$2\r\n:2\r\n",
        Mask {
            numbers: false,
            ..times
        }
    ));
    let order = Mask {
        order: true,
        ..Mask::default()
    };
    assert!(same(
        b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"*2\r\n$1\r\nb\r\n$1\r\na\r\n",
        order
    ));
    assert!(!same(b"*1\r\n$1\r\na\r\n", b"*1\r\n$1\r\nb\r\n", order));
}

#[test]
fn a_frame_ends_where_its_last_part_ends() {
    let frame = b"*3\r\n$2\r\n\r\n\r\n%1\r\n+a\r\n$-1\r\n_\r\n";
    for end in 0..frame.len() {
        assert_eq!(frame_end(&frame[..end]), None, "{end}");
    }
    assert_eq!(
        frame_end(&[frame, b"+".as_slice()].concat()),
        Some(frame.len())
    );
}
