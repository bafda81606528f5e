//! A real server and raw connections to it.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use redlock_testkit::RedisServer;

use crate::compare::frame_end;

/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection on which bytes are sent and whole replies awaited.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(server: &RedisServer) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends bytes; a server that has closed the connection is found out when its replies are awaited.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// The next `count` replies, or as many as come before the end of the connection or of our patience.
    pub(crate) fn replies(&mut self, count: usize) -> Vec<Vec<u8>> {
        let mut replies = Vec::new();
        while replies.len() < count {
            if let Some(end) = frame_end(&self.buffer) {
                replies.push(self.buffer.drain(..end).collect());
            } else if !self.read() {
                break;
            }
        }
        replies
    }

    /// What comes until the server closes the connection; none if it does not.
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        while self.read() {}
        let closed = match self.stream.read(&mut [0]) {
            Ok(0) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
            Ok(_) => false,
        };
        closed.then(|| std::mem::take(&mut self.buffer))
    }

    fn read(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.buffer.extend_from_slice(&chunk[..read]);
                true
            }
        }
    }

    /// Sends a command and returns its reply.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Vec<u8> {
        self.send(&encode(
            &words
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .collect::<Vec<_>>(),
        ));
        self.replies(1).pop().expect("a reply")
    }
}

/// A request as clients write it.
pub(crate) fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}
