//! Bytes from a server, through the decoder that connections use and the code that reads replies.
//!
//! The first byte chooses the call and the cluster's settings, the second how many bytes arrive at a
//! time; the rest is what the server sends. Nothing may panic, only the exact shape of a grant is a
//! vote, and values do not depend on where the network cut them. What follows a byte that starts no
//! value does: the decoder of redis-rs 1.8.1 fails when it meets one amid others, and skips one that
//! arrives alone.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use redis::{Value, ValueCodec};
use redlock::{Answer, redis::fuzzing::Asked};
use tokio_util::codec::Decoder;

fuzz_target!(|input: &[u8]| {
    let [bits, piece, sent @ ..] = input else {
        return;
    };
    let asked = Asked::new(*bits);
    let whole = decode(sent, sent.len());
    let pieces = decode(sent, usize::from(*piece));
    assert_eq!(debug(&whole), debug(&pieces[..whole.len()]));
    for value in whole.iter().chain(&pieces) {
        check(&asked, value);
    }
});

/// Numbers that are none are not equal to themselves.
fn debug(values: &[Value]) -> String {
    format!("{values:?}")
}

/// All values in `sent` before the first mistake.
fn decode(sent: &[u8], piece: usize) -> Vec<Value> {
    let mut codec = ValueCodec::default();
    let mut buffer = BytesMut::new();
    let mut values = Vec::new();
    for piece in sent.chunks(piece.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(value)) => values.push(value),
                Ok(None) => break,
                Err(_) => return values,
            }
        }
    }
    values
}

/// As the reply to one call, and as the replies to several that share a command: an array of as many values, or nothing.
fn check(asked: &Asked, value: &Value) {
    check_answer(asked, value, asked.read(value));
    for calls in 1..5 {
        let answers = asked.read_pack(value, calls);
        assert_eq!(answers.len(), calls);
        match value {
            Value::Array(values) if values.len() == calls => {
                for (value, answer) in values.iter().zip(answers) {
                    check_answer(asked, value, answer);
                }
            }
            _ => {
                let is_no_vote = |answer| matches!(answer, Answer::Unknown(_) | Answer::Refused(_));
                assert!(answers.into_iter().all(is_no_vote));
            }
        }
    }
}

fn check_answer(asked: &Asked, value: &Value, answer: Answer) {
    match answer {
        Answer::Granted { counter } => {
            assert!(asked.is_acquire());
            assert_eq!(counter > 0, asked.is_fenced());
            assert!(counter < 1 << 53);
            let number = i64::try_from(counter).unwrap();
            let long = Value::Array(vec![word("granted"), Value::Int(number)]);
            let short = word(&format!("granted {counter}"));
            if asked.keeps_record() {
                assert!(*value == long || *value == short);
            } else {
                assert_eq!(*value, Value::Okay);
            }
        }
        Answer::Confirmed => assert_eq!(*value, Value::Array(vec![word("ok")])),
        Answer::Released => assert_eq!(*value, word("released")),
        Answer::NotOwner { .. } => {
            let Value::Array(values) = value else {
                panic!("not an array");
            };
            assert_eq!((values.len(), &values[0]), (2, &word("not_owner")));
        }
        _ => {}
    }
}

fn word(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}
