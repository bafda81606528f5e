//! How long a node that forgot stays out when nobody asks it for anything.

use std::time::Duration;

use simulator::{
    contender::{Redlock, RedlockSettings},
    network::Latency,
    workload::Session,
    world::WorldConfig,
};

use crate::lab::{Notes, ask, config, fault, ms, name, pause_ms, run, until};

/// Waits until the guard record of the node has this field. It asks over connections of its own, so that no client does.
async fn recorded(session: &Session, field: &str) -> u64 {
    let command = format!("HEXISTS redlock:guard {field}");
    loop {
        if ask(session, "node-1", &command)
            .await
            .is_ok_and(|it| it == ":1")
        {
            return ms(session.process().true_time());
        }
        pause_ms(session, 1).await;
    }
}

/// Acquires at once, or fails.
async fn acquire(session: &Session) {
    let lease = session.acquire("r1", Duration::from_millis(20)).await;
    lease.unwrap().release().await.unwrap();
}

/// Takes down how long the quarantine lasts of a node that restarts empty at 2,000, and acquires when it is over. This client
/// has measured nothing.
async fn observe(session: &Session, lasted: &Notes<u64>) {
    until(session, 2_100).await;
    let began = recorded(session, "candidate").await;
    let ended = recorded(session, "identity").await;
    lasted.push(ended - began);
    acquire(session).await;
}

fn cluster(clients: usize, ttl_ms: u64) -> WorldConfig {
    let mut config = config(clients);
    config.latency = Latency::constant(500);
    config.redlock = RedlockSettings {
        ttl_ms,
        max_ttl_ms: ttl_ms,
        ..RedlockSettings::default()
    };
    config
}

fn crash() -> String {
    fault("crash", "target='node-1'\nlose_data=true", 2_000, 100)
}

/// `max_ttl`, half a percent for clocks, and what it takes to ask.
fn assert_over_in_time(lasted: &[u64], ttl_ms: u64) {
    let [lasted] = lasted else {
        panic!("it never ended: {lasted:?}");
    };
    let (least, most) = (ttl_ms - 5, ttl_ms + ttl_ms / 100 + 10);
    assert!((least..=most).contains(lasted), "{lasted} of {ttl_ms}");
}

/// A client that does nothing sees the quarantine of its node to its end, however short that is, and whoever comes then gets
/// the lock at once.
#[test]
fn an_idle_client_ends_a_quarantine_when_it_is_over() {
    for ttl_ms in [50, 100, 400, 3_000] {
        let notes = Notes::default();
        let shared = notes.clone();
        run(cluster(2, ttl_ms), &crash(), move |session| {
            let lasted = shared.clone();
            async move {
                if name(&session) == "client-1" {
                    until(&session, 1_000).await;
                    acquire(&session).await;
                    return std::future::pending().await;
                }
                observe(&session, &lasted).await;
            }
        });
        assert_over_in_time(&notes.take(), ttl_ms);
    }
}

/// Looks at its node all the time, and does nothing else.
async fn look_on(session: Session, settings: RedlockSettings) {
    let looking = Redlock::new(session.process(), ["node-1"], &settings).unwrap();
    loop {
        // Whatever it finds.
        let _ = looking.client().preflight().await;
        pause_ms(&session, 30).await;
    }
}

/// Nor does it last longer for a client that looks at it all the time. There is no other that has measured it: the one that
/// put the cluster into service is dead.
#[test]
fn whoever_looks_at_a_quarantine_does_not_prolong_it() {
    let ttl_ms = 3_000;
    let config = cluster(3, ttl_ms);
    let settings = config.redlock.clone();
    let notes = Notes::default();
    let shared = notes.clone();
    let died = fault("crash", "target='client-1'", 1_500, 0);
    run(config, &(died + &crash()), move |session| {
        let (settings, lasted) = (settings.clone(), shared.clone());
        async move {
            match name(&session).as_str() {
                "client-1" => {}
                "client-2" => look_on(session, settings).await,
                _ => observe(&session, &lasted).await,
            }
        }
    });
    assert_over_in_time(&notes.take(), ttl_ms);
}
