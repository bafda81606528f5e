//! Work that runs under a lease of its own.

use std::{cell::Cell, panic::AssertUnwindSafe};

use futures::{FutureExt as _, future};
use redlock::WithError;

use crate::cluster::Cluster;

/// The body runs under the lease, its value comes back, and nothing stays.
pub async fn scoped_work_is_released(cluster: &Cluster) {
    let client = cluster.client().await;
    let value = client.with("r", async |lease| {
        cluster.until_held_by_all(lease).await;
        assert_eq!(cluster.locked("r"), cluster.all().len());
        7
    });
    assert_eq!(value.await.unwrap(), 7);
    cluster.until_free("r").await;
}

/// So it is when the body panics.
pub async fn scoped_work_that_panics_is_released(cluster: &Cluster) {
    let client = cluster.client().await;
    let work = client.with("r", async |_| -> () { panic!("on purpose") });
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    assert!(outcome.is_err());
    cluster.until_free("r").await;
}

/// A body whose lease is lost is dropped where it stands; then what is left of the keys is released.
pub async fn scoped_work_is_dropped_with_its_lease(cluster: &Cluster) {
    struct OnDrop<'a>(&'a Cell<bool>);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let client = cluster.admitted(cluster.brief()).await;
    let dropped = Cell::new(false);
    let work = client.with("r", async |lease| {
        let _dropped = OnDrop(&dropped);
        cluster.until_held_by_all(lease).await;
        // The next renewal is told.
        for node in [0, 1] {
            cluster.nodes().delete(node, "r");
        }
        future::pending::<()>().await;
    });
    let result = work.await;
    assert!(matches!(result, Err(WithError::Lost(_))), "{result:?}");
    assert!(dropped.get());
    cluster.until_free("r").await;
}
