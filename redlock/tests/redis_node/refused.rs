//! Servers that cannot be nodes, and what is said about them.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::{process::Command, time::Duration};

use redlock::{
    Answer, Reason,
    node::Inspection,
    redis::{Limits, parse_url},
};
use redlock_testkit::{Certificate, Listener, RedisServer, ServerOptions};

use crate::support::*;

/// Why the first call is refused.
async fn refusal(url: &str) -> Reason {
    let client = Client::new(url, settings(), patient());
    match client.acquire(owner()).await {
        Answer::Refused(reason) => reason,
        other => panic!("not refused: {other}"),
    }
}

#[tokio::test]
async fn readonly_node() {
    for options in versions() {
        let master = RedisServer::start(&options).unwrap();
        let replica = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&replica).await;
        let port = master.port().to_string();
        replica.command(&["REPLICAOF", "127.0.0.1", &port]);
        // On the connection that was made before, and on a new one.
        let answer = client.acquire(owner()).await;
        assert!(
            !matches!(answer, Answer::Granted { .. } | Answer::Contended { .. }),
            "{answer:?}"
        );
        assert_eq!(refusal(&replica.url()).await, Reason::Replica);
        until(|| master.info("connected_slaves").as_deref() == Some("1")).await;
        assert_eq!(refusal(&master.url()).await, Reason::HasReplicas(1));
        let trusting = redlock::Settings {
            restart_guard: false,
            ..settings()
        };
        let client = Client::new(&master.url(), trusting, patient());
        granted(&client.acquire(owner()).await);
    }
}

#[tokio::test]
async fn a_member_of_a_cluster_is_refused() {
    for options in versions() {
        let server = RedisServer::start(&options.config("cluster-enabled", "yes")).unwrap();
        assert_eq!(refusal(&server.url()).await, Reason::ClusterMode);
    }
}

#[tokio::test]
async fn secrets_never_shown_with_a_wrong_password() {
    for options in versions() {
        let server = RedisServer::start(&options.password("swordfish")).unwrap();
        granted(
            &Client::admitted_with(&server.url_with_password(), settings(), patient())
                .await
                .acquire(owner())
                .await,
        );
        for url in [
            server.url(),
            server.url().replace("redis://", "redis://:hunter2@"),
            server.url().replace("redis://", "redis://alice:hunter2@"),
        ] {
            let reason = refusal(&url).await;
            assert!(matches!(reason, Reason::Credentials(_)), "{reason:?}");
            let client = Client::new(&url, settings(), patient());
            let shown = format!(
                "{reason} {reason:?} {:?} {:?}",
                client.node,
                parse_url(&url)
            );
            for secret in ["hunter2", "alice", "swordfish"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn forbidden_commands_are_named() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        server.command(&["ACL", "SETUSER", "default", "-info"]);
        let reason = refusal(&server.url()).await;
        assert!(
            matches!(&reason, Reason::Forbidden(text) if text.contains("info")),
            "{reason:?}"
        );
    }
}

#[tokio::test]
async fn other_protocols_are_recognised() {
    let http = Listener::banner(Listener::HTTP).unwrap();
    let reason = refusal(&http.url()).await;
    assert_eq!(
        reason.to_string(),
        "is not a Redis server (it answered \"HTTP/1.1 400 Bad Request\")"
    );
    let tls = Listener::banner(Listener::TLS_ALERT).unwrap();
    assert_eq!(refusal(&tls.url()).await, Reason::TlsExpected);
    let old = Listener::banner(
        b"-ERR unknown command `HELLO`, with args beginning with: `3`\r\n".as_slice(),
    )
    .unwrap();
    assert!(matches!(refusal(&old.url()).await, Reason::TooOld(_)));
    let binary = Listener::banner(b"+\xff\xff\r\n".as_slice()).unwrap();
    let reason = refusal(&binary.url()).await;
    assert!(matches!(reason, Reason::NotRedis(_)), "{reason:?}");
}

/// The limit covers the whole handshake: a server that answers its first command and then stalls is
/// found out as well as one that answers nothing, and one that does not even accept.
#[tokio::test]
async fn half_alive_node_and_stall_after_hello() {
    let limit = Duration::from_millis(300);
    let limits = Limits {
        connect_timeout: limit,
        ..patient()
    };
    let silent = Listener::silent().unwrap();
    let hello = b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n";
    let stalls = Listener::banner(hello.as_slice()).unwrap();
    for url in [silent.url(), stalls.url()] {
        let client = Client::new(&url, settings(), limits);
        let answer = client.acquire(owner()).await;
        assert_eq!(answer, Answer::Refused(Reason::HandshakeTimeout(limit)));
    }
    let unreachable = Listener::unreachable().await.unwrap();
    let client = Client::new(&unreachable.url(), settings(), limits);
    let answer = client.acquire(owner()).await;
    assert_eq!(
        answer.to_string(),
        "cannot connect: no answer within 300 ms"
    );
}

/// Set in the process that trusts the authority of a test: the URL that it shall connect to.
const CHILD: &str = "REDLOCK_TEST_TLS_URL";

/// Says in a child process, which trusts `server`'s authority, how its certificate was taken.
fn with_trust(server: &RedisServer) -> String {
    let authority = server.tls_authority().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "refused::certificates_are_checked",
            "--nocapture",
        ])
        .env("SSL_CERT_FILE", authority)
        .env(CHILD, server.tls_url().unwrap())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The trusted authorities are read once per process, from a file that the environment names, so a
/// child process of this test does the connecting.
#[tokio::test]
async fn certificates_are_checked() {
    if let Ok(url) = std::env::var(CHILD) {
        let client = Client::new(&url, settings(), patient());
        println!("looked: {:?}", client.inspect(Inspection::Look).await);
        return;
    }
    for (certificate, said) in [
        (Certificate::Valid, "looked: Ok("),
        (Certificate::Expired, "looked: Err(Tls("),
        (Certificate::OtherName, "looked: Err(Tls("),
    ] {
        let server = RedisServer::start(&ServerOptions::new().tls(certificate)).unwrap();
        let output = with_trust(&server);
        assert!(output.contains(said), "{certificate:?}: {output}");
        // Nobody trusts the authority here, and `#insecure` does not ask.
        let reason = refusal(&server.tls_url().unwrap()).await;
        assert!(matches!(reason, Reason::Tls(_)), "{reason:?}");
        let url = server.tls_url().unwrap() + "#insecure";
        let client = Client::admitted_with(&url, settings(), patient()).await;
        let mine = owner();
        granted(&client.acquire(mine).await);
        assert_eq!(client.release(mine).await, Answer::Released);
    }
}

#[tokio::test]
async fn tls_on_one_side_only_is_named() {
    let server = RedisServer::start(&ServerOptions::new().tls(Certificate::Valid)).unwrap();
    // Whether the server's alert or its reset is seen first is a race; both say what to do.
    let url = format!("redis://127.0.0.1:{}", server.tls_port().unwrap());
    let reason = refusal(&url).await;
    assert!(reason.to_string().contains("rediss://"), "{reason}");
    let http = Listener::banner(Listener::HTTP).unwrap();
    let reason = refusal(&http.url().replace("redis://", "rediss://")).await;
    assert!(matches!(reason, Reason::Tls(_)), "{reason:?}");
}

#[tokio::test]
async fn unix_sockets_are_spoken() {
    for options in versions() {
        let server = RedisServer::start(&options.unix_socket()).unwrap();
        let client = Client::new(&server.unix_url().unwrap(), settings(), patient());
        client.inspect(Inspection::AdmitNew).await.unwrap();
        granted(&client.acquire(owner()).await);
        assert!(get(&server, client.lock.key()).is_some());
    }
}
