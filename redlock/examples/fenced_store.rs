//! A holder that is suspended past its lease, and a store that refuses what it writes then.
//!
//! Runs without servers: `cargo run -p redlock --features memory --example fenced_store`.

use std::{error::Error, sync::Arc, time::Duration};

use redlock::{
    FencingToken, Redlock, Runtime as _,
    memory::{MemoryCluster, VirtualRuntime},
};

/// What the lock protects: a number, and the highest token that touched it.
#[derive(Default)]
struct Store {
    value: u64,
    fence: Option<FencingToken>,
}

/// Somebody newer was here.
#[derive(Debug)]
struct Stale;

impl Store {
    /// Reading seals the store, too: an older holder's write in flight is refused from now on.
    fn read(&mut self, token: FencingToken) -> Result<u64, Stale> {
        self.admit(token)?;
        Ok(self.value)
    }

    fn write(&mut self, token: FencingToken, value: u64) -> Result<(), Stale> {
        self.admit(token)?;
        self.value = value;
        Ok(())
    }

    fn admit(&mut self, token: FencingToken) -> Result<(), Stale> {
        if Some(token) < self.fence {
            return Err(Stale);
        }
        self.fence = Some(token);
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let cluster = MemoryCluster::new(5);
    let client = |host: &Arc<VirtualRuntime>| {
        Redlock::builder()
            .memory_nodes(&cluster)
            .runtime(host.clone())
            .build()
    };
    let (laptop, server) = (
        Arc::new(VirtualRuntime::new(1)),
        Arc::new(VirtualRuntime::new(2)),
    );
    let mut store = Store::default();

    let sleepy = client(&laptop)?.acquire("counter").await?;
    let read = store
        .read(sleepy.fencing_token())
        .map_err(|Stale| "refused")?;
    println!(
        "the laptop holds token {} and read {read}; its lid closes",
        sleepy.fencing_token()
    );

    // An hour passes. Its keys expire, and somebody else goes to work.
    server.sleep(Duration::from_secs(3_600)).await;
    let awake = client(&server)?.acquire("counter").await?;
    let fresh = store
        .read(awake.fencing_token())
        .map_err(|Stale| "refused")?;
    store
        .write(awake.fencing_token(), fresh + 1)
        .map_err(|Stale| "refused")?;
    println!(
        "the server holds token {} and wrote {}",
        awake.fencing_token(),
        fresh + 1
    );

    // The laptop had looked at its lease just before the lid closed, and writes without looking.
    match store.write(sleepy.fencing_token(), read + 1) {
        Ok(()) => return Err("an update was lost".into()),
        Err(Stale) => println!("the laptop's write was refused; nothing was lost"),
    }
    if sleepy.is_valid() {
        return Err("the lease outlived its deadline".into());
    }
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
