//! Servers that cannot be nodes, and what is said about them.

use std::{process::Command, time::Duration};

use redlock::{
    Answer, Reason,
    node::Inspection,
    redis::{Limits, parse_url},
};
use redlock_testkit::{Binary, Listener, RedisServer, ServerOptions};

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
        while master.info("connected_slaves").as_deref() != Some("1") {
            pass(Duration::from_millis(10)).await;
        }
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

/// What a folder with a certificate for localhost and 127.0.0.1 holds.
fn certificate(folder: &std::path::Path) {
    let output = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder)
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn tls_is_spoken_and_its_absence_is_named() {
    let folder = std::env::temp_dir().join(format!("redlock-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    certificate(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let claim = redlock_testkit::ClosedPort::new().unwrap();
    let port = claim.port();
    let options = ServerOptions::new()
        .binary(Binary::System)
        .config("tls-port", port.to_string())
        .config("tls-cert-file", file("cert.pem"))
        .config("tls-key-file", file("key.pem"))
        .config("tls-auth-clients", "no");
    let server = RedisServer::start(&options).unwrap();

    // Whether its alert or its reset is seen first is a race; both say what to do.
    let reason = refusal(&format!("redis://127.0.0.1:{port}")).await;
    assert!(reason.to_string().contains("rediss://"), "{reason}");
    let url = format!("rediss://127.0.0.1:{port}/#insecure");
    let client = Client::admitted_with(&url, settings(), patient()).await;
    let mine = owner();
    granted(&client.acquire(mine).await);
    assert_eq!(client.release(mine).await, Answer::Released);

    let reason = refusal(&format!("rediss://127.0.0.1:{port}")).await;
    assert!(
        matches!(reason, Reason::Tls(_)),
        "the certificate is unknown: {reason:?}"
    );
    let http = Listener::banner(Listener::HTTP).unwrap();
    let reason = refusal(&http.url().replace("redis://", "rediss://")).await;
    assert!(matches!(reason, Reason::Tls(_)), "{reason:?}");
    drop(server);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn unix_sockets_are_spoken() {
    for options in versions() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("redlock-{}.sock", std::process::id()));
        let path = path.display().to_string();
        let server = RedisServer::start(&options.config("unixsocket", &path)).unwrap();
        let client = Client::new(&format!("unix://{path}"), settings(), patient());
        client.inspect(Inspection::AdmitNew).await.unwrap();
        granted(&client.acquire(owner()).await);
        assert!(get(&server, client.lock.key()).is_some());
    }
}
