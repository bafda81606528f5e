//! Work that runs under a lease of its own.

use super::support::*;

#[tokio::test(start_paused = true)]
async fn a_body_is_dropped_before_its_keys_are_released() {
    let world = World::new(3);
    let client = world.client();
    let dropped = std::sync::Mutex::new(None);
    struct OnDrop<F: Fn()>(F);
    impl<F: Fn()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let result = client
        .with("r", async |lease| {
            let _guard = OnDrop(|| *dropped.lock().unwrap() = Some(world.locked(b"r")));
            for server in world.cluster.servers() {
                server.delete(b"r");
            }
            lease.lost().await;
            future::pending::<()>().await;
        })
        .await;
    assert!(matches!(result, Err(WithError::Lost(_))), "{result:?}");
    assert!(dropped.lock().unwrap().is_some(), "the body was dropped");
    let releases = world.node(0).count(VerbKind::Release);
    assert_eq!(releases, 1, "and then its keys were released");
}

#[tokio::test(start_paused = true)]
async fn a_body_may_finish_after_its_lease_was_lost() {
    let world = World::new(3);
    let request = world.client().request("r").on_loss(OnLoss::Finish);
    let valid = request
        .with(async |lease: &Lease| {
            world.host.suspend(Duration::from_secs(60));
            world.pass(SECOND).await;
            lease.is_valid()
        })
        .await
        .unwrap();
    assert!(!valid, "it ran on, and could ask");
}

#[tokio::test(start_paused = true)]
async fn a_scoped_body_is_released_when_it_panics() {
    let world = World::new(3);
    let client = world.client();
    let task = tokio::task::LocalSet::new();
    let panicking = async {
        let _: Result<(), _> = client.with("r", async |_| panic!("on purpose")).await;
    };
    let outcome = std::panic::AssertUnwindSafe(task.run_until(panicking))
        .catch_unwind()
        .await;
    assert!(outcome.is_err());
    world.pass(ms(100)).await;
    assert_eq!(world.locked(b"r"), 0);
}

/// Compiles only while the future is `Send` for a generic caller.
#[tokio::test(start_paused = true)]
async fn scoped_work_can_be_spawned() {
    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let world = World::new(3);
    let client = world.client();
    let work = is_send(client.with_send("r", |lease| {
        Box::pin(async move { lease.fencing_token().as_u64() })
    }));
    assert!(work.await.unwrap() > 0);
    fn is_static<T: Send + 'static>(_: &T) {}
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    is_shared(&client);
    is_static(&client.acquire("q").await.unwrap());
}
