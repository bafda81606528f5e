//! Bugs that other clients shipped in their scripts, each as a test of its name: the rules that hold on
//! the node itself, whatever the client does.

use std::time::Duration;

use redlock::{Answer, node::Verb};
use redlock_testkit::RedisServer;

use crate::support::*;

const TEN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn no_reacquire_on_extend() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let (mine, key) = (owner(), client.lock.key());
        let counter = granted(&client.acquire(mine).await);
        server.command(&[b"DEL", key]);
        let gone = Answer::NotOwner {
            gone: true,
            same_identity: true,
        };
        assert_eq!(client.extend(mine, TEN, counter).await, gone);
        assert_eq!(get(&server, key), None, "no key came back");
    }
}

#[tokio::test]
async fn extend_never_shortens() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let mine = owner();
        let counter = granted(&client.acquire(mine).await);
        let shorter = Duration::from_secs(1);
        let confirmed = client.extend(mine, shorter, counter).await;
        assert_eq!(confirmed, Answer::Confirmed, "the owner matches");
        assert!(pttl(&server, client.lock.key()) > 5_000);
    }
}

/// A node that forgot its counters goes on from its own clock, however far behind the client's is.
#[tokio::test]
async fn fencing_after_amnesia() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let first = owner();
        let before = granted(&client.acquire(first).await);
        client.release(first).await;
        let field = format!("f{}", client.lock.stripe());
        server.command(&["HDEL", "redlock:guard", &field]);
        // Another client, which knows nothing of the counter that was forgotten.
        let other = Client::new(&server.url(), settings(), patient());
        let window = u64::try_from(settings().proposal_window().as_micros()).unwrap();
        let behind = Verb::Acquire {
            ttl: TEN,
            proposal: before / 2,
            expires: later(TEN),
        };
        let after = granted(&other.call(owner(), behind).await);
        assert!(
            after > before - window && after < before + window,
            "{after} is not within {window} of {before}"
        );
    }
}
