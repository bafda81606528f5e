//! What the other end of a connection sees of a process that is killed, and of a machine that loses power.

use simulator::{history::EventKind, workload::Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::{LATENCY, Notes, config, fault, ms, name, of, pause_ms, run, until};

/// What an end of a connection saw: which, when, and what.
type Seen = (String, u64, String);

/// What client-2 does on its connection to client-1.
#[derive(Clone, Copy, PartialEq)]
enum Peer {
    /// Only reads.
    Reads,
    /// Sends something once, at 2,500.
    SendsLate,
    /// Sends something that client-1 never reads, at 1,900.
    SendsUnread,
}

async fn wait_for_the_end(session: Session, peer: Peer, notes: Notes<Seen>) {
    let note = |what: String| {
        let now = ms(session.process().true_time());
        notes.push((name(&session), now, what));
    };
    if name(&session) == "client-1" {
        note(format!(
            "started, {} before",
            session.process().incarnation()
        ));
        let listener = session.process().listen(9_000).unwrap();
        let mut streams = Vec::new();
        loop {
            let mut stream = listener.accept().await;
            stream.write_all(b"hello").await.unwrap();
            streams.push(stream);
        }
    }
    until(&session, 1_500).await;
    let mut stream = session.process().connect("client-1", 9_000).await.unwrap();
    let mut hello = [0; 5];
    stream.read_exact(&mut hello).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sender = session.clone();
    session.process().spawn(async move {
        match peer {
            Peer::Reads => {}
            Peer::SendsLate => until(&sender, 2_500).await,
            Peer::SendsUnread => until(&sender, 1_900).await,
        }
        if peer != Peer::Reads {
            writer.write_all(b"x").await.unwrap();
        }
        // A writer that is dropped closes its half.
        pause_ms(&sender, 100_000).await;
        drop(writer);
    });
    let mut byte = [0];
    match reader.read(&mut byte).await {
        Ok(read) => note(format!("read {read}")),
        Err(error) => note(error.kind().to_string()),
    }
}

fn seen(faults: &str, peer: Peer) -> Vec<(u64, String)> {
    let notes: Notes<Seen> = Notes::default();
    let shared = notes.clone();
    run(config(2), faults, move |session| {
        wait_for_the_end(session, peer, shared.clone())
    });
    let seen = notes.take().into_iter();
    seen.filter(|(host, ..)| host == "client-2")
        .map(|(_, at, what)| (at, what))
        .collect()
}

const WHOM: &str = "target='client-1'";

fn once(at: u64, what: &str) -> Vec<(u64, String)> {
    vec![(at, what.to_owned())]
}

/// The kernel of a killed process tells its peers one latency later: with an end, or with a reset when the process left
/// something unread.
#[test]
fn peers_of_a_killed_process_are_told() {
    assert_eq!(
        seen("", Peer::SendsLate),
        [],
        "nobody ends a connection by himself"
    );
    let crash = fault("crash", WHOM, 2_000, 4_000);
    assert_eq!(seen(&crash, Peer::Reads), once(2_000 + LATENCY, "read 0"));
    assert_eq!(
        seen(&crash, Peer::SendsUnread),
        once(2_000 + LATENCY, "connection reset")
    );
}

/// The kernel that outlives a process goes on telling: while the link is cut it sends the end again, as data.
#[test]
fn a_kernel_tells_again_what_was_lost() {
    let crash = fault("crash", WHOM, 2_000, 4_000);
    let cut = fault("cut", "from='client-1'\nto='client-2'", 1_990, 300);
    // Sent at 2,000 and 2,200, and lost; at 2,600, and not.
    let told = seen(&(cut + &crash), Peer::Reads);
    assert_eq!(told, once(2_600 + LATENCY, "read 0"));
}

/// Nobody hears of a machine that lost power: a peer that only reads waits for ever. One that sends something is told by
/// a reset, when the machine is up again and gets a retransmission.
#[test]
fn peers_of_a_machine_without_power_find_out_by_themselves() {
    let off = fault("power_loss", WHOM, 2_000, 1_000);
    assert_eq!(seen(&off, Peer::Reads), []);
    assert_eq!(seen(&off, Peer::SendsUnread), [], "it was received in time");
    // Sent at 2,500 and 2,700, to nobody; at 3,100 to the machine that is up again.
    let late = seen(&off, Peer::SendsLate);
    assert_eq!(late, once(3_100 + 2 * LATENCY, "connection reset"));
    let short = fault("power_loss", WHOM, 2_000, 300);
    let late = seen(&short, Peer::SendsLate);
    assert_eq!(late, once(2_500 + 2 * LATENCY, "connection reset"));
}

/// A machine without power sends nothing again: what was lost on its way before is lost for good, and what its peer sends
/// is still answered with a reset.
#[test]
fn a_machine_without_power_retransmits_nothing() {
    let notes: Notes<Seen> = Notes::default();
    let shared = notes.clone();
    let faults = fault(
        "cut",
        "from='client-1'\nto='client-2'\ndirection='one_way'",
        1_800,
        400,
    ) + &fault("power_loss", WHOM, 1_950, 1_000);
    run(config(2), &faults, move |session| {
        let notes = shared.clone();
        async move {
            if name(&session) == "client-1" {
                let listener = session.process().listen(9_000).unwrap();
                let mut stream = listener.accept().await;
                until(&session, 1_900).await;
                // Lost in the cut; sent again at 2,100 and 2,500, if somebody were there.
                stream.write_all(b"lost").await.unwrap();
                pause_ms(&session, 100_000).await;
            }
            until(&session, 1_500).await;
            let mut stream = session.process().connect("client-1", 9_000).await.unwrap();
            until(&session, 4_000).await;
            stream.write_all(b"anybody?").await.unwrap();
            let mut room = [0; 16];
            let read = stream.read(&mut room).await;
            let how = read.map_or_else(
                |error| error.kind().to_string(),
                |read| format!("read {read}"),
            );
            notes.push((name(&session), ms(session.process().true_time()), how));
        }
    });
    let found = notes.take();
    let expected = (
        "client-2".to_owned(),
        4_000 + 2 * LATENCY,
        "connection reset".to_owned(),
    );
    assert_eq!(found, [expected]);
}

/// A crash ends when its window does: the process starts again, and the history counts its lives. Of two windows that take a
/// host down, the later end counts.
#[test]
fn a_process_starts_again_as_the_window_ends() {
    let starts = |faults: &str| {
        let run = run(config(2), faults, |_| async {});
        of(&run.history, "client-1")
            .filter_map(|(at, kind)| match kind {
                EventKind::Started { incarnation } => Some((at, *incarnation)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(starts(""), [(0, 0)]);
    for kind in ["crash", "power_loss"] {
        assert_eq!(starts(&fault(kind, WHOM, 2_000, 700)), [(0, 0), (2_700, 1)]);
        let two = fault(kind, WHOM, 2_000, 700) + &fault(kind, "target='clients'", 2_500, 1_000);
        assert_eq!(starts(&two), [(0, 0), (3_500, 1)], "{kind}");
    }
}
