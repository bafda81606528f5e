//! The guard record: settings, identity, quarantine.

use std::{sync::Arc, time::Duration};

use redlock::{
    Answer, Drift, Reason, Settings,
    node::{GuardState, Inspection},
    redis::{Directory, Limits},
};
use redlock_testkit::RedisServer;

use crate::support::*;

fn short() -> Settings {
    Settings {
        max_ttl: Duration::from_millis(800),
        ..settings()
    }
}

const TTL: Duration = Duration::from_millis(800);

/// What a client waits to be sure that a TTL has passed.
fn measured() -> Duration {
    Drift::default().certainly_passed(TTL)
}

/// The quarantine that an acquisition meets.
async fn quarantined(client: &Client) -> Duration {
    match client.acquire_for(owner(), TTL / 2).await {
        Answer::Quarantined { remaining } => remaining,
        other => panic!("not quarantined: {other}"),
    }
}

/// Acquires once the quarantine is over. Returns how often the node said that it was not.
async fn acquire_after_quarantine(client: &Client) -> usize {
    let mine = owner();
    for refusals in 0..100 {
        match client.acquire_for(mine, TTL).await {
            Answer::Quarantined { remaining } => pass(remaining).await,
            answer => {
                granted(&answer);
                assert_eq!(client.release(mine).await, Answer::Released);
                return refusals;
            }
        }
    }
    panic!("the quarantine does not end");
}

/// A node that forgot everything, in either way, does not vote until `max_ttl` after it was noticed.
#[tokio::test]
async fn restart_amnesia_and_flushed_node() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::new(&server.url(), short(), patient());
        // New: no record at all.
        let first = quarantined(&client).await;
        assert!(first <= measured() && first > TTL / 4, "{first:?}");
        let second = quarantined(&client).await;
        assert!(second <= first, "it started once: {second:?} {first:?}");
        assert_eq!(get(&server, client.lock.key()), None);
        acquire_after_quarantine(&client).await;

        // flushed_node
        server.command(&["FLUSHALL"]);
        quarantined(&client).await;
        assert!(guard_field(&server, "identity").is_none());
        acquire_after_quarantine(&client).await;
        let identity = guard_field(&server, "identity");

        // restart_amnesia: the quarantine starts with the reconnection, before any acquisition.
        server.restart_empty().unwrap();
        until(|| guard_field(&server, "candidate").is_some()).await;
        assert!(matches!(
            client.inspect(Inspection::Look).await.unwrap().guard,
            GuardState::Quarantined { remaining } if remaining <= measured()
        ));
        quarantined(&client).await;
        acquire_after_quarantine(&client).await;
        assert_ne!(guard_field(&server, "identity"), identity);
    }
}

/// A restarted node that kept its data is quarantined as well: what it kept may be old.
#[tokio::test]
async fn a_restart_with_data_un_admits_the_node() {
    for options in versions() {
        let options = options.append_only(redlock_testkit::AppendFsync::Always);
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted_with(&server.url(), short(), patient()).await;
        let mine = owner();
        granted(&client.acquire_for(mine, TTL).await);
        let before = guard_field(&server, "identity").unwrap();
        server.restart().unwrap();
        // A client that has never seen the server before the restart notices too.
        let other = Client::new(&server.url(), short(), patient());
        quarantined(&other).await;
        quarantined(&client).await;
        assert!(guard_field(&server, "identity").is_none());
        let answer = client.extend(mine, TTL, 0).await;
        let lost = Answer::NotOwner {
            gone: true,
            same_identity: false,
        };
        assert!(answer == Answer::Confirmed || answer == lost, "{answer:?}");
        client.release(mine).await;
        acquire_after_quarantine(&client).await;
        assert_ne!(guard_field(&server, "identity").unwrap(), before);
    }
}

/// A connection whose identity is not the server's is not believed: it reads INFO anew.
#[tokio::test]
async fn a_stale_connection_reconnects() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = redlock_testkit::Proxy::to(&server).unwrap();
        let client = Client::admitted_with(&proxy.url(), short(), patient()).await;
        // The replication id changes without a restart, and another client admits the new identity.
        server.command(&["REPLICAOF", "127.0.0.1", "1"]);
        server.command(&["REPLICAOF", "NO", "ONE"]);
        server.command(&["HSET", "redlock:guard", "identity", "somebody:else"]);
        assert_eq!(
            client.acquire_for(owner(), TTL).await,
            Answer::Refused(Reason::IdentityChanged)
        );
        proxy.connected(2).await;
        quarantined(&client).await;
        acquire_after_quarantine(&client).await;
    }
}

#[tokio::test]
async fn admit_only_new_cluster() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::new(&server.url(), settings(), patient());
        let facts = client.inspect(Inspection::AdmitNew).await.unwrap();
        assert_eq!(facts.guard, GuardState::Admitted);
        let look = client.inspect(Inspection::Look).await.unwrap();
        assert_eq!(look.guard, GuardState::Admitted);
        granted(&client.acquire(owner()).await);
        let error = client.inspect(Inspection::AdmitNew).await.unwrap_err();
        assert!(error.to_string().contains("guard record"), "{error}");
    }
}

#[tokio::test]
async fn other_settings_are_refused_by_name_until_they_are_replaced() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let old = Client::admitted_with(&server.url(), short(), patient()).await;
        let wider = Settings {
            max_ttl: Duration::from_millis(400),
            stripes: 8,
            ..settings()
        };
        let new = Client::new(&server.url(), wider, patient());
        let answer = new.acquire_for(owner(), Duration::from_millis(400)).await;
        let expected =
            "max_ttl_ms is 400 here and 800 on the node, stripes is 8 here and 4 on the node";
        assert_eq!(answer, Answer::Refused(Reason::Settings(expected.into())));
        assert!(matches!(
            new.inspect(Inspection::Look).await.unwrap().guard,
            GuardState::OtherSettings { stored } if stored.contains("stripes=4")
        ));

        let replaced = new.inspect(Inspection::ReplaceSettings).await.unwrap();
        // The larger of the two, as long as it takes to be measured.
        let remaining = measured();
        assert_eq!(replaced.guard, GuardState::Quarantined { remaining });
        let left = quarantined(&new).await;
        assert!(
            left > Duration::from_millis(400) && left <= remaining,
            "{left:?}"
        );
        assert!(matches!(
            old.acquire_for(owner(), TTL).await,
            Answer::Refused(Reason::Settings(_))
        ));
    }
}

/// Two URLs to one server would give it two votes.
#[tokio::test]
async fn duplicate_node() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = redlock_testkit::Proxy::to(&server).unwrap();
        let directory = Arc::new(Directory::default());
        let node = |url: &str, index| {
            Client::in_directory(url, settings(), patient(), Arc::clone(&directory), index)
        };
        let (first, second) = (node(&server.url(), 0), node(&proxy.url(), 1));
        first.inspect(Inspection::AdmitNew).await.unwrap();
        let name = format!("127.0.0.1:{}", server.port());
        let same = Reason::SameServer(name.into());
        assert_eq!(second.inspect(Inspection::Look).await, Err(same.clone()));
        let down = Answer::Refused(Reason::Down(Arc::new(same)));
        assert_eq!(second.acquire(owner()).await, down);
        granted(&first.acquire(owner()).await);
    }
}

/// A key under our prefix that is not a lock is reported, not counted and not touched.
#[tokio::test]
async fn foreign_keys_are_refused_and_left_alone() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted(&server).await;
        let key = client.lock.key();
        let foreign = |what: &str| Answer::Refused(Reason::ForeignKey(what.into()));
        let mine = owner();
        let not_mine = Answer::NotOwner {
            gone: false,
            same_identity: true,
        };

        server.command(&[b"SET", key, b"config"]);
        assert_eq!(client.acquire(mine).await, foreign("it has no TTL"));
        assert_eq!(client.release(mine).await, not_mine);
        assert_eq!(get(&server, key).as_deref(), Some("config"));

        server.command(&[b"DEL", key]);
        server.command(&[b"LPUSH", key, b"work"]);
        assert_eq!(client.acquire(mine).await, foreign("it is a list"));
        assert_eq!(client.release(mine).await, not_mine);
        assert_eq!(
            client.extend(mine, Duration::from_secs(1), 0).await,
            not_mine
        );
        assert_eq!(client.publish(mine, 1).await, not_mine);
        assert_eq!(server.command(&[b"LLEN", key]), redis::Value::Int(1));
    }
}

/// The server's own clock does not end a quarantine: its key is gone, as after a forward step, and the
/// server stays out until a client has measured the time. A client that comes late has measured
/// nothing, and is admitted with the first one's proof.
#[tokio::test]
async fn quarantine_survives_clock_step() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::new(&server.url(), short(), patient());
        let first = quarantined(&client).await;
        server.command(&["DEL", "redlock:quarantine"]);
        let second = quarantined(&client).await;
        assert!(second > TTL / 4 && second < first, "{second:?} {first:?}");
        pass(TTL / 2).await;
        let late = Client::new(&server.url(), short(), patient());
        let left = quarantined(&late).await;
        assert!(left > TTL * 3 / 4, "{left:?}");
        assert_eq!(guard_field(&server, "identity"), None);
        assert!(acquire_after_quarantine(&client).await > 0);
        granted(&late.acquire_for(owner(), TTL).await);
    }
}

/// Nor does a client's clock alone: it may be fast. A server whose clock stepped back stays out longer.
#[tokio::test]
async fn a_quarantine_ends_on_both_clocks() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::new(&server.url(), short(), patient());
        quarantined(&client).await;
        pass(TTL / 2).await;
        // As long as from its start: what a step back by half of it leaves.
        let whole = TTL.as_millis().to_string();
        server.command(&["PEXPIRE", "redlock:quarantine", &whole]);
        pass(measured() - TTL / 2).await;
        let left = quarantined(&client).await;
        assert!(left > TTL / 8 && left <= TTL / 2, "{left:?}");
        acquire_after_quarantine(&client).await;
    }
}

/// After a replacement of settings, the longer of the two maxima has to be measured.
#[tokio::test]
async fn a_replacement_of_settings_is_waited_out_by_the_longer_maximum() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        Client::admitted_with(&server.url(), short(), patient()).await;
        let brief = Settings {
            max_ttl: Duration::from_millis(200),
            ..short()
        };
        let client = Client::new(&server.url(), brief, patient());
        client.inspect(Inspection::ReplaceSettings).await.unwrap();
        // Of the key's clock nothing is left, of the measurement nearly all.
        server.command(&["DEL", "redlock:quarantine"]);
        pass(Duration::from_millis(300)).await;
        assert_eq!(guard_field(&server, "identity"), None);
        // A restart starts it anew, as long as it was.
        server.command(&["HSET", "redlock:guard", "candidate", "another:one"]);
        match client.acquire_for(owner(), TTL / 8).await {
            Answer::Quarantined { remaining } => assert!(remaining > TTL / 2, "{remaining:?}"),
            other => panic!("not quarantined: {other}"),
        }
    }
}

/// A client that asks for nothing notices that its node forgot, measures, and finds it admitted.
#[tokio::test]
async fn an_idle_client_finds_its_node_admitted() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let limits = Limits {
            look_interval: Duration::from_millis(50),
            ..patient()
        };
        let idle = Client::admitted_with(&server.url(), short(), limits).await;
        let identity = guard_field(&server, "identity");
        assert!(identity.is_some());
        server.command(&["FLUSHALL"]);
        until(|| guard_field(&server, "candidate").is_some()).await;
        until(|| guard_field(&server, "identity") == identity).await;
        assert_eq!(guard_field(&server, "nonce"), None);
        granted(&idle.acquire_for(owner(), TTL).await);
    }
}

/// A look at a server that nobody has admitted yet leaves it new.
#[tokio::test]
async fn looking_at_a_new_node_starts_nothing() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let proxy = redlock_testkit::Proxy::to(&server).unwrap();
        let limits = Limits {
            look_interval: Duration::from_millis(20),
            ..patient()
        };
        let client = Client::new(&proxy.url(), settings(), limits);
        for _ in 0..3 {
            let looked = proxy.next_reply_to("redlock:quarantine");
            let state = client.inspect(Inspection::Look).await.unwrap().guard;
            assert_eq!(state, GuardState::Absent);
            looked.forwarded().await;
        }
        // Nor does a restart of a server that was never in service.
        server.restart_empty().unwrap();
        proxy.connected(2).await;
        client.inspect(Inspection::AdmitNew).await.unwrap();
        granted(&client.acquire(owner()).await);
    }
}

/// A replica that is attached while a client is connected is noticed although nobody asks.
#[tokio::test]
async fn a_replica_attached_later_is_noticed() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let replica = RedisServer::start(&options).unwrap();
        let limits = Limits {
            look_interval: Duration::from_millis(50),
            ..patient()
        };
        let client = Client::admitted_with(&server.url(), settings(), limits).await;
        granted(&client.acquire(owner()).await);
        let port = server.port().to_string();
        replica.command(&["REPLICAOF", "127.0.0.1", &port]);
        bounded(async {
            loop {
                match client.inspect(Inspection::Look).await {
                    Ok(_) => pass(Duration::from_millis(20)).await,
                    Err(Reason::Down(reason)) if *reason == Reason::HasReplicas(1) => return,
                    Err(Reason::HasReplicas(1)) => return,
                    Err(Reason::ConnectionLost(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        })
        .await;
    }
}

/// `server` becomes a replica of `other`, which is promoted meanwhile, and is promoted back. `lost` is
/// deleted on the other master, as a write that the failover lost would be.
async fn fail_over_and_back(server: &RedisServer, other: &RedisServer, lost: &[u8]) {
    let address = |server: &RedisServer| ["127.0.0.1".to_owned(), server.port().to_string()];
    let follow = |server: &RedisServer, master: &RedisServer| {
        let [host, port] = address(master);
        server.command(&["REPLICAOF", &host, &port]);
    };
    let linked = |server: &RedisServer| server.info("master_link_status").as_deref() == Some("up");
    other.command(&["REPLICAOF", "NO", "ONE"]);
    let deleted = other.command(&[b"DEL", lost]);
    assert_eq!(deleted, redis::Value::Int(1));
    follow(server, other);
    until(|| linked(server)).await;
    server.command(&["REPLICAOF", "NO", "ONE"]);
}

/// The connection and the run id outlive a failover there and back, the lock does not. With strict
/// identity the next acquisition notices; without it, such a server is no node.
#[tokio::test]
async fn failover_and_back() {
    for options in versions() {
        let options = options.config("repl-diskless-sync-delay", "0");
        let server = RedisServer::start(&options).unwrap();
        let replica = RedisServer::start(&options).unwrap();
        let strict = Settings {
            strict_identity: true,
            ..settings()
        };
        let rare = Limits {
            look_interval: Duration::from_secs(3_600),
            ..patient()
        };
        let proxy = redlock_testkit::Proxy::to(&server).unwrap();
        let port = server.port().to_string();
        replica.command(&["REPLICAOF", "127.0.0.1", &port]);
        until(|| server.info("connected_slaves").as_deref() == Some("1")).await;
        until(|| replica.info("master_link_status").as_deref() == Some("up")).await;

        let client = Client::admitted_with(&proxy.url(), strict.clone(), rare).await;
        let key = client.lock.key();
        granted(&client.acquire_for(owner(), Duration::from_secs(30)).await);
        until(|| get(&replica, key).is_some()).await;
        let (run_id, identity) = (server.info("run_id"), guard_field(&server, "identity"));

        fail_over_and_back(&server, &replica, key).await;
        assert_eq!(server.info("run_id"), run_id);
        assert_eq!(
            guard_field(&server, "identity"),
            identity,
            "it came back with the data"
        );
        assert_eq!(get(&server, key), None, "the lock was lost");
        let changed = Answer::Refused(Reason::IdentityChanged);
        assert_eq!(client.acquire_for(owner(), TTL).await, changed);
        proxy.connected(2).await;
        quarantined(&client).await;
        assert_eq!(guard_field(&server, "identity"), None);

        let trusting = Client::new(&server.url(), settings(), patient());
        let answer = trusting.acquire(owner()).await;
        assert!(
            matches!(answer, Answer::Refused(Reason::Settings(_))),
            "{answer:?}"
        );
        replica.command(&["REPLICAOF", "127.0.0.1", &port]);
        until(|| server.info("connected_slaves").as_deref() == Some("1")).await;
        let trusting = Client::new(&server.url(), settings(), patient());
        let answer = trusting.acquire(owner()).await;
        assert_eq!(answer, Answer::Refused(Reason::HasReplicas(1)));
    }
}

/// Without strict identity, a look finds a server that changed under its connection.
#[tokio::test]
async fn a_look_notices_another_replication_id() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let limits = Limits {
            look_interval: Duration::from_millis(50),
            ..patient()
        };
        let _idle = Client::admitted_with(&server.url(), short(), limits).await;
        let before = guard_field(&server, "identity");
        server.command(&["REPLICAOF", "127.0.0.1", "1"]);
        server.command(&["REPLICAOF", "NO", "ONE"]);
        until(|| guard_field(&server, "candidate").is_some()).await;
        until(|| guard_field(&server, "identity").is_some_and(|now| Some(now) != before)).await;
    }
}

/// A counter below one that this client has seen: the machine was set back, and keys with it. The
/// server is quarantined by the same script, before it can vote.
#[tokio::test]
async fn memory_went_back() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let client = Client::admitted_with(&server.url(), short(), patient()).await;
        let field = format!("f{}", client.lock.stripe());
        let mine = owner();
        // Below what was granted, and below what was published after it.
        for fallen_by in [6, 1] {
            let reached = granted(&client.acquire_for(mine, TTL).await);
            assert_eq!(client.publish(mine, reached + 5).await, Answer::Confirmed);
            client.release(mine).await;
            let back = (reached + 5 - fallen_by).to_string();
            server.command(&["HSET", "redlock:guard", &field, &back]);
            quarantined(&client).await;
            assert_eq!(get(&server, client.lock.key()), None, "no vote");
            assert_eq!(guard_field(&server, "identity"), None);
            acquire_after_quarantine(&client).await;
        }
        // A counter that is gone is lower than any.
        server.command(&["HDEL", "redlock:guard", &field]);
        quarantined(&client).await;
    }
}

/// Under any policy but noeviction, lock keys are what is deleted first when memory runs out.
#[tokio::test]
async fn eviction_refused() {
    for options in versions() {
        let server = RedisServer::start(&options).unwrap();
        let limits = Limits {
            look_interval: Duration::from_millis(50),
            ..patient()
        };
        let evicts = |policy: &str| Reason::Evicts(policy.into());
        let client = Client::admitted_with(&server.url(), settings(), limits).await;
        granted(&client.acquire(owner()).await);
        for policy in ["allkeys-lru", "volatile-ttl"] {
            server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
            let new = Client::new(&server.url(), settings(), patient());
            let answer = new.acquire(owner()).await;
            assert_eq!(answer, Answer::Refused(evicts(policy)));
            // A client that is connected notices.
            bounded(async {
                loop {
                    match client.inspect(Inspection::Look).await {
                        Err(Reason::Down(reason)) if *reason == evicts(policy) => return,
                        _ => pass(Duration::from_millis(20)).await,
                    }
                }
            })
            .await;
        }
        server.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
        bounded(async {
            while client.inspect(Inspection::Look).await.is_err() {
                pass(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}
