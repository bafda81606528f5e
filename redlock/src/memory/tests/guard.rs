//! Guard record, quarantine and fencing counters.

use super::*;

const fn quarantined(remaining: Duration) -> Answer {
    Answer::Quarantined { remaining }
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_server_nobody_admitted_votes_after_max_ttl() {
    let cluster = MemoryCluster::never_admitted(1);
    let client = Client::new(&cluster, &settings());
    assert_eq!(client.look(Inspection::Look).await, GuardState::Absent);
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL));
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL - MS));
    client.host.sleep(MAX_TTL - 3 * MS).await;
    assert_eq!(client.call(1, acquire()).await, quarantined(MS));
    assert!(matches!(
        client.call(1, acquire()).await,
        Answer::Granted { .. }
    ));
    assert_eq!(client.look(Inspection::Look).await, GuardState::Admitted);
}

#[tokio::test(start_paused = true)]
async fn only_a_server_without_a_record_is_admitted_as_new() {
    let cluster = MemoryCluster::never_admitted(1);
    let client = Client::new(&cluster, &settings());
    assert_eq!(
        client.look(Inspection::AdmitNew).await,
        GuardState::Admitted
    );
    assert_eq!(client.call(1, acquire()).await, granted(START + 1));
    assert!(client.node.inspect(Inspection::AdmitNew).await.is_err());
    cluster.server(0).forget_everything();
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL));
    assert!(
        client.node.inspect(Inspection::AdmitNew).await.is_err(),
        "quarantined is not new"
    );
}

#[tokio::test(start_paused = true)]
async fn restarted_and_flushed_servers_are_quarantined() {
    for keep_data in [true, false] {
        let cluster = MemoryCluster::new(1);
        let server = cluster.server(0);
        let client = Client::new(&cluster, &settings());
        assert_eq!(client.call(1, acquire()).await, granted(START + 1));
        server.restart(keep_data);
        assert_eq!(server.owner_of(b"r").is_some(), keep_data);
        assert_eq!(server.counter(0) > 0, keep_data);
        let answer = client.call(1, extend(TTL)).await;
        let lost = Answer::NotOwner {
            gone: true,
            same_identity: false,
        };
        let kept = Answer::Confirmed;
        assert_eq!(answer, if keep_data { kept } else { lost });
        // With or without its record, from the first contact and not from the first acquisition.
        assert_eq!(client.call(2, acquire()).await, quarantined(MAX_TTL - MS));
    }
    let cluster = MemoryCluster::new(1);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire()).await;
    cluster.server(0).forget_everything();
    assert_eq!(client.call(2, acquire()).await, quarantined(MAX_TTL));
    client.host.sleep(MAX_TTL / 2).await;
    cluster.server(0).restart(true);
    assert_eq!(
        client.call(2, acquire()).await,
        quarantined(MAX_TTL),
        "it starts again"
    );
}

#[tokio::test(start_paused = true)]
async fn without_the_guard_a_restarted_server_votes_at_once() {
    for fencing in [true, false] {
        let cluster = MemoryCluster::never_admitted(1);
        let unguarded = Settings {
            fencing,
            restart_guard: false,
            ..settings()
        };
        let client = Client::new(&cluster, &unguarded);
        let counter = if fencing { START + 1 } else { 0 };
        assert_eq!(client.call(1, acquire()).await, granted(counter));
        let state = if fencing {
            GuardState::Admitted
        } else {
            GuardState::NotUsed
        };
        assert_eq!(client.look(Inspection::Look).await, state);
        cluster.server(0).restart(false);
        assert_eq!(client.call(2, acquire()).await, granted(counter));
        let publish = Verb::Publish { counter: START + 9 };
        assert_eq!(client.call(2, publish).await, Answer::Confirmed);
        let kept = if fencing { START + 9 } else { 0 };
        assert_eq!(cluster.server(0).counter(0), kept);
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_disagree_are_refused_by_name_until_replaced() {
    let cluster = MemoryCluster::new(1);
    let old = Client::new(&cluster, &settings());
    old.call(1, acquire()).await;
    let changed = Settings {
        max_ttl: MAX_TTL / 2,
        stripes: 4,
        ..settings()
    };
    let new = Client::new(&cluster, &changed);
    let Answer::Refused(Reason::Settings(text)) = new.call(2, acquire()).await else {
        panic!("settings must be refused")
    };
    assert_eq!(
        &*text,
        "max_ttl_ms is 30000 here and 60000 on the node, stripes is 4 here and 1 on the node"
    );
    assert!(matches!(
        new.look(Inspection::Look).await,
        GuardState::OtherSettings { stored } if stored == settings().to_string()
    ));
    let counter = cluster.server(0).counter(0);
    assert_eq!(
        new.look(Inspection::ReplaceSettings).await,
        GuardState::Quarantined { remaining: MAX_TTL },
        "the larger of both"
    );
    assert_eq!(new.call(2, acquire()).await, quarantined(MAX_TTL));
    assert_eq!(cluster.server(0).counter(3), counter);
    assert!(matches!(
        old.call(3, acquire()).await,
        Answer::Refused(Reason::Settings(_))
    ));
}

#[tokio::test(start_paused = true)]
async fn ttls_above_the_maximum_are_refused() {
    let cluster = MemoryCluster::new(1);
    let client = Client::new(&cluster, &settings());
    let above = MAX_TTL + MS;
    let refused = Answer::Refused(Reason::TtlAboveMax {
        asked: above,
        max: MAX_TTL,
    });
    assert_eq!(
        client.call(1, acquire_with(above, START)).await,
        refused.clone()
    );
    client.call(1, acquire_with(MAX_TTL, START)).await;
    assert_eq!(client.call(1, extend(above)).await, refused);
}

#[tokio::test(start_paused = true)]
async fn counters_rise_by_at_least_one_and_proposals_stay_near_the_servers_time() {
    let cluster = MemoryCluster::new(1);
    let client = Client::new(&cluster, &settings());
    let window = 15_000_000;
    // (proposal, counter expected); each pair of calls takes two milliseconds.
    let mut now = START;
    for (proposal, expected) in [
        (0, START - window),
        (START + 5, START + 5),
        (START + 5, START + 6),
        (u64::MAX, START + 6_000 + window),
        (0, START + 6_001 + window),
    ] {
        let answer = client.call(1, acquire_with(TTL, proposal)).await;
        assert_eq!(answer, granted(expected), "at {now}");
        client.call(1, release()).await;
        now += 2_000;
    }
}

#[tokio::test(start_paused = true)]
async fn publications_and_extensions_raise_the_counter_only_for_the_owner() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire()).await;
    let publish = |counter| Verb::Publish { counter };
    let high = FencingToken::MAX.as_u64();
    assert_eq!(client.call(2, publish(high)).await, not_owner(false));
    assert_eq!(server.counter(0), START + 1);
    assert_eq!(client.call(1, publish(START + 7)).await, Answer::Confirmed);
    assert_eq!(client.call(1, publish(START)).await, Answer::Confirmed);
    assert_eq!(server.counter(0), START + 7);
    let carrying = Verb::Extend {
        ttl: TTL,
        counter: high,
    };
    assert_eq!(client.call(1, carrying).await, Answer::Confirmed);
    assert_eq!(server.counter(0), high);
    client.call(1, release()).await;
    assert_eq!(
        client.call(2, acquire()).await,
        Answer::Refused(Reason::CounterExhausted)
    );
    assert!(server.keys().is_empty(), "checks come before writes");
}

#[tokio::test(start_paused = true)]
async fn foreign_keys_are_errors_and_keys_that_outlast_the_maximum_are_cut() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire_with(MAX_TTL, START)).await;
    server.step_clock_back(Duration::from_secs(3_600));
    assert!(server.ttl_of(b"r").unwrap() > MAX_TTL);
    assert_eq!(client.call(2, acquire()).await, contended(MAX_TTL));
    server.plant_foreign_key(b"redlock:lock:r");
    assert!(matches!(
        client.call(2, acquire()).await,
        Answer::Refused(Reason::ForeignKey(_))
    ));
    assert_eq!(client.call(1, release()).await, not_owner(false));
    assert_eq!(server.keys(), [b"redlock:lock:r"]);
}

#[tokio::test(start_paused = true)]
async fn the_servers_clock_ends_its_keys() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    server.step_clock_forward(Duration::from_secs(1));
    let client = Client::new(&cluster, &settings());
    assert_eq!(
        client.call(1, acquire_with(TTL, 0)).await,
        granted(START + 1_000_000 - 15_000_000)
    );
    server.step_clock_forward(TTL);
    assert_eq!(server.owner_of(b"r"), None);
    client.call(1, acquire()).await;
    server.freeze_clock();
    client.host.sleep(2 * TTL).await;
    assert_eq!(server.owner_of(b"r"), Some(token(1)));
    server.thaw_clock();
    server.set_clock_rate(1_000_000);
    client.host.sleep(TTL / 2).await;
    assert_eq!(server.owner_of(b"r"), None, "twice as fast");
}

/// A server restarts empty and its clock steps forward by more than the quarantine: nobody has
/// measured the time yet, so it stays out until a client has.
#[tokio::test(start_paused = true)]
async fn quarantine_survives_clock_step() {
    for keep_data in [true, false] {
        let cluster = MemoryCluster::new(1);
        let server = cluster.server(0);
        let client = Client::new(&cluster, &settings());
        client.call(1, acquire()).await;
        server.restart(keep_data);
        server.step_clock_forward(2 * MAX_TTL);
        assert_eq!(client.call(2, acquire()).await, quarantined(MAX_TTL));
        client.host.sleep(MAX_TTL / 2).await;
        // A client that asks for the first time has measured nothing.
        let late = Client::new(&cluster, &settings());
        assert_eq!(late.call(3, acquire()).await, quarantined(MAX_TTL));
        // A step back would only lengthen it, and by no more than its length.
        server.step_clock_back(10 * MAX_TTL);
        assert_eq!(client.call(2, acquire()).await, quarantined(MAX_TTL));
        server.step_clock_forward(10 * MAX_TTL);
        client.host.sleep(MAX_TTL / 2 - 4 * MS).await;
        assert_eq!(client.call(2, acquire()).await, quarantined(MS));
        assert_eq!(late.call(3, acquire()).await, quarantined(MAX_TTL / 2 + MS));
        // One client's proof admits the server for all.
        let answer = client.call(2, acquire()).await;
        assert!(matches!(answer, Answer::Granted { .. }), "{answer:?}");
        let answer = late.call(3, acquire()).await;
        assert!(matches!(answer, Answer::Contended { .. }), "{answer:?}");
    }
}

/// A client's measurement alone ends nothing either: its clocks may be fast.
#[tokio::test(start_paused = true)]
async fn a_quarantine_ends_on_both_clocks() {
    let cluster = MemoryCluster::never_admitted(1);
    let client = Client::new(&cluster, &settings());
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL));
    cluster.server(0).step_clock_back(MAX_TTL / 2);
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL));
    // Measured to its end, and the server's clock has a millisecond to go.
    client.host.sleep(MAX_TTL - 2 * MS).await;
    assert_eq!(client.call(1, acquire()).await, quarantined(MS));
    let answer = client.call(1, acquire()).await;
    assert!(matches!(answer, Answer::Granted { .. }), "{answer:?}");
}

/// The slowest of the client's clocks measures, and what was measured for one quarantine proves
/// nothing about the next.
#[tokio::test(start_paused = true)]
async fn a_quarantine_is_measured_on_the_smallest_clock_and_for_one_nonce() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let host = Arc::new(VirtualRuntime::new(1));
    let client = Client::on(Arc::clone(&host) as _, &cluster, &settings());
    server.forget_everything();
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL));
    host.freeze(HostClock::Raw);
    host.suspend(2 * MAX_TTL);
    client.host.sleep(MAX_TTL / 2).await;
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL - MS));
    host.thaw(HostClock::Raw);
    client.host.sleep(MAX_TTL / 2).await;
    server.forget_everything();
    assert_eq!(client.call(1, acquire()).await, quarantined(MAX_TTL));
    client.host.sleep(MAX_TTL - 2 * MS).await;
    assert_eq!(client.call(1, acquire()).await, quarantined(MS));
    let answer = client.call(1, acquire()).await;
    assert!(matches!(answer, Answer::Granted { .. }), "{answer:?}");
}

/// A machine set back to a snapshot has forgotten keys although nothing restarted: a counter below one
/// that the client has seen tells.
#[tokio::test(start_paused = true)]
async fn memory_went_back() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire()).await;
    client.call(1, release()).await;
    server.take_snapshot();
    // The same memory again is no loss.
    server.set_back();
    assert_eq!(client.call(2, acquire()).await, granted(START + 2));
    let carrying = Verb::Publish { counter: START + 9 };
    assert_eq!(client.call(2, carrying).await, Answer::Confirmed);
    server.set_back();
    assert_eq!(server.owner_of(b"r"), None, "a lock was forgotten");
    assert_eq!(client.call(3, acquire()).await, quarantined(MAX_TTL));
    assert_eq!(server.owner_of(b"r"), None, "no vote");
    // Nor does it vote for a client that has seen nothing.
    let other = Client::new(&cluster, &settings());
    assert_eq!(other.call(3, acquire()).await, quarantined(MAX_TTL));
    client.host.sleep(MAX_TTL).await;
    let answer = client.call(3, acquire()).await;
    assert!(matches!(answer, Answer::Granted { .. }), "{answer:?}");
}

/// A client that asks for nothing proves what it has measured, to a server that answers. One that is gone does not.
#[tokio::test(start_paused = true)]
async fn an_idle_client_ends_a_quarantine() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire()).await;
    let voted = async |after: Duration| {
        client.host.sleep(after).await;
        // Has measured nothing, and is gone before it could.
        let late = Client::new(&cluster, &settings());
        late.look(Inspection::Look).await == GuardState::Admitted
    };
    server.restart(false);
    assert!(!voted(MAX_TTL - MS).await);
    assert!(voted(Duration::from_secs(1)).await);

    // Whatever keeps the server from answering, it is looked at when it does again.
    for (silence, answer) in [
        (
            MemoryServer::pause as fn(&_),
            MemoryServer::resume as fn(&_),
        ),
        (MemoryServer::hold, MemoryServer::release_held),
        (MemoryServer::refuse, MemoryServer::up),
        (MemoryServer::lose_replies, MemoryServer::up),
    ] {
        server.restart(false);
        client.host.sleep(MS).await;
        silence(&server);
        client.host.sleep(2 * MAX_TTL).await;
        answer(&server);
        assert!(voted(Duration::from_secs(1)).await);
    }

    server.restart(false);
    client.host.sleep(MS).await;
    let host = Arc::clone(&client.host);
    drop(client);
    host.sleep(2 * MAX_TTL).await;
    let late = Client::new(&cluster, &settings());
    assert_ne!(late.look(Inspection::Look).await, GuardState::Admitted);
}
