//! Calls that share a command: each is answered as if it had been alone.

use std::{future::Future, sync::Arc, time::Duration};

use redlock::{Answer, OwnerToken, Reason, Settings, node::Verb, protocol::key::LockKey};
use redlock_testkit::{Cut, Flow, Proxy, RedisServer};

use crate::support::*;

const TEN: Duration = Duration::from_secs(10);

fn lock(resource: &str) -> Arc<LockKey> {
    Arc::new(LockKey::new("redlock", resource.as_bytes(), 4))
}

fn locks(name: &str, count: usize) -> Vec<Arc<LockKey>> {
    (0..count)
        .map(|number| lock(&format!("{name}-{number}")))
        .collect()
}

/// What is asked for: a lock, an owner, a verb.
type Asked = (Arc<LockKey>, OwnerToken, Verb);

/// Each with a proposal of its own, as long as they are not made faster than one per microsecond: two on one stripe with the same
/// proposal are not the usual case.
fn acquires(locks: &[Arc<LockKey>]) -> Vec<Asked> {
    let asked = locks.iter().zip(1..).map(|(lock, later)| {
        let mut verb = acquire(TEN);
        if let Verb::Acquire { proposal, .. } = &mut verb {
            *proposal += later;
        }
        (lock.clone(), owner(), verb)
    });
    asked.collect()
}

fn releases(of: &[Asked]) -> Vec<Asked> {
    let asked = of
        .iter()
        .map(|(lock, owner, _)| (lock.clone(), *owner, release()));
    asked.collect()
}

/// Submits everything at once.
fn together(client: &Client, asked: &[Asked]) -> Vec<impl Future<Output = Answer> + use<>> {
    let calls = asked
        .iter()
        .map(|(lock, owner, verb)| client.call_on(lock, *owner, *verb));
    calls.collect()
}

async fn answers(calls: Vec<impl Future<Output = Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await);
    }
    answers
}

fn count(answers: &[Answer], is: impl Fn(&Answer) -> bool) -> usize {
    answers.iter().filter(|answer| is(answer)).count()
}

const fn is_grant(answer: &Answer) -> bool {
    matches!(answer, Answer::Granted { .. })
}

fn keys_left(server: &RedisServer, asked: &[Asked]) -> usize {
    let keys = asked
        .iter()
        .filter(|(lock, ..)| get(server, lock.key()).is_some());
    keys.count()
}

/// A pack costs what it should: otherwise it would only be slower, and no other test would notice.
#[tokio::test]
async fn the_record_and_the_clock_are_read_once_for_a_pack() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let old = acquires(&locks("old", 10));
        assert_eq!(count(&answers(together(&client, &old)).await, is_grant), 10);
        server.command(&["CONFIG", "RESETSTAT"]);
        let mixed = [releases(&old), acquires(&locks("new", 10))].concat();
        let answered = answers(together(&client, &mixed)).await;
        assert_eq!(answered[..10], vec![Answer::Released; 10]);
        assert_eq!(count(&answered[10..], is_grant), 10);
        for (command, expected) in [
            ("evalsha", 1),
            ("get", 10),
            ("del", 1),
            ("hmget", 1),
            ("time", 1),
            ("set", 10),
            ("hset", 1),
        ] {
            assert_eq!(calls_of(&server, command), expected, "{command}");
        }
    }
}

/// Without fencing nothing is counted, and without a record acquisitions are no scripts.
#[tokio::test]
async fn packs_of_clusters_that_keep_less() {
    for options in versions() {
        for (guard, evalshas) in [(true, 1), (false, 1)] {
            let server = RedisServer::start(&options).unwrap();
            let settings = Settings {
                fencing: false,
                restart_guard: guard,
                ..settings()
            };
            let client = Client::admitted_with(&server.url(), settings, patient()).await;
            let old = acquires(&locks("old", 6));
            let granted = vec![Answer::Granted { counter: 0 }; 6];
            assert_eq!(answers(together(&client, &old)).await, granted);
            server.command(&["CONFIG", "RESETSTAT"]);
            let mixed = [releases(&old), acquires(&locks("new", 6))].concat();
            let answered = answers(together(&client, &mixed)).await;
            assert_eq!(answered[..6], vec![Answer::Released; 6]);
            assert_eq!(answered[6..], granted);
            assert_eq!(calls_of(&server, "evalsha"), evalshas);
            assert_eq!(calls_of(&server, "hset"), 0);
        }
    }
}

/// With strict identity nothing is taken for granted: the server is asked who it is for each acquisition.
#[tokio::test]
async fn a_strict_pack_asks_the_server_for_each_acquisition() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let settings = Settings {
            strict_identity: true,
            ..settings()
        };
        let client = Client::admitted_with(&server.url(), settings, patient()).await;
        server.command(&["CONFIG", "RESETSTAT"]);
        let asked = acquires(&locks("r", 6));
        assert_eq!(
            count(&answers(together(&client, &asked)).await, is_grant),
            6
        );
        assert_eq!(calls_of(&server, "evalsha"), 1);
        assert!(calls_of(&server, "info") >= 12);
    }
}

/// Everything that a call can meet, prepared on a server.
fn situations(server: &RedisServer) -> Vec<(&'static str, Asked)> {
    let mine = owner();
    let by = |name: &str, owner: OwnerToken, verb: Verb| (lock(name), owner, verb);
    let asked = vec![
        ("its key is held", by("held", owner(), acquire(TEN))),
        ("its key is free", by("free", owner(), acquire(TEN))),
        ("its key is a list", by("list", owner(), acquire(TEN))),
        ("its key has no TTL", by("bare", owner(), acquire(TEN))),
        (
            "a TTL above the maximum",
            by("long", owner(), acquire(TEN * 4)),
        ),
        ("free again", by("free too", owner(), acquire(TEN))),
        ("the owner's release", by("mine", mine, release())),
        ("a second release", by("mine", mine, release())),
        ("somebody else's release", by("held", owner(), release())),
        ("a release of nothing", by("gone", owner(), release())),
        ("a release of a list", by("list", owner(), release())),
        (
            "wanted after its release",
            by("mine", owner(), acquire(TEN)),
        ),
        ("wanted twice", by("free", owner(), acquire(TEN))),
        (
            "a release behind its acquisition",
            by("free", owner(), release()),
        ),
        ("free at the end", by("free three", owner(), acquire(TEN))),
    ];
    let set = |name: &str, owner: OwnerToken, ttl: &[&str]| {
        let key = lock(name);
        let mut command = vec![&b"SET"[..], key.key(), owner.as_bytes()];
        command.extend(ttl.iter().map(|word| word.as_bytes()));
        server.command(&command);
    };
    set("held", owner(), &["PX", "9000"]);
    set("mine", mine, &["PX", "9000"]);
    set("bare", owner(), &[]);
    server.command(&[b"RPUSH", lock("list").key(), b"1"]);
    asked
}

/// An answer without what differs between two servers.
fn kind(answer: &Answer) -> String {
    match answer {
        Answer::Granted { counter } => format!("granted {}", *counter > 0),
        Answer::Contended { remaining } => {
            let left = remaining.is_some_and(|left| (5..=10).contains(&left.as_secs()));
            format!("contended {left}")
        }
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_in_a_pack_is_answered_as_if_it_were_alone() {
    for options in versions() {
        let (alone, packed) = (
            RedisServer::start(&options).unwrap(),
            RedisServer::start(&options).unwrap(),
        );
        let (one, many) = (
            Client::admitted(&alone).await,
            Client::admitted(&packed).await,
        );
        packed.command(&["CONFIG", "RESETSTAT"]);
        let asked: Vec<_> = situations(&packed)
            .into_iter()
            .map(|(_, asked)| asked)
            .collect();
        let answered = answers(together(&many, &asked)).await;
        let scripts = calls_of(&packed, "evalsha");
        assert!(scripts < asked.len() / 2, "{scripts} scripts");
        for ((what, (lock, owner, verb)), packed) in situations(&alone).into_iter().zip(&answered) {
            let alone = one.call_on(&lock, owner, verb).await;
            assert_eq!(kind(&alone), kind(packed), "{what}");
        }
        for name in ["free", "free too", "free three", "mine", "held"] {
            assert!(pttl(&packed, lock(name).key()) > 0, "{name}");
        }
        assert_eq!(pttl(&packed, lock("long").key()), -2);
    }
}

/// A counter that is wrong is a matter of its stripe.
#[tokio::test]
async fn one_call_of_a_pack_may_stumble_alone() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        server.command(&["HSET", "redlock:guard", "f1", "text"]);
        let asked = acquires(&locks("r", 16));
        let answered = answers(together(&client, &asked)).await;
        let what = "counter f1 is not a number".into();
        let damaged = Answer::Refused(Reason::DamagedGuard(what));
        for ((lock, owner, _), answer) in asked.iter().zip(&answered) {
            let held = get(&server, lock.key());
            if lock.stripe() == 1 {
                assert_eq!((answer, held), (&damaged, None));
            } else {
                let counter = granted(answer);
                assert_eq!(held.as_deref(), Some(owner.as_str()));
                let field = guard_field(&server, &format!("f{}", lock.stripe())).unwrap();
                assert!(
                    counter <= field.parse().unwrap(),
                    "{counter} was not written"
                );
            }
        }
        assert!(answered.contains(&damaged) && answered.iter().any(is_grant));
    }
}

/// No two grants of a stripe have one counter, whatever was proposed.
#[tokio::test]
async fn counters_of_a_pack_differ() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let mut asked = acquires(&locks("r", 12));
        let same = asked[0].2;
        asked.iter_mut().for_each(|(_, _, verb)| *verb = same);
        let answered = answers(together(&client, &asked)).await;
        let mut counters: Vec<_> = asked
            .iter()
            .zip(&answered)
            .map(|((lock, ..), answer)| (lock.stripe(), granted(answer)))
            .collect();
        for (stripe, counter) in &counters {
            let field = guard_field(&server, &format!("f{stripe}")).unwrap();
            assert!(*counter <= field.parse().unwrap());
        }
        counters.sort_unstable();
        counters.dedup();
        assert_eq!(counters.len(), asked.len());
    }
}

/// One acquisition of a pack finds the node's memory set back: those behind it get no vote either.
#[tokio::test]
async fn nothing_behind_a_quarantine_in_a_pack_is_granted() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let first = acquires(&locks("r", 16));
        let counters = answers(together(&client, &first)).await;
        answers(together(&client, &releases(&first))).await;
        let stripe = first[5].0.stripe();
        let field = format!("f{stripe}");
        let back = (granted(&counters[5]) - 1).to_string();
        server.command(&["HSET", "redlock:guard", &field, &back]);
        let again = acquires(&locks("r", 16));
        let finds = again
            .iter()
            .position(|(lock, ..)| lock.stripe() == stripe)
            .unwrap();
        let answered = answers(together(&client, &again)).await;
        assert!(answered[..finds].iter().all(is_grant));
        for answer in &answered[finds..] {
            assert!(matches!(answer, Answer::Quarantined { .. }), "{answer:?}");
        }
        assert_eq!(keys_left(&server, &again), finds);
        assert_eq!(guard_field(&server, "identity"), None);
    }
}

#[tokio::test]
async fn a_pack_whose_script_is_gone_is_sent_again_call_by_call() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let asked = acquires(&locks("r", 6));
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(
            count(&answers(together(&client, &asked)).await, is_grant),
            6
        );
        server.command(&["SCRIPT", "FLUSH"]);
        let released = answers(together(&client, &releases(&asked))).await;
        assert_eq!(released, vec![Answer::Released; 6]);
        // All of them were loaded again: nothing is resent any more.
        server.command(&["CONFIG", "RESETSTAT"]);
        assert_eq!(
            count(&answers(together(&client, &asked)).await, is_grant),
            6
        );
        assert_eq!(
            (calls_of(&server, "evalsha"), calls_of(&server, "eval")),
            (1, 0)
        );
    }
}

/// As for a single call: resent after its release, an acquisition would leave an orphan.
#[tokio::test]
async fn a_pack_whose_script_is_gone_is_not_sent_again_after_the_decision() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = Proxy::to(&server).unwrap();
        let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
        let asked = acquires(&locks("r", 6));
        let mark = asked[0].1;
        server.command(&["SCRIPT", "FLUSH"]);
        proxy.replies_to(mark.as_bytes(), Flow::Hold);
        let noscript = proxy.next_reply_to(mark.as_bytes());
        let acquired = together(&client, &asked);
        noscript.held().await;
        let sent = proxy.next_request(mark.as_bytes());
        // All but the last are released meanwhile.
        let released = together(&client, &releases(&asked[..5]));
        sent.forwarded().await;
        proxy.pass();
        let acquired = answers(acquired).await;
        let refused = Reason::Server("NOSCRIPT after the decision".into());
        assert_eq!(acquired[..5], vec![Answer::Refused(refused); 5]);
        assert!(is_grant(&acquired[5]), "{:?}", acquired[5]);
        let gone = Answer::NotOwner {
            gone: true,
            same_identity: true,
        };
        assert_eq!(answers(released).await, vec![gone; 5]);
        assert_eq!(keys_left(&server, &asked), 1);
    }
}

/// Permissions that go missing: an acquisition is unknown, and leaves no key without its counter.
#[tokio::test]
async fn a_command_forbidden_inside_a_pack() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        for command in ["set", "hset"] {
            server.command(&["ACL", "SETUSER", "default", &format!("-{command}")]);
            let asked = acquires(&locks("r", 6));
            let answered = answers(together(&client, &asked)).await;
            let unknown = count(&answered, |answer| matches!(answer, Answer::Unknown(_)));
            assert_eq!(unknown, 6, "{command}: {answered:?}");
            assert_eq!(keys_left(&server, &asked), 0);
            server.command(&["ACL", "SETUSER", "default", &format!("+{command}")]);
        }
        let asked = acquires(&locks("r", 6));
        assert_eq!(
            count(&answers(together(&client, &asked)).await, is_grant),
            6
        );
        server.command(&["ACL", "SETUSER", "default", "-del"]);
        let answered = answers(together(&client, &releases(&asked))).await;
        let refused = |answer: &Answer| matches!(answer, Answer::Refused(Reason::Server(_)));
        assert_eq!(count(&answered, refused), 6, "{answered:?}");
        assert_eq!(keys_left(&server, &asked), 6);
    }
}

/// A connection that breaks under a pack leaves every call of it unknown, and what is released then is released.
#[tokio::test]
async fn a_lost_pack_is_unknown_for_each_and_released_for_each() {
    let server = RedisServer::start(&versions().next().unwrap()).unwrap();
    let proxy = Proxy::to(&server).unwrap();
    let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
    let asked = acquires(&locks("r", 6));
    let mark = asked[0].1;
    proxy.replies_to(mark.as_bytes(), Flow::Hold);
    let granted = proxy.next_reply_to(mark.as_bytes());
    let acquired = together(&client, &asked);
    granted.held().await;
    assert_eq!(keys_left(&server, &asked), 6);
    let released = together(&client, &releases(&asked));
    proxy.cut(Cut::Reset);
    proxy.pass();
    let lost = |answer: &Answer| matches!(answer, Answer::Unknown(Reason::ConnectionLost(_)));
    assert_eq!(count(&answers(acquired).await, lost), 6);
    let freed = |answer: &Answer| matches!(answer, Answer::Released | Answer::NotOwner { .. });
    assert_eq!(count(&answers(released).await, freed), 6);
    assert_eq!(keys_left(&server, &asked), 0);
}

/// The cap counts acquisitions, however few commands they make.
#[tokio::test]
async fn the_calls_of_a_pack_count_each() {
    let server = RedisServer::start(&versions().next().unwrap()).unwrap();
    let proxy = Proxy::to(&server).unwrap();
    let limits = redlock::redis::Limits {
        max_in_flight: 10,
        ..patient()
    };
    let client = Client::admitted_with(&proxy.url(), settings(), limits).await;
    let asked = acquires(&locks("r", 10));
    let mark = asked[0].1;
    proxy.replies_to(mark.as_bytes(), Flow::Hold);
    let written = proxy.next_reply_to(mark.as_bytes());
    let acquired = together(&client, &asked);
    written.held().await;
    let busy = Answer::Refused(Reason::Busy(10));
    assert_eq!(client.acquire(owner()).await, busy);
    proxy.pass();
    assert_eq!(count(&answers(acquired).await, is_grant), 10);
    granted(&client.acquire(owner()).await);
}
