//! How a service tests its own use of the lock: in memory, on virtual time, with scripted faults.
//!
//! Runs without servers: `cargo run -p redlock --features memory --example unit_test`.

use std::{error::Error, sync::Arc, time::Duration};

use redlock::{
    Redlock, Runtime as _, WithError,
    memory::{MemoryCluster, VirtualRuntime},
};

/// The service: sends one reminder a second, and must not go on once its lease is lost.
async fn send_reminders(redlock: &Redlock, host: &VirtualRuntime) -> Result<u32, WithError> {
    redlock
        .with("reminders", async |_| {
            let mut sent = 0;
            while sent < 60 {
                host.sleep(Duration::from_secs(1)).await;
                sent += 1;
            }
            sent
        })
        .await
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MemoryCluster::new(5);
    let host = Arc::new(VirtualRuntime::new(1));
    let redlock = Redlock::builder()
        .memory_nodes(&cluster)
        .runtime(host.clone())
        .build()?;

    // Two of five nodes down: the work goes on, renewed in the background.
    cluster.server(0).refuse();
    cluster.server(1).refuse();
    println!(
        "with two nodes down, {} reminders were sent",
        send_reminders(&redlock, &host).await?
    );

    // A third fails 20 s into the work: the lease cannot be renewed, and the work is cancelled.
    let third = async {
        host.sleep(Duration::from_secs(20)).await;
        cluster.server(2).refuse();
    };
    let (outcome, ()) = futures::future::join(send_reminders(&redlock, &host), third).await;
    match outcome {
        Err(WithError::Lost(_)) => println!("with three down, the work stopped with its lease"),
        other => return Err(format!("expected a lost lease, got {other:?}").into()),
    }
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
