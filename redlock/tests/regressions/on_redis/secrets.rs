//! What is never shown.

use super::support::*;

#[tokio::test]
async fn secrets_never_shown() {
    const SECRET: &str = "correct-horse-battery";
    let options = ServerOptions::new().password(SECRET);
    let cluster = RedisCluster::start(3, &options).unwrap();
    let log = captured_log();
    let shown = |text: String| assert!(!text.contains(SECRET), "{text}");

    let urls: Vec<_> = cluster.iter().map(RedisServer::url_with_password).collect();
    let client = builder(urls).build().unwrap();
    shown(format!("{client:?} {:?}", builder(["redis://h".into()])));
    client.admit_new_cluster().await.unwrap();
    let lease = client.acquire("r").await.unwrap();
    let token = lease.owner_token();
    shown(format!(
        "{lease:?} {:?} {}",
        lease.report(),
        client.preflight().await
    ));
    assert!(!format!("{lease:?} {token:?}").contains(token.as_str()));
    lease.release().await;

    let wrong = "wrong-horse-battery";
    let urls = cluster
        .iter()
        .map(|server| format!("redis://user:{wrong}@127.0.0.1:{}", server.port()));
    let client = builder(urls).build().unwrap();
    let error = client.try_acquire("r").await.unwrap_err();
    assert!(error.is_misconfigured(), "{error}");
    assert!(error.to_string().contains("credentials"), "{error}");
    for text in [
        format!("{error} {error:?}"),
        format!("{:?}", client.preflight().await),
    ] {
        assert!(!text.contains(wrong), "{text}");
        shown(text);
    }

    for bad in [
        format!("redis://user:{SECRET}@[::1"),
        format!("redis://user:{SECRET}@host:notaport"),
        format!("http://user:{SECRET}@host"),
        format!("user:{SECRET}@host"),
    ] {
        let error = builder([bad]).build().unwrap_err();
        assert!(
            matches!(error, BuildError::InvalidUrl { index: 1, .. }),
            "{error}"
        );
        shown(format!("{error} {error:?}"));
    }
    let log = log.text();
    assert!(log.contains("acquired"), "the log was captured");
    for secret in [SECRET, wrong, token.as_str()] {
        assert!(!log.contains(secret), "in the log: {secret}");
    }
}

/// Everything that this thread traces.
fn captured_log() -> Log {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    log.keep(tracing::subscriber::set_default(subscriber));
    log
}

#[derive(Clone, Default)]
struct Log {
    text: Arc<std::sync::Mutex<Vec<u8>>>,
    guard: Arc<std::sync::Mutex<Option<tracing::subscriber::DefaultGuard>>>,
}

impl Log {
    fn keep(&self, guard: tracing::subscriber::DefaultGuard) {
        *self.guard.lock().unwrap() = Some(guard);
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
