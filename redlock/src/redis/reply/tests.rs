use super::*;
use crate::protocol::Quorum;
use proptest::prelude::*;

fn settings(fencing: bool, restart_guard: bool) -> Settings {
    Settings {
        quorum: Quorum::majority(3),
        max_ttl: Duration::from_secs(30),
        prefix: "redlock".into(),
        stripes: 4,
        fencing,
        restart_guard,
        strict_identity: false,
    }
}

const TTL: Duration = Duration::from_secs(10);
const ACQUIRE: Verb = Verb::Acquire {
    ttl: TTL,
    proposal: 1,
    expires: Duration::ZERO,
};
const PUBLISH: Verb = Verb::Publish { counter: 1 };
const EXTEND: Verb = Verb::Extend {
    ttl: TTL,
    counter: 1,
};
const RELEASE: Verb = Verb::Release {
    give_up: Duration::ZERO,
};

fn read(verb: &Verb, value: &Value) -> Answer {
    let settings = settings(true, true);
    let context = Context {
        settings: &settings,
        same_identity: true,
    };
    read_reply(verb, &context, value)
}

fn bulk(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

fn array(word: &str, rest: &[Value]) -> Value {
    let mut values = vec![bulk(word)];
    values.extend_from_slice(rest);
    Value::Array(values)
}

fn error(line: &str) -> Value {
    redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap()
}

#[test]
fn the_shapes_that_scripts_reply_are_read() {
    let ms = Duration::from_millis;
    let refused = Answer::Refused;
    for (verb, value, answer) in [
        (
            ACQUIRE,
            array("granted", &[Value::Int(7)]),
            Answer::Granted { counter: 7 },
        ),
        (
            ACQUIRE,
            array("held", &[Value::Int(20)]),
            Answer::Contended {
                remaining: Some(ms(20)),
            },
        ),
        (
            ACQUIRE,
            array(
                "quarantined",
                &[Value::Int(30), bulk("nonce"), Value::Int(60)],
            ),
            Answer::Quarantined { remaining: ms(30) },
        ),
        (
            ACQUIRE,
            array("stale", &[]),
            refused(Reason::IdentityChanged),
        ),
        (
            ACQUIRE,
            array("exhausted", &[]),
            refused(Reason::CounterExhausted),
        ),
        (
            ACQUIRE,
            array("foreign", &[bulk("it is a list")]),
            refused(Reason::ForeignKey("it is a list".into())),
        ),
        (
            ACQUIRE,
            array("ttl_above_max", &[Value::Int(5)]),
            refused(Reason::TtlAboveMax {
                asked: TTL,
                max: ms(5),
            }),
        ),
        (PUBLISH, array("ok", &[]), Answer::Confirmed),
        (EXTEND, array("ok", &[]), Answer::Confirmed),
        (ACQUIRE, bulk("granted 7"), Answer::Granted { counter: 7 }),
        (RELEASE, bulk("released"), Answer::Released),
        (
            EXTEND,
            array("settings", &[bulk("format=2")]),
            refused(Reason::Settings(
                settings(true, true).differences("format=2").into(),
            )),
        ),
        (
            EXTEND,
            array("damaged", &[bulk("it")]),
            refused(Reason::DamagedGuard("it".into())),
        ),
        (
            RELEASE,
            array("not_owner", &[Value::Int(0)]),
            Answer::NotOwner {
                gone: true,
                same_identity: true,
            },
        ),
        (
            PUBLISH,
            array("not_owner", &[Value::Int(1)]),
            Answer::NotOwner {
                gone: false,
                same_identity: true,
            },
        ),
    ] {
        assert_eq!(read(&verb, &value), answer, "{value:?}");
    }
}

/// Only errors that come before anything was written are refusals.
#[test]
fn errors_are_unknown_unless_they_are_known_to_come_first() {
    let server = |line: &str| Reason::Server(line.into());
    for (line, answer) in [
        ("LOADING Redis is loading", Answer::Refused(Reason::Loading)),
        ("READONLY You can't write", Answer::Refused(Reason::Replica)),
        (
            "BUSY a script runs",
            Answer::Refused(server("BUSY a script runs")),
        ),
        ("OOM no memory", Answer::Refused(server("OOM no memory"))),
        (
            "NOAUTH Authentication required.",
            Answer::Refused(Reason::Credentials(
                "NOAUTH Authentication required.".into(),
            )),
        ),
        (
            "NOPERM no permissions to run evalsha",
            Answer::Refused(Reason::Forbidden(
                "NOPERM no permissions to run evalsha".into(),
            )),
        ),
        (
            "NOPERM no permissions to run set script: abc, on @user_script:3.",
            Answer::Unknown(Reason::Failed(
                "NOPERM no permissions to run set script: abc, on @user_script:3.".into(),
            )),
        ),
        (
            "ERR something",
            Answer::Unknown(Reason::Failed("ERR something".into())),
        ),
        (
            "WRONGTYPE Operation",
            Answer::Unknown(Reason::Failed("WRONGTYPE Operation".into())),
        ),
    ] {
        for verb in [ACQUIRE, PUBLISH, EXTEND] {
            assert_eq!(read(&verb, &error(line)), answer);
        }
        assert_eq!(
            read(&RELEASE, &error(line)),
            Answer::Refused(server(line)),
            "an error to a release is final"
        );
    }
    assert!(is_noscript(&error("NOSCRIPT No matching script.")));
    assert!(!is_noscript(&error("ERR NOSCRIPT")));
}

#[test]
fn plain_set_is_read_only_without_a_record() {
    let plain = settings(false, false);
    let context = Context {
        settings: &plain,
        same_identity: true,
    };
    let granted = Answer::Granted { counter: 0 };
    assert_eq!(read_reply(&ACQUIRE, &context, &Value::Okay), granted);
    assert_eq!(
        read_reply(&ACQUIRE, &context, &Value::Nil),
        Answer::Contended { remaining: None }
    );
    for value in [Value::Okay, Value::Nil] {
        assert!(matches!(
            read(&ACQUIRE, &value),
            Answer::Unknown(Reason::Unreadable(_))
        ));
    }
}

#[test]
fn secrets_never_shown_in_the_text_of_errors() {
    let token = "0123456789abcdef0123456789abcdef01234567";
    for line in [
        format!("ERR unknown command 'EVALSHA', with args beginning with: '{token}'"),
        format!("ERR bad value {token}"),
        format!("ERR {token} x"),
    ] {
        let shown = format!("{:?}", read(&ACQUIRE, &error(&line)));
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("granted"),
        Just("held"),
        Just("quarantined"),
        Just("settings"),
        Just("stale"),
        Just("foreign"),
        Just("exhausted"),
        Just("damaged"),
        Just("ttl_above_max"),
        Just("ok"),
        Just("released"),
        Just("not_owner"),
    ];
    let leaf = prop_oneof![
        Just(Value::Nil),
        Just(Value::Okay),
        any::<i64>().prop_map(Value::Int),
        (-2_i64..3).prop_map(Value::Int),
        word.prop_map(bulk),
        (-2_i64..3).prop_map(|number| bulk(&format!("granted {number}"))),
        proptest::collection::vec(any::<u8>(), 0..60).prop_map(Value::BulkString),
        "[A-Z]{1,8}".prop_map(Value::SimpleString),
        "[A-Z]{1,8}( [a-z0-9]{0,60})?".prop_map(|line| error(&line)),
        any::<f64>().prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Set),
            proptest::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
        ]
    })
}

/// An array with a value for each call, or nothing for any.
#[test]
fn a_reply_to_a_pack_is_an_array_of_one_value_per_call() {
    let granted = bulk("granted 5");
    let three = vec![granted.clone(), bulk("released"), Value::Nil];
    assert_eq!(split(Some(Value::Array(three.clone())), 3), three);
    let nothing = vec![Value::Array(vec![]); 3];
    for value in [
        None,
        Some(granted.clone()),
        Some(Value::Array(vec![granted.clone(); 2])),
        Some(Value::Array(vec![granted.clone(); 4])),
        Some(Value::Array(vec![])),
        Some(Value::Set(three.clone())),
        Some(Value::Array(vec![Value::Array(three)])),
        Some(Value::Nil),
    ] {
        assert_eq!(split(value.clone(), 3), nothing, "{value:?}");
    }
    // What answers one call is no answer to two.
    let long = array("granted", &[Value::Int(5)]);
    for value in split(Some(long), 2) {
        assert!(
            matches!(read(&ACQUIRE, &value), Answer::Unknown(_)),
            "{value:?}"
        );
    }
}

/// An error of the whole command is every call's; one in its place is that call's alone.
#[test]
fn errors_of_a_pack_are_everybodys_or_one_calls() {
    let failed = error("ERR Error running script");
    let all = split(Some(failed.clone()), 2);
    assert_eq!(all, [failed.clone(), failed.clone()]);
    for value in &all {
        assert!(matches!(read(&ACQUIRE, value), Answer::Unknown(_)));
    }
    let missing = error("NOSCRIPT No matching script.");
    assert!(split(Some(missing.clone()), 2).iter().all(is_noscript));
    let one = Value::Array(vec![failed, bulk("granted 5")]);
    let one = split(Some(one), 2);
    assert!(matches!(read(&ACQUIRE, &one[0]), Answer::Unknown(_)));
    assert_eq!(read(&ACQUIRE, &one[1]), Answer::Granted { counter: 5 });
    // The script ran, so this one was not missing, and the call is not sent again.
    let inside = split(Some(Value::Array(vec![missing, bulk("granted 5")])), 2);
    assert!(!is_noscript(&inside[0]));
    assert!(matches!(read(&ACQUIRE, &inside[0]), Answer::Unknown(_)));
}

proptest! {
    /// A pack has as many answers as calls, whatever a server replies, and no more votes than values that are one.
    #[test]
    fn a_pack_has_no_vote_that_was_not_sent(value in values(), length in 1..6_usize) {
        let replies = split(Some(value.clone()), length);
        prop_assert_eq!(replies.len(), length);
        let is_vote = |value: &Value| matches!(read(&ACQUIRE, value), Answer::Granted { .. });
        let votes = replies.iter().filter(|value| is_vote(value)).count();
        match &value {
            Value::Array(sent) if sent.len() == length => {
                prop_assert_eq!(votes, sent.iter().filter(|value| is_vote(value)).count());
            }
            _ => prop_assert_eq!(votes, 0),
        }
    }

    /// Whatever a server replies, reading it does not panic, and only the exact shape is a vote.
    #[test]
    fn only_the_exact_shape_is_a_vote(
        value in values(), fencing in any::<bool>(), guard in any::<bool>(), verb in 0..4_usize,
    ) {
        let settings = settings(fencing, guard);
        let context = Context { settings: &settings, same_identity: false };
        let verb = [ACQUIRE, PUBLISH, EXTEND, RELEASE][verb];
        match read_reply(&verb, &context, &value) {
            Answer::Granted { counter } => {
                prop_assert_eq!(verb, ACQUIRE);
                if fencing || guard {
                    let number = i64::try_from(counter).unwrap();
                    let short = bulk(&format!("granted {number}"));
                    prop_assert!(value == short || value == array("granted", &[Value::Int(number)]));
                    prop_assert_eq!(counter > 0, fencing);
                    prop_assert!(counter <= FencingToken::MAX.as_u64());
                } else {
                    prop_assert_eq!(value, Value::Okay);
                }
            }
            Answer::Confirmed => {
                prop_assert!(verb == PUBLISH || verb == EXTEND);
                prop_assert_eq!(value, array("ok", &[]));
            }
            Answer::Released => {
                prop_assert_eq!(verb, RELEASE);
                prop_assert_eq!(value, bulk("released"));
            }
            _ => {}
        }
    }
}
