//! What each verb does and answers, in each mode of the guard record.

use std::time::Duration;

use redlock::{
    Answer, Node as _, Reason, Settings,
    node::{GuardState, Inspection, Verb},
};
use redlock_testkit::{RedisServer, ServerOptions};

use crate::support::*;

const TEN: Duration = Duration::from_secs(10);

fn modes() -> [Settings; 4] {
    [(true, true), (false, true), (true, false), (false, false)].map(|(fencing, restart_guard)| {
        Settings {
            fencing,
            restart_guard,
            ..settings()
        }
    })
}

/// The life of a lock on one node, in all four modes.
#[tokio::test]
async fn a_lock_is_granted_contended_extended_published_and_released() {
    for (options, settings) in
        versions().flat_map(|options| modes().map(|mode| (options.clone(), mode)))
    {
        let server = RedisServer::start(&options).unwrap();
        let fencing = settings.fencing;
        let plain = !settings.keeps_record();
        let client = Client::admitted_with(&server.url(), settings, patient()).await;
        let key = client.lock.key().to_vec();
        let (mine, theirs) = (owner(), owner());

        let counter = granted(&client.acquire(mine).await);
        assert_eq!(
            counter > 1_600_000_000_000_000,
            fencing,
            "microseconds since 1970"
        );
        assert_eq!(get(&server, &key).as_deref(), Some(mine.as_str()));
        let left = pttl(&server, &key);
        assert!((5_000..=10_000).contains(&left), "{left}");

        match client.acquire(theirs).await {
            Answer::Contended { remaining: None } if plain => {}
            Answer::Contended {
                remaining: Some(left),
            } if !plain => {
                assert!(left <= TEN && left > Duration::from_secs(5));
            }
            other => panic!("{other:?}"),
        }

        let longer = Duration::from_secs(20);
        assert_eq!(
            client.extend(mine, longer, counter).await,
            Answer::Confirmed
        );
        assert!(pttl(&server, &key) > 10_000);
        assert_eq!(client.extend(mine, TEN, counter).await, Answer::Confirmed);
        assert!(pttl(&server, &key) > 10_000, "never shortened");

        if fencing {
            assert_eq!(client.publish(mine, counter + 5).await, Answer::Confirmed);
            let field = format!("f{}", client.lock.stripe());
            let stored = || guard_field(&server, &field).unwrap();
            assert_eq!(stored(), (counter + 5).to_string());
            assert_eq!(client.publish(mine, counter).await, Answer::Confirmed);
            assert_eq!(stored(), (counter + 5).to_string(), "never lowered");
            assert_eq!(
                client.extend(mine, TEN, counter + 9).await,
                Answer::Confirmed
            );
            assert_eq!(stored(), (counter + 9).to_string());
        }

        let not_theirs = Answer::NotOwner {
            gone: false,
            same_identity: true,
        };
        assert_eq!(client.extend(theirs, TEN, 0).await, not_theirs);
        assert_eq!(client.publish(theirs, 1).await, not_theirs);
        assert_eq!(client.release(theirs).await, not_theirs);
        assert_eq!(get(&server, &key).as_deref(), Some(mine.as_str()));

        assert_eq!(client.release(mine).await, Answer::Released);
        assert_eq!(get(&server, &key), None);
        let gone = Answer::NotOwner {
            gone: true,
            same_identity: true,
        };
        assert_eq!(
            client.release(mine).await,
            gone,
            "releasing twice is no error"
        );
        assert_eq!(client.extend(mine, TEN, 0).await, gone, "never re-acquires");
        assert_eq!(get(&server, &key), None);

        let again = granted(&client.acquire(theirs).await);
        assert_eq!(again > counter, fencing, "counters grow");
    }
}

#[tokio::test]
async fn max_ttl_enforced_on_node() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let mine = owner();
        let asked = Duration::from_secs(31);
        let refused = Answer::Refused(Reason::TtlAboveMax {
            asked,
            max: Duration::from_secs(30),
        });
        assert_eq!(client.acquire_for(mine, asked).await, refused);
        assert_eq!(get(&server, client.lock.key()), None);
        granted(&client.acquire(mine).await);
        assert_eq!(client.extend(mine, asked, 0).await, refused);
        assert!(pttl(&server, client.lock.key()) <= 10_000);
    }
}

/// A key that lives longer than any lock may proves that the server's clock stepped back.
#[tokio::test]
async fn a_key_with_more_than_max_ttl_left_is_cut() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let key = client.lock.key();
        server.command(&[b"SET", key, b"somebody", b"PX", b"3600000"]);
        let answer = client.acquire(owner()).await;
        let remaining = Some(Duration::from_secs(30));
        assert_eq!(answer, Answer::Contended { remaining });
        assert!(pttl(&server, key) <= 30_000);
    }
}

/// The node keeps proposals within max_ttl/4 of its own clock, on both sides.
#[tokio::test]
async fn counters_are_clamped_to_the_nodes_clock() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let window = 30_000_000 / 4;
        let time = || {
            let redis::Value::Array(parts) = server.command(&["TIME"]) else {
                panic!("TIME answers two numbers");
            };
            let number = |value: &redis::Value| redis::from_redis_value_ref::<u64>(value).unwrap();
            number(&parts[0]) * 1_000_000 + number(&parts[1])
        };
        for (proposal, ahead) in [(0, false), (u64::MAX >> 12, true)] {
            let mine = owner();
            let before = time();
            let verb = Verb::Acquire {
                ttl: TEN,
                proposal,
                expires: later(TEN),
            };
            let counter = granted(&client.call(mine, verb).await);
            let after = time();
            let expected = if ahead {
                before + window..=after + window
            } else {
                before - window..=after - window
            };
            assert!(expected.contains(&counter), "{expected:?} {counter}");
            assert_eq!(client.release(mine).await, Answer::Released);
        }
        // Ahead of any proposal, a counter still grows by one.
        let field = format!("f{}", client.lock.stripe());
        let limit = (1_u64 << 53) - 1;
        server.command(&["HSET", "redlock:guard", &field, &(limit - 1).to_string()]);
        let mine = owner();
        assert_eq!(granted(&client.acquire(mine).await), limit);
        assert_eq!(guard_field(&server, &field), Some(limit.to_string()));
        client.release(mine).await;
        let answer = client.acquire(mine).await;
        assert_eq!(answer, Answer::Refused(Reason::CounterExhausted));
        assert_eq!(get(&server, client.lock.key()), None);
    }
}

#[tokio::test]
async fn calls_that_came_too_late_are_not_written() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let client = Client::admitted(&server).await;
    let verb = Verb::Acquire {
        ttl: TEN,
        proposal: 1,
        expires: later(Duration::ZERO),
    };
    let answer = client.call(owner(), verb).await;
    assert_eq!(answer, Answer::Refused(Reason::NotSent));
    assert_eq!(get(&server, client.lock.key()), None);
}

#[tokio::test]
async fn nothing_is_connected_before_the_first_call() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let proxy = redlock_testkit::Proxy::to(&server).unwrap();
    let client = Client::new(&proxy.url(), settings(), patient());
    assert_eq!(client.node.name(), format!("127.0.0.1:{}", proxy.port()));
    assert_eq!(proxy.counts().connections, 0);
    let facts = client.inspect(Inspection::Look).await.unwrap();
    assert_eq!(facts.guard, GuardState::Absent);
    assert!(facts.identity.starts_with(&server.info("run_id").unwrap()));
    assert_eq!(proxy.counts().connections, 1);
}

/// The task's runtime may end before the node does: the next call starts another one.
#[test]
fn a_node_outlives_the_runtime_of_its_task() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let client = Client::new(&server.url(), settings(), patient());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (mine, theirs) = (owner(), owner());
    let outside = futures::FutureExt::now_or_never(client.node.inspect(Inspection::Look));
    assert_eq!(outside, Some(Err(Reason::NoRuntime)));
    let first = runtime();
    first.block_on(async {
        client.inspect(Inspection::AdmitNew).await.unwrap();
        granted(&client.acquire(mine).await);
    });
    drop(first);
    runtime().block_on(async {
        assert!(matches!(
            client.acquire(theirs).await,
            Answer::Contended { .. }
        ));
        assert_eq!(client.release(mine).await, Answer::Released);
    });
}
