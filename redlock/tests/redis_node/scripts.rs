//! Scripts that are not there, or stumble.

use std::time::Duration;

use redlock::{Answer, Reason, node::Verb};
use redlock_testkit::{Flow, Proxy, RedisServer};

use crate::support::*;

const TEN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn noscript_after_flush() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let mine = owner();
        server.command(&["SCRIPT", "FLUSH"]);
        let counter = granted(&client.acquire(mine).await);
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(client.publish(mine, counter + 1).await, Answer::Confirmed);
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(client.extend(mine, TEN, counter).await, Answer::Confirmed);
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(client.release(mine).await, Answer::Released);
        // All of them were loaded again: nothing is resent any more.
        granted(&client.acquire(mine).await);
        assert_eq!(client.release(mine).await, Answer::Released);
    }
}

/// An acquire call whose script was missing is not resent once its release is queued: it would be
/// executed after it, and leave an orphan.
#[tokio::test]
async fn noscript_after_decision() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = Proxy::to(&server).unwrap();
        let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
        let mine = owner();
        server.command(&["SCRIPT", "FLUSH"]);
        proxy.replies_to(mine.as_bytes(), Flow::Hold);
        let noscript = proxy.next_reply_to(mine.as_bytes());
        let acquired = client.acquire(mine);
        noscript.held().await;
        // The attempt is decided without this node, and released.
        let sent = proxy.next_request(mine.as_bytes());
        let released = client.release(mine);
        sent.forwarded().await;
        proxy.pass();
        let refused = Reason::Server("NOSCRIPT after the decision".into());
        assert_eq!(acquired.await, Answer::Refused(refused));
        let gone = Answer::NotOwner {
            gone: true,
            same_identity: true,
        };
        assert_eq!(released.await, gone);
        assert_eq!(get(&server, client.lock.key()), None);
        // Nor is it resent after its own deadline.
        server.command(&["SCRIPT", "FLUSH"]);
        let late = owner();
        proxy.replies_to(late.as_bytes(), Flow::Hold);
        let noscript = proxy.next_reply_to(late.as_bytes());
        let expires = later(Duration::from_millis(300));
        let acquired = client.call(
            late,
            Verb::Acquire {
                ttl: TEN,
                proposal: 1,
                expires,
            },
        );
        noscript.held().await;
        while later(Duration::ZERO) <= expires {
            pass(Duration::from_millis(20)).await;
        }
        proxy.pass();
        let refused = Reason::Server("NOSCRIPT after the decision".into());
        assert_eq!(acquired.await, Answer::Refused(refused));
        assert_eq!(get(&server, client.lock.key()), None);
    }
}

/// Checks come before writes: whatever is wrong with the node's keys, no lock key stays behind.
#[tokio::test]
async fn script_error_is_unknown() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let key = client.lock.key();
        let field = format!("f{}", client.lock.stripe());

        for value in ["text", "-1", "1.5", "nan", "inf", "9007199254740992"] {
            server.command(&["HSET", "redlock:guard", &field, value]);
            let what = format!("counter {field} is not a number");
            let damaged = Answer::Refused(Reason::DamagedGuard(what.into()));
            assert_eq!(client.acquire(owner()).await, damaged, "{value}");
            assert_eq!(get(&server, key), None);
        }
        server.command(&["HDEL", "redlock:guard", &field]);
        server.command(&["HSET", "redlock:guard", "max_ttl_ms", "many"]);
        let damaged = Answer::Refused(Reason::DamagedGuard("max_ttl_ms is not a number".into()));
        assert_eq!(client.acquire(owner()).await, damaged);

        server.command(&["DEL", "redlock:guard"]);
        server.command(&["SET", "redlock:guard", "text"]);
        let damaged = Answer::Refused(Reason::DamagedGuard("it is not a hash".into()));
        assert_eq!(client.acquire(owner()).await, damaged);
        assert_eq!(get(&server, key), None);
        let mine = owner();
        server.command(&[b"SET", key, mine.as_bytes(), b"PX", b"10000"]);
        assert_eq!(client.publish(mine, 1).await, damaged);
        assert_eq!(client.extend(mine, TEN, 1).await, damaged);
        assert_eq!(client.release(mine).await, Answer::Released);
    }
}

/// A user who may not run all of a script's commands: what was written before is unknown.
#[tokio::test]
async fn a_command_forbidden_inside_a_script_is_unknown() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let key = client.lock.key();
        server.command(&["ACL", "SETUSER", "default", "-set"]);
        let answer = client.acquire(owner()).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
        server.command(&["ACL", "SETUSER", "default", "+set", "-evalsha"]);
        let answer = client.acquire(owner()).await;
        assert!(
            matches!(&answer, Answer::Refused(Reason::Forbidden(text)) if text.contains("evalsha")),
            "{answer:?}"
        );
        assert_eq!(get(&server, key), None);
    }
}

/// The free path goes first, and what it needs is all it runs: a script that fell through to the general one would only be
/// slower, and no other test would notice.
#[tokio::test]
async fn the_usual_acquisition_runs_four_commands() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        server.command(&["CONFIG", "RESETSTAT"]);
        granted(&client.acquire(owner()).await);
        for (command, expected) in [
            ("hmget", 1),
            ("time", 1),
            ("set", 1),
            ("hset", 1),
            ("get", 0),
            ("pttl", 0),
        ] {
            assert_eq!(calls_of(&server, command), expected, "{command}");
        }
    }
}

/// The lock key is set before the counter, so that a held key costs no write; without the counter it does not stay.
#[tokio::test]
async fn a_counter_that_cannot_be_written_leaves_no_lock_key() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        server.command(&["ACL", "SETUSER", "default", "-hset"]);
        let answer = client.acquire(owner()).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{answer:?}");
        assert_eq!(get(&server, client.lock.key()), None);
    }
}
