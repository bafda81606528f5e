//! Scripted faults.

use super::*;

fn refused() -> Answer {
    Answer::Refused(Reason::Connect("connection refused".into()))
}

const fn is_broken(answer: &Answer) -> bool {
    matches!(answer, Answer::Unknown(Reason::ConnectionLost(_)))
}

#[tokio::test(start_paused = true)]
async fn a_refusing_server_keeps_only_releases() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    client.call(1, acquire()).await;
    server.refuse();
    assert!(client.node.inspect(Inspection::Look).await.is_err());
    client.submit(1, 1, release());
    client.submit(2, 2, acquire());
    client.submit(3, 1, extend(TTL));
    let give_up = client.host.monotonic() + TTL;
    client.submit(4, 1, Verb::Release { give_up });
    client.settle().await;
    assert_eq!(client.take(), [(2, refused()), (3, refused())]);
    client.host.sleep(TTL).await;
    assert_eq!(client.take(), [(4, Answer::Refused(Reason::Expired))]);
    server.up();
    client.settle().await;
    assert_eq!(client.take(), [(1, not_owner(true))]);
    assert_eq!(verbs(&server), [VerbKind::Acquire, VerbKind::Release]);
}

#[tokio::test(start_paused = true)]
async fn held_calls_are_executed_late_and_in_order() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    for stop in [true, false] {
        if stop {
            server.pause()
        } else {
            server.hold()
        }
        client.submit(1, 1, acquire());
        client.submit(2, 1, release());
        client.host.sleep(TTL).await;
        assert!(client.take().is_empty() && server.keys().is_empty());
        if stop {
            server.resume();
        } else {
            server.release_held();
        }
        client.settle().await;
        let answers = client.take();
        assert!(matches!(answers[0], (1, Answer::Granted { .. })));
        assert_eq!(answers[1..], [(2, Answer::Released)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_comes_too_late_to_be_written_is_not_written() {
    let cluster = MemoryCluster::new(1);
    let client = Client::new(&cluster, &settings());
    let expires = client.host.monotonic();
    let late = Verb::Acquire {
        ttl: TTL,
        proposal: 0,
        expires,
    };
    assert_eq!(client.call(1, late).await, Answer::Refused(Reason::NotSent));
    assert_eq!(cluster.server(0).count(VerbKind::Acquire), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_written_is_unknown_when_the_connection_breaks() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    server.hold();
    client.submit(1, 1, acquire());
    client.submit(2, 1, release());
    client.submit(3, 2, acquire());
    client.settle().await;
    server.break_connections();
    server.release_held();
    client.settle().await;
    let answers = client.take();
    assert_eq!(answers.len(), 3);
    assert!(answers[0].0 == 1 && is_broken(&answers[0].1));
    assert!(answers[1].0 == 3 && is_broken(&answers[1].1));
    assert_eq!(
        answers[2],
        (2, not_owner(true)),
        "the release is sent again"
    );
    assert_eq!(verbs(&server), [VerbKind::Release], "nothing else is");
}

#[tokio::test(start_paused = true)]
async fn lost_replies_stay_unanswered_until_the_connection_breaks() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    server.lose_replies();
    client.submit(1, 1, acquire());
    client.host.sleep(TTL / 2).await;
    assert_eq!(server.owner_of(b"r"), Some(token(1)));
    client.submit(2, 1, release());
    client.settle().await;
    assert!(client.take().is_empty() && server.keys().is_empty());
    server.up();
    client.settle().await;
    let answers = client.take();
    assert!(answers[0].0 == 1 && is_broken(&answers[0].1));
    assert_eq!(answers[1..], [(2, not_owner(true))]);
    assert_eq!(server.count(VerbKind::Release), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_reply_longer_than_max_ttl() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    server.lose_replies();
    client.submit(1, 1, acquire());
    let give_up = client.host.monotonic() + TTL;
    client.submit(2, 1, Verb::Release { give_up });
    client.host.sleep(TTL).await;
    client.settle().await;
    assert_eq!(client.take(), [(2, Answer::Refused(Reason::Expired))]);
    client.host.sleep(MAX_TTL).await;
    let answers = client.take();
    assert!(answers.len() == 1 && is_broken(&answers[0].1));
}

#[tokio::test(start_paused = true)]
async fn delays_are_pipelined() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    let second = Duration::from_secs(1);
    server.delay_requests(second);
    server.delay_replies(2 * second);
    client.submit(1, 1, acquire());
    client.submit(2, 1, release());
    client.host.sleep(second / 2).await;
    assert!(server.executed().is_empty());
    client.host.sleep(second).await;
    assert_eq!(verbs(&server), [VerbKind::Acquire, VerbKind::Release]);
    assert!(client.take().is_empty());
    client.host.sleep(2 * second).await;
    assert_eq!(client.take().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn answers_can_be_scripted() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    let odd = Answer::Unknown(Reason::Scripted("odd".into()));
    server.answer_next(odd.clone());
    assert_eq!(client.call(1, acquire()).await, odd);
    assert!(server.keys().is_empty());
    server.execute_and_answer_next_to(VerbKind::Acquire, odd.clone());
    server.answer_next_to(VerbKind::Extend, odd.clone());
    assert_eq!(client.call(1, release()).await, not_owner(true));
    assert_eq!(client.call(1, acquire()).await, odd);
    assert_eq!(server.owner_of(b"r"), Some(token(1)));
    assert_eq!(client.call(1, extend(TTL)).await, odd);
    assert_eq!(client.call(1, extend(TTL)).await, Answer::Confirmed);
    server.delete(b"r");
    assert_eq!(client.call(1, extend(TTL)).await, not_owner(true));
}

#[tokio::test(start_paused = true)]
async fn an_inspection_waits_for_a_paused_server() {
    let cluster = MemoryCluster::new(1);
    let server = cluster.server(0);
    let client = Client::new(&cluster, &settings());
    server.pause();
    let look = client.node.inspect(Inspection::Look);
    let resume = async {
        client.settle().await;
        server.resume();
    };
    let (facts, ()) = futures::future::join(look, resume).await;
    let before = facts.unwrap();
    server.restart(true);
    let after = client.node.inspect(Inspection::Look).await.unwrap();
    assert_ne!(before.identity, after.identity);
    assert_eq!(before.version, "memory");
}
