//! A server's life: what survives what, and what the history says of it.

use super::*;
use crate::redis::{ExpiryRule, Hash, SavePoint, Version, Why};

const START: Now = Now {
    wall_us: 1_700_000_000_000_000,
    monotonic_us: 5_000_000,
};

fn later(now: Now, ms: u64) -> Now {
    Now {
        wall_us: now.wall_us + ms * 1000,
        monotonic_us: now.monotonic_us + ms * 1000,
    }
}

fn server(persistence: Persistence) -> Server {
    let config = Config {
        persistence,
        ..Config::default()
    };
    Server::new(config, START)
}

/// Sends a line over a connection of its own.
fn say(server: &mut Server, line: &str, now: Now) -> String {
    let client = server.connect(now);
    let received = server.receive(client, format!("{line}\r\n").as_bytes(), now);
    server.disconnect(client);
    String::from_utf8(received.reply).unwrap()
}

#[test]
fn a_restart_forgets_or_remembers_as_the_disk_says() {
    let everything = |end: fn(&mut Server, Now)| {
        let modes = [
            Persistence::None,
            Persistence::AofEverysec,
            Persistence::AofAlways,
            Persistence::Rdb {
                save_points: vec![SavePoint {
                    seconds: 1,
                    changes: 1,
                }],
            },
        ];
        modes.map(|mode| {
            let mut server = server(mode);
            say(&mut server, "SET old 1", START);
            let mut now = START;
            for _ in 0..30 {
                now = later(now, 100);
                server.advance(now);
            }
            say(&mut server, "SET new 1", now);
            end(&mut server, now);
            server.restart(later(now, 10));
            say(&mut server, "MGET old new", later(now, 10)).replace("\r\n", " ")
        })
    };
    let (both, old, none) = ("*2 $1 1 $1 1 ", "*2 $1 1 $-1 ", "*2 $-1 $-1 ");
    assert_eq!(everything(Server::crash), [none, both, both, old]);
    assert_eq!(everything(Server::power_loss), [none, old, both, old]);
    assert_eq!(everything(Server::shutdown), [none, both, both, both]);
}

#[test]
fn a_wall_clock_that_steps_back_keeps_the_file_from_the_disk() {
    let mut server = server(Persistence::AofEverysec);
    let mut now = later(START, 100);
    now.wall_us -= 60_000_000;
    say(&mut server, "SET a 1", now);
    for _ in 0..300 {
        now = later(now, 100);
        server.advance(now);
    }
    server.power_loss(now);
    server.restart(now);
    assert_eq!(
        say(&mut server, "GET a", now),
        "$-1\r\n",
        "half a minute later it was not written"
    );
}

#[test]
fn a_new_process_has_another_run_id_and_no_scripts() {
    let mut server = server(Persistence::AofAlways);
    let first = server.run_id().to_owned();
    let loaded = say(&mut server, "SCRIPT LOAD 'return 1'", START);
    let sha = loaded.lines().nth(1).unwrap().to_owned();
    assert_eq!(
        say(&mut server, &format!("EVALSHA {sha} 0"), START),
        ":1\r\n"
    );
    let client = server.connect(START);
    server.restart(later(START, 1));
    assert_ne!(server.run_id(), first);
    assert_eq!(server.run_id().len(), 40);
    assert!(say(&mut server, &format!("EVALSHA {sha} 0"), START).starts_with("-NOSCRIPT"));
    assert!(server.receive(client, b"PING\r\n", START).close);
    assert_eq!(say(&mut server, "CLIENT ID", START), ":4\r\n");
}

#[test]
fn the_history_tells_every_change() {
    let mut server = server(Persistence::AofEverysec);
    let run_id = server.run_id().to_owned();
    let key = |text: &str| Binary::from(text);
    let set = |name: &str, value: &str, expires_at_ms| Change::Set {
        db: 0,
        key: key(name),
        value: Value::String(key(value)),
        expires_at_ms,
    };
    let end = START.wall_ms() + 50;
    say(&mut server, "SET a 1 PX 50", START);
    say(&mut server, "SET b 2", START);
    say(&mut server, "DEL b", START);
    say(&mut server, "PERSIST a", START);
    say(&mut server, &format!("PEXPIREAT a {end}"), START);
    say(&mut server, "HSET h f 1", START);
    say(&mut server, "HSET h f 2 g 3", START);
    say(&mut server, "GET a", later(START, 51));
    say(&mut server, "FLUSHALL", later(START, 51));
    say(&mut server, "SET c 1", later(START, 51));
    server.power_loss(later(START, 51));
    server.restart(later(START, 60));
    let mut hash = Hash::default();
    hash.set(key("f"), key("1"));
    let gone = |name: &str, why| Change::Deleted {
        db: 0,
        key: key(name),
        why,
    };
    let expiry = |expires_at_ms| Change::Expiry {
        db: 0,
        key: key("a"),
        expires_at_ms,
    };
    let expected = vec![
        Change::Started { run_id },
        set("a", "1", Some(end)),
        set("b", "2", None),
        gone("b", Why::Deleted),
        expiry(None),
        expiry(Some(end)),
        Change::Set {
            db: 0,
            key: key("h"),
            value: Value::Hash(hash),
            expires_at_ms: None,
        },
        Change::Fields {
            db: 0,
            key: key("h"),
            fields: vec![(key("f"), Some(key("2"))), (key("g"), Some(key("3")))],
        },
        gone("a", Why::Expired),
        Change::Flushed { db: None },
        set("c", "1", None),
        Change::Stopped,
        Change::Started {
            run_id: server.run_id().to_owned(),
        },
        Change::Lost {
            db: 0,
            key: key("c"),
        },
    ];
    let changes = server.drain_changes();
    assert_eq!(changes, expected);
    let text = serde_json::to_string(&changes).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Change>>(&text).unwrap(), changes);
}

#[test]
fn expired_keys_go_by_themselves_and_the_timer_says_when() {
    let mut server = server(Persistence::None);
    assert_eq!(server.next_timer_us(START), None);
    say(&mut server, "SET a 1 PX 250", START);
    let timer = server.next_timer_us(START).unwrap();
    assert_eq!(
        timer,
        START.monotonic_us + 300_000,
        "the first beat after the key's time"
    );
    server.advance(later(START, 299));
    assert_eq!(server.keys().count(), 1);
    server.advance(later(START, 300));
    assert_eq!(server.keys().count(), 0);
    assert_eq!(server.next_timer_us(later(START, 300)), None);
}

#[test]
fn an_expired_key_that_nobody_touched_lives_again_after_a_step_back() {
    let mut server = server(Persistence::None);
    say(&mut server, "SET a 1 PX 50", START);
    server.advance(later(START, 51));
    assert_eq!(server.string(b"a", later(START, 51)), None);
    assert_eq!(
        server.string(b"a", later(START, 50)),
        Some((b"1".as_slice(), Some(START.wall_ms() + 50)))
    );
    assert_eq!(say(&mut server, "GET a", later(START, 50)), "$1\r\n1\r\n");
}

#[test]
fn redis_8_expires_a_millisecond_earlier() {
    let left = |expiry, ms| {
        let config = Config {
            expiry,
            ..Config::default()
        };
        let mut server = Server::new(config, START);
        say(&mut server, "SET a 1 PX 50", START);
        say(&mut server, "EXISTS a", later(START, ms))
    };
    assert_eq!(left(ExpiryRule::After, 50), ":1\r\n");
    assert_eq!(left(ExpiryRule::After, 51), ":0\r\n");
    assert_eq!(left(ExpiryRule::At, 49), ":1\r\n");
    assert_eq!(left(ExpiryRule::At, 50), ":0\r\n");
}

/// The nanosecond from which a key is gone is the first of the millisecond in which it is.
#[test]
fn both_ways_to_ask_for_expiry_agree() {
    for rule in [ExpiryRule::After, ExpiryRule::At] {
        for at_ms in [-1, 0, 1_700_000_000_000] {
            let gone_ns = rule.gone_from(at_ms);
            assert!(rule.expired(at_ms, gone_ns.div_euclid(1_000_000)));
            assert!(!rule.expired(at_ms, (gone_ns - 1).div_euclid(1_000_000)));
        }
        assert_eq!(rule.gone_from(i64::MAX), i64::MAX, "never");
    }
}

#[test]
fn a_pause_holds_requests_until_it_ends() {
    let mut server = server(Persistence::None);
    let client = server.connect(START);
    say(&mut server, "CLIENT PAUSE 100 WRITE", START);
    assert_eq!(
        server
            .receive(client, b"GET a\r\nSET a 1\r\nGET a\r\n", START)
            .reply,
        b"$-1\r\n"
    );
    let held = server.receive(client, b"", later(START, 99));
    assert_eq!(held.reply, b"");
    assert_eq!(held.held_until_us, Some(START.wall_us + 100_000));
    let released = server.receive(client, b"", later(START, 100));
    assert_eq!(released.reply, b"+OK\r\n$1\r\n1\r\n");
    say(&mut server, "CLIENT PAUSE 1000 WRITE", START);
    assert!(
        server
            .receive(client, b"DEL a\r\n", START)
            .held_until_us
            .is_some()
    );
    let other = server.connect(START);
    assert_eq!(
        server.receive(other, b"CLIENT UNPAUSE\r\n", START).resumed,
        [client]
    );
    assert_eq!(server.receive(client, b"", START).reply, b":1\r\n");
}

#[test]
fn a_killed_connection_executes_nothing_more() {
    let mut server = server(Persistence::None);
    let (first, second) = (server.connect(START), server.connect(START));
    assert_eq!(
        server.receive(first, b"CLIENT ID\r\nSET a", START).reply,
        b":3\r\n"
    );
    let received = server.receive(second, b"CLIENT KILL ID 3\r\n", START);
    assert_eq!(
        (received.reply.as_slice(), received.closed.as_slice()),
        (b":1\r\n".as_slice(), [first].as_slice())
    );
    assert!(server.receive(first, b" 1\r\n", START).close);
    assert_eq!(say(&mut server, "EXISTS a", START), ":0\r\n");
}

#[test]
fn killing_number_zero_ends_everybody_else_before_7_0() {
    for (version, reply) in [
        (Version::V6_2, ":2\r\n"),
        (Version::V7_0, "-ERR client-id should be greater than 0\r\n"),
    ] {
        let config = Config {
            version,
            ..Config::default()
        };
        let mut server = Server::new(config, START);
        let others = [server.connect(START), server.connect(START)];
        let me = server.connect(START);
        let received = server.receive(me, b"CLIENT KILL ID 0\r\n", START);
        assert_eq!(received.reply, reply.as_bytes());
        let ended = if version == Version::V6_2 { 2 } else { 0 };
        assert_eq!(received.closed, others[..ended]);
        assert!(!received.close);
    }
}

#[test]
fn full_memory_refuses_or_evicts() {
    let full = |policy: &str| {
        let mut server = server(Persistence::None);
        let limit = server.state.used_memory() + 1000;
        say(
            &mut server,
            &format!("CONFIG SET maxmemory {limit} maxmemory-policy {policy}"),
            START,
        );
        say(&mut server, "SET first 1", START);
        let replies: Vec<_> = (0..20)
            .map(|n| say(&mut server, &format!("SET k{n} 1 PX 1000"), START))
            .collect();
        (
            replies
                .iter()
                .filter(|reply| reply.starts_with("-OOM"))
                .count(),
            server.string(b"first", START).is_some(),
        )
    };
    let (refused, kept) = full("noeviction");
    assert!(refused > 0 && kept);
    assert_eq!(full("allkeys-lru"), (0, false));
    assert_eq!(full("volatile-ttl"), (0, true));
}
