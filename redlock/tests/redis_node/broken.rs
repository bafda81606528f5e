//! Connections that break, stall, or lose replies.

use std::time::Duration;

use redlock::{Answer, Reason, node::Verb, redis::Limits};
use redlock_testkit::{
    ClosedPort, Cut, Fate, Flow, Listener, Message, Proxy, RedisServer, ServerOptions, Way,
};

use crate::support::*;

const TEN: Duration = Duration::from_secs(10);

fn lost(answer: &Answer) -> bool {
    matches!(answer, Answer::Unknown(Reason::ConnectionLost(_)))
}

fn down(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(Reason::Down(_)))
}

/// The SET was applied and its reply lost: unknown, and the release gets through.
#[tokio::test]
async fn lost_reply_released() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = Proxy::to(&server).unwrap();
        let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
        let mine = owner();
        proxy.replies_to(mine.as_bytes(), Flow::Swallow);
        let reply = proxy.next_reply_to(mine.as_bytes());
        let acquired = client.acquire(mine);
        reply.swallowed().await;
        assert_eq!(
            get(&server, client.lock.key()).as_deref(),
            Some(mine.as_str())
        );
        // Its release is queued behind it on the same connection, and that breaks too.
        let sent = proxy.next_request(mine.as_bytes());
        let released = client.release(mine);
        sent.forwarded().await;
        proxy.pass();
        proxy.cut(Cut::Reset);
        assert!(lost(&acquired.await));
        let answer = released.await;
        let gone = Answer::NotOwner {
            gone: true,
            same_identity: true,
        };
        assert!(answer == Answer::Released || answer == gone, "{answer:?}");
        assert_eq!(get(&server, client.lock.key()), None);
    }
}

/// A connection breaks with a SET in it that the server reads only after the release has come over
/// the next one: the old connection is killed first, so it never runs.
#[tokio::test]
async fn late_set_of_closed_connection() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = Proxy::to(&server).unwrap();
        let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
        let mine = owner();
        // The release ends with the owner token; in the acquire call more follows, so only it is held.
        let acquire_call = [mine.as_bytes(), b"\r\n$"].concat();
        let late = proxy.next_request(&acquire_call);
        proxy.requests_containing(&acquire_call, Flow::Hold);
        let acquired = client.acquire(mine);
        late.held().await;
        let killed = proxy.next_reply_to("KILL");
        proxy.cut_clients(Cut::Fin);
        assert!(lost(&acquired.await));
        let killed = killed.forwarded().await;
        assert_eq!(
            killed.bytes, b":1\r\n",
            "the server knew the old connection"
        );
        let gone = Answer::NotOwner {
            gone: true,
            same_identity: true,
        };
        assert_eq!(client.release(mine).await, gone);
        proxy.pass();
        let is_late = |message: &Message| message.way == Way::Request && message.held;
        let waits = |proxy: &Proxy| {
            let late = proxy.messages().into_iter().find(is_late);
            late.expect("it was held").fate == Fate::Waiting
        };
        until(|| !waits(&proxy)).await;
        server.command(&["PING"]);
        assert_eq!(get(&server, client.lock.key()), None);
        // The new connection lives, and kills nobody.
        granted(&client.acquire(owner()).await);
    }
}

/// Where the ACL forbids CLIENT KILL, the node goes on without it.
#[tokio::test]
async fn a_forbidden_kill_does_not_keep_the_node_down() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = Proxy::to(&server).unwrap();
        let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
        server.command(&["ACL", "SETUSER", "default", "-client", "+client|id"]);
        let killed = proxy.next_reply_to("KILL");
        proxy.cut(Cut::Reset);
        assert!(killed.forwarded().await.bytes.starts_with(b"-NOPERM"));
        granted(&client.acquire(owner()).await);
    }
}

/// A restarted server numbers its connections anew: the number of the old one is somebody else's.
#[tokio::test]
async fn nobody_is_killed_after_a_restart() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let proxy = Proxy::to(&server).unwrap();
    let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
    let watched = proxy.next_request("redlock:quarantine");
    let killed = proxy.next_request("KILL");
    server.restart().unwrap();
    watched.forwarded().await;
    let answer = client.acquire(owner()).await;
    assert!(matches!(answer, Answer::Quarantined { .. }), "{answer:?}");
    assert!(killed.is_absent());
}

/// A stopped server: first no new acquisitions, then the connection is given up; what the server
/// executes when it goes on leaves no key behind.
#[tokio::test]
async fn stopped_node() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let limits = Limits {
            node_timeout: Duration::from_millis(100),
            stall_timeout: Duration::from_millis(1_500),
            connect_timeout: Duration::from_millis(300),
            ..Limits::default()
        };
        let client = Client::admitted_with(&server.url(), settings(), limits).await;
        let (mine, theirs) = (owner(), owner());
        granted(&client.acquire(mine).await);
        server.stop();
        let extended = client.extend(mine, TEN, 0);
        let acquired = client.acquire(theirs);
        let doubt = async {
            loop {
                pass(Duration::from_millis(20)).await;
                let unborn = owner();
                let expires = later(Duration::ZERO);
                let verb = Verb::Acquire {
                    ttl: TEN,
                    proposal: 1,
                    expires,
                };
                match client.call(unborn, verb).await {
                    Answer::Refused(Reason::NotSent) => {}
                    other => break other,
                }
            }
        };
        let in_doubt = bounded(doubt).await;
        assert!(
            matches!(&in_doubt, Answer::Refused(Reason::Stalled(age)) if *age > limits.node_timeout),
            "{in_doubt:?}"
        );
        let released = [client.release(theirs), client.release(mine)];
        assert!(lost(&extended.await));
        assert!(lost(&acquired.await));
        // While it cannot be reached, refusals are immediate.
        let refusal = async {
            loop {
                match client.acquire(owner()).await {
                    answer if down(&answer) => break answer,
                    Answer::Refused(Reason::HandshakeTimeout(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        let refused = bounded(refusal).await;
        assert!(refused.to_string().contains("handshake"), "{refused}");
        server.cont();
        let [theirs, mine] = released;
        // What the server had received before the reset it may execute, in order, before it kills
        // the connection: both releases may be the second of their kind.
        assert!(matches!(theirs.await, Answer::NotOwner { .. }));
        assert!(matches!(
            mine.await,
            Answer::Released | Answer::NotOwner { gone: true, .. }
        ));
        assert_eq!(get(&server, client.lock.key()), None);
    }
}

/// While a node is down, refusals name the reason, and releases wait for it to come back.
#[tokio::test]
async fn releases_wait_for_a_node_that_is_down() {
    for options in versions() {
        let options = options.append_only(redlock_testkit::AppendFsync::Always);
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let mine = owner();
        granted(&client.acquire(mine).await);
        server.kill();
        bounded(async { while !down(&client.acquire(owner()).await) {} }).await;
        let answer = client.extend(mine, TEN, 0).await;
        assert!(answer.to_string().contains("refused"), "{answer}");
        let released = client.release(mine);
        let give_up = later(Duration::from_millis(200));
        let given_up = client.call(owner(), Verb::Release { give_up });
        assert_eq!(given_up.await, Answer::Refused(Reason::Expired));
        assert!(later(Duration::ZERO) >= give_up);
        server.restart().unwrap();
        assert_eq!(released.await, Answer::Released);
        assert_eq!(get(&server, client.lock.key()), None);
    }
}

/// A node that is dropped still delivers its releases.
#[tokio::test]
async fn releases_outlive_the_handle() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let proxy = Proxy::to(&server).unwrap();
    let client = Client::admitted_with(&proxy.url(), settings(), patient()).await;
    let mine = owner();
    granted(&client.acquire(mine).await);
    proxy.requests(Flow::Hold);
    let sent = proxy.next_request(mine.as_bytes());
    let released = client.release(mine);
    drop(client);
    sent.held().await;
    proxy.pass();
    assert_eq!(released.await, Answer::Released);
    proxy.disconnected().await;
}

/// Calls past the cap are refused at once, releases never; nothing is executed out of order.
#[tokio::test]
async fn calls_in_flight_are_capped() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let proxy = Proxy::to(&server).unwrap();
    let limits = Limits {
        max_in_flight: 10,
        ..patient()
    };
    let client = Client::admitted_with(&proxy.url(), settings(), limits).await;
    proxy.requests(Flow::Hold);
    let mine = owner();
    let mut calls: Vec<_> = (0..10).map(|_| client.acquire(mine)).collect();
    let busy = Answer::Refused(Reason::Busy(10));
    assert_eq!(client.acquire(owner()).await, busy);
    assert_eq!(client.extend(mine, TEN, 0).await, busy);
    let releases: Vec<_> = (0..1_000).map(|_| client.release(mine)).collect();
    proxy.pass();
    granted(&calls.remove(0).await);
    for call in calls {
        assert!(matches!(call.await, Answer::Contended { .. }));
    }
    let mut answers = Vec::new();
    for release in releases {
        answers.push(release.await);
    }
    assert_eq!(answers[0], Answer::Released);
    assert!(
        answers[1..]
            .iter()
            .all(|answer| matches!(answer, Answer::NotOwner { gone: true, .. }))
    );
    granted(&client.acquire(mine).await);
}

/// Thousands of calls at once keep their order and their answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_pipelined_in_order() {
    let server = RedisServer::start(&ServerOptions::new()).unwrap();
    let proxy = Proxy::to(&server).unwrap();
    let limits = Limits {
        max_in_flight: 10_000,
        ..patient()
    };
    let client = Client::admitted_with(&proxy.url(), settings(), limits).await;
    let mut rounds = Vec::new();
    for _ in 0..2_000 {
        let mine = owner();
        rounds.push((client.acquire(mine), client.release(mine)));
    }
    let mut counter = 0;
    for (acquired, released) in rounds {
        let next = granted(&acquired.await);
        assert!(next > counter);
        counter = next;
        assert_eq!(released.await, Answer::Released);
    }
}

/// A node that refuses connections is tried again with a back-off, not in a storm.
#[tokio::test]
async fn refused_connections_are_backed_off() {
    let limits = Limits {
        backoff_base: Duration::from_millis(200),
        backoff_cap: Duration::from_secs(10),
        ..patient()
    };
    let full = Listener::banner(b"-ERR max number of clients reached\r\n".as_slice()).unwrap();
    let client = Client::new(&full.url(), settings(), limits);
    let first = client.acquire(owner()).await;
    let said = Reason::Server("ERR max number of clients reached".into());
    assert_eq!(first, Answer::Refused(said));
    // Attempts begin at least 100, 200 and 400 ms after the one before has failed.
    let end = later(Duration::from_secs(1));
    let mut refusals = 0;
    while later(Duration::ZERO) < end {
        assert!(down(&client.acquire(owner()).await));
        refusals += 1;
        pass(Duration::from_millis(1)).await;
    }
    let attempts = full.connections();
    assert!(
        refusals > 10 && (2..=4).contains(&attempts),
        "{refusals} {attempts}"
    );

    let closed = ClosedPort::new().unwrap();
    let client = Client::new(&closed.url(), settings(), limits);
    let answer = client.acquire(owner()).await;
    assert!(
        answer
            .to_string()
            .starts_with("cannot connect: Connection refused"),
        "{answer}"
    );
}
